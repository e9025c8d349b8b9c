"""Builds the parts of an activation (admission, revocation, things, policy) from the functions' settings."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import boto3

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.interfaces import (
    Admission,
    AdmitAll,
    NoCrl,
    NoThings,
    PolicyAttachment,
    RevocationCheck,
    ThingRegistration,
)
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.policy import PolicyKind

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iot import IoTClient

    from iot_jitr_runtime.ledger.outbox import Outbox


NO_CRL = "none"


class NoRevocationBucketError(JitrError):
    """A CA has a CRL, but the function does not know the bucket of the revocation indexes."""


class RevocationSettings(Protocol):
    """A function's settings of its CAs' revocation lists."""

    @property
    def cas(self) -> Mapping[CaCertificateId, Mapping[str, Any]]: ...  # noqa: D102 - see `environment`
    @property
    def revocation_bucket(self) -> str | None: ...  # noqa: D102 - see `environment`
    @property
    def revocation_refresh(self) -> timedelta: ...  # noqa: D102 - see `environment`


def ca_devices(cas: Mapping[CaCertificateId, Mapping[str, Any]]) -> frozenset[CaCertificateId]:
    """Return the CAs whose devices may present a certificate with basicConstraints CA:TRUE.

    Args:
        cas: The value of `JITR_CAS`, parsed.
    """
    return frozenset(ca for ca, config in cas.items() if config.get(environment.ACCEPT_CA_CERTIFICATES))


def build_revocation(settings: RevocationSettings) -> RevocationCheck:
    """Return what checks the CAs' revocation lists.

    Raises:
        NoRevocationBucketError: A CA has a CRL, and no bucket is set. Nothing is activated then.
    """
    without_crl = {ca for ca, config in settings.cas.items() if config["revocation"] == NO_CRL}
    if without_crl == set(settings.cas):
        return NoCrl()
    if settings.revocation_bucket is None:
        raise NoRevocationBucketError(
            f"{environment.REVOCATION_BUCKET} is not set, although a CA has a CRL: deploy the stack again"
        )
    from iot_jitr_runtime.revocation.checker import IndexedRevocation  # noqa: PLC0415 - see above
    from iot_jitr_runtime.revocation.store import IndexStore  # noqa: PLC0415 - see above

    store = IndexStore(boto3.client("s3", config=CLIENT_CONFIG), settings.revocation_bucket)
    return IndexedRevocation(store, without_crl, settings.revocation_refresh)


def build_admission(config: Mapping[str, Any] | None, dynamodb: "DynamoDBClient") -> Admission:
    """Return what admits devices.

    Args:
        config: The value of `JITR_ADMISSION`, parsed; None where every device is expected.
        dynamodb: The client for the allow list.
    """
    if config is None:
        return AdmitAll()
    if config["kind"] == "allow_list":
        from iot_jitr_runtime.admission.allow_list import AllowList  # noqa: PLC0415 - see above
        from iot_jitr_runtime.admission.keys import KeyKind  # noqa: PLC0415 - see above

        return AllowList(dynamodb, config["table"], KeyKind(config["key"]))
    from iot_jitr_runtime.admission.function import AdmissionFunction, client_config  # noqa: PLC0415 - see above

    client = boto3.client("lambda", config=client_config(config["timeout_seconds"]))
    return AdmissionFunction(client, config["function"])


def admission_timeout(config: Mapping[str, Any] | None) -> timedelta:
    """Return how long the admission of one device may take at most, besides calls to AWS."""
    return timedelta(seconds=(config or {}).get("timeout_seconds", 0))


def build_things(
    config: Mapping[str, Any] | None, iot: "IoTClient", dynamodb: "DynamoDBClient", ledger_table: str
) -> ThingRegistration:
    """Return what registers things.

    Args:
        config: The value of `JITR_THINGS`, parsed; None where devices have none.
        iot: The client for the registry.
        dynamodb: The client for the ledger.
        ledger_table: The ledger's name.
    """
    if config is None:
        return NoThings()
    from iot_jitr_runtime.ledger.lease import Leases  # noqa: PLC0415 - see above
    from iot_jitr_runtime.ledger.tasks import ScheduledTasks  # noqa: PLC0415 - see above
    from iot_jitr_runtime.things.registration import Things  # noqa: PLC0415 - see above
    from iot_jitr_runtime.things.settings import ThingSettings  # noqa: PLC0415 - see above

    return Things(
        iot=iot,
        settings=ThingSettings.from_json(config["thing"]),
        leases=Leases(dynamodb, ledger_table),
        tasks=ScheduledTasks(dynamodb, ledger_table),
        lease_lasts=timedelta(seconds=config["lease_seconds"]),
    )


def build_outbox(
    config: Mapping[str, Any] | None,
    dynamodb: "DynamoDBClient",
    ledger_table: str,
    logger: "Logger",
    metrics: "Metrics",
) -> "Outbox | None":
    """Return what publishes outcome events; None where they are off.

    Args:
        config: The value of `JITR_OUTCOME_EVENTS`, parsed; None where it is not set.
        dynamodb: The client for the ledger.
        ledger_table: The ledger's name.
        logger: Where events that are not published are reported.
        metrics: Where they are counted.
    """
    if config is None:
        return None
    from iot_jitr_runtime.dynamodb import Table  # noqa: PLC0415 - see above
    from iot_jitr_runtime.ledger.outbox import EVENTS_CONFIG, Outbox  # noqa: PLC0415 - see above
    from iot_jitr_runtime.ledger.rows import KEY  # noqa: PLC0415 - see above

    def report(events: int, detail: str) -> None:
        metrics.add_metric(Metric.EVENTS_UNPUBLISHED, "Count", events)
        logger.error("events_unpublished", extra={"events": events, "detail": detail})

    return Outbox(
        items=Table(dynamodb, ledger_table, KEY),
        events=boto3.client("events", config=EVENTS_CONFIG),
        bus=config["bus"],
        pipeline=config["pipeline"],
        report=report,
    )


def build_policy(config: Mapping[str, Any], iot: "IoTClient") -> PolicyAttachment:
    """Return what attaches devices' policies.

    Args:
        config: The value of `JITR_DEVICE_POLICY`, parsed.
        iot: The client for policies.
    """
    needs_common_name = bool(config["needs_common_name"])
    if config["kind"] == PolicyKind.SHARED:
        from iot_jitr_runtime.policy.attachment import SharedPolicy  # noqa: PLC0415 - see above

        return SharedPolicy(iot, name=config["name"], needs_common_name=needs_common_name)
    from iot_jitr_runtime.policy.own_policy import PerDevicePolicy  # noqa: PLC0415 - see above

    return PerDevicePolicy(
        iot, prefix=config["prefix"], template=config["template"], needs_common_name=needs_common_name
    )
