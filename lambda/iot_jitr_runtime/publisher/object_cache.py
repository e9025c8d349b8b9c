"""Cache of the objects that earlier runs read from a CA's source: an unchanged object is not read again.

It is stored in S3 beside the CA's index. If the cache is missing or damaged, the CRLs are read again. The
CRLs in force are not in it, because the index contains their origins.
"""

import json
from dataclasses import astuple, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation import PREFIX
from iot_jitr_runtime.revocation.model import CrlRecord, Origin, RejectionReason, UnusableCrlError
from iot_jitr_runtime.revocation.store import IndexStore

KEPT_FOR = timedelta(days=1)
"""After this time an unusable object is read again: a newer version of this code may accept it."""


@dataclass(frozen=True)
class Rejection:
    """An object that is not a usable CRL."""

    origin: Origin
    error: UnusableCrlError
    at: datetime
    """When it was read."""


@dataclass
class ObjectCache:
    """The objects of one CA's source that are not in force. They are read from S3 at the first `find`."""

    store: IndexStore
    ca: CaCertificateId
    now: datetime
    max_age: timedelta | None
    """If it has changed, the cache is not used: a CRL may have been unusable only because of its age."""
    _former: dict[Origin, CrlRecord | Rejection] | None = None
    """The objects in S3; None: they have not been read."""
    _current: dict[Origin, CrlRecord | Rejection] = field(default_factory=dict)

    def find(self, origin: Origin) -> CrlRecord | UnusableCrlError | None:
        """Return the CRL at `origin`, or why it is unusable; None if it must be read."""
        if self._former is None:
            self._former = self._read()
        known = self._former.get(origin)
        if known is not None:
            self._current[origin] = known
        return known.error if isinstance(known, Rejection) else known

    def add_unusable(self, origin: Origin, error: UnusableCrlError) -> None:
        """Store why the object at `origin` is unusable, unless that can change with time."""
        if origin.etag is not None and error.reason is not RejectionReason.NOT_YET_VALID:
            self._current[origin] = Rejection(origin, error, self.now)

    def add_older(self, record: CrlRecord) -> None:
        """Store a CRL that is older than the one in force."""
        if record.origin.etag is not None:
            self._current[record.origin] = record

    def save(self) -> None:
        """Save the objects that this run found or added; remove those that the source no longer has."""
        if self._current == (self._former or {}):
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

    def _read(self) -> dict[Origin, CrlRecord | Rejection]:
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
    """Return the key of a CA's object cache."""
    return f"{PREFIX}{ca}.objects.json"


def _seconds(max_age: timedelta | None) -> int | None:
    return None if max_age is None else max_age // timedelta(seconds=1)
