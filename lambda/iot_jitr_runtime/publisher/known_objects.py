"""What earlier runs found in a CA's source, by version: what has not changed is not read at every run.

It is kept in S3 beside the CA's index. It is a cache: whatever is wrong with it costs reading the CRLs again.
What is in force is not in it, for the index contains where that came from.
"""

import json
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation import PREFIX
from iot_jitr_runtime.revocation.model import CrlRecord, Origin, RejectionReason, UnusableCrlError
from iot_jitr_runtime.revocation.store import IndexStore

KEPT_FOR = timedelta(days=1)
"""After that an unusable object is read again: a newer version of this code may find it usable."""


@dataclass(frozen=True)
class Rejection:
    """An object that is no usable CRL."""

    origin: Origin
    error: UnusableCrlError
    at: datetime
    """When it was read."""


@dataclass
class KnownObjects:
    """The objects of one CA's source that are not in force. They are read from S3 at the first `find`."""

    store: IndexStore
    ca: CaCertificateId
    now: datetime
    max_age: timedelta | None
    """With another one than before, nothing is known: a CRL may have been too old for that only."""
    _current: dict[Origin, CrlRecord | Rejection] = field(default_factory=dict)

    def find(self, origin: Origin) -> CrlRecord | UnusableCrlError | None:
        """Return the CRL at `origin`, or why it is unusable; None if it must be read."""
        known = self._former.get(origin)
        if known is not None:
            self._current[origin] = known
        return known.error if isinstance(known, Rejection) else known

    def add_unusable(self, origin: Origin, error: UnusableCrlError) -> None:
        """Keep why the object at `origin` is unusable, unless time alone may change that."""
        if origin.etag is not None and error.reason is not RejectionReason.NOT_YET_VALID:
            self._current[origin] = Rejection(origin, error, self.now)

    def add_older(self, record: CrlRecord) -> None:
        """Keep a CRL that is older than the one in force."""
        if record.origin.etag is not None:
            self._current[record.origin] = record

    def save(self) -> None:
        """Save what this run found or added; what the source no longer has is dropped."""
        if self._current == (self._former if "_former" in vars(self) else {}):
            return
        known = self._current.values()
        content = {
            "max_age": _seconds(self.max_age),
            "older": [each.row() for each in known if isinstance(each, CrlRecord)],
            "unusable": [
                [*astuple(each.origin), each.error.reason, each.error.detail, each.at.isoformat()]
                for each in known
                if isinstance(each, Rejection)
            ],
        }
        self.store.s3.put_object(
            Bucket=self.store.bucket,
            Key=key(self.ca),
            Body=json.dumps(content).encode(),
            ContentType="application/json",
        )

    @cached_property
    def _former(self) -> dict[Origin, CrlRecord | Rejection]:
        try:
            response = self.store.s3.get_object(Bucket=self.store.bucket, Key=key(self.ca))
            return self._parsed(json.loads(response["Body"].read()))
        except (*AwsError, ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            return {}

    def _parsed(self, content: Any) -> dict[Origin, CrlRecord | Rejection]:
        if content["max_age"] != _seconds(self.max_age):
            return {}
        known: list[CrlRecord | Rejection] = [CrlRecord.from_row(row) for row in content["older"]]
        for *origin, reason, detail, at in content["unusable"]:
            moment = datetime.fromisoformat(at)
            if timedelta(0) <= self.now - moment < KEPT_FOR:
                error = UnusableCrlError(RejectionReason(reason), detail)
                known.append(Rejection(Origin(*origin), error, moment))
        return {each.origin: each for each in known}


def key(ca: CaCertificateId) -> str:
    """Return the key of what is known about a CA's objects."""
    return f"{PREFIX}{ca}.objects.json"


def _seconds(max_age: timedelta | None) -> int | None:
    return None if max_age is None else max_age // timedelta(seconds=1)
