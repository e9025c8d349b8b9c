"""The events that start the publisher, and the CAs that each of them selects."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.publisher import Trigger
from iot_jitr_runtime.publisher.s3 import S3Source
from iot_jitr_runtime.publisher.settings import CaSettings
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore

LEAD = timedelta(minutes=15)
"""If a CA's first CRL becomes stale within this time, the CA is published at every scheduled check."""


class UnknownTriggerError(JitrError):
    """The event is neither a schedule's nor an upload's."""


def concerned(
    event: Mapping[str, Any], cas: Mapping[CaCertificateId, CaSettings], store: IndexStore, now: datetime
) -> list[CaCertificateId]:
    """Return the CAs whose indexes an event starts to publish.

    Raises:
        UnknownTriggerError: It is none of the events that the stack sends.
    """
    if event.get("trigger") == Trigger.SCHEDULE:
        return list(cas)
    if event.get("trigger") == Trigger.WATCH:
        return [ca for ca in cas if _is_due(ca, store, now)]
    if event.get("source") == "aws.s3":
        bucket, key = event["detail"]["bucket"]["name"], event["detail"]["object"]["key"]
        return [
            ca
            for ca, each in cas.items()
            if isinstance(each.source, S3Source) and each.source.contains(bucket, key)
        ]
    raise UnknownTriggerError(f"not an event of this deployment: its keys are {sorted(event)}")


def _is_due(ca: CaCertificateId, store: IndexStore, now: datetime) -> bool:
    try:
        usable_until = store.current(ca).usable_until
    except IndexMissingError:
        return True
    return usable_until is None or usable_until - now <= LEAD
