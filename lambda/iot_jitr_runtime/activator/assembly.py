"""What an activator works with, admission, revocation, things and policy: read from what it was told."""

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol

import boto3

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.ports import (
    Admission,
    AdmitAll,
    NoCrl,
    NoThings,
    PolicyAttachment,
    RevocationCheck,
    ThingRegistration,
)
from iot_jitr_runtime.admission.allow_list import AllowList
from iot_jitr_runtime.admission.function import AdmissionFunction, client_config
from iot_jitr_runtime.admission.keys import KeyKind
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger.follow_ups import FollowUps
from iot_jitr_runtime.ledger.thing_claims import ThingClaims
from iot_jitr_runtime.policy.attachment import SharedPolicy
from iot_jitr_runtime.policy.lint import Kind
from iot_jitr_runtime.policy.own_policy import PerDevicePolicy
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.things.registration import Things
from iot_jitr_runtime.things.settings import ThingSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iot import IoTClient


NO_CRL = "none"


class NoRevocationBucketError(JitrError):
    """A CA has a CRL, but the function was not told where the revocation indexes are."""


class RevocationSettings(Protocol):
    """What a function is told of its CAs' revocation lists."""

    @property
    def cas(self) -> Mapping[CaCertificateId, Mapping[str, Any]]: ...  # noqa: D102 - see `environment`
    @property
    def revocation_bucket(self) -> str | None: ...  # noqa: D102 - see `environment`
    @property
    def revocation_refresh(self) -> timedelta: ...  # noqa: D102 - see `environment`


def ca_devices_of(cas: Mapping[CaCertificateId, Mapping[str, Any]]) -> frozenset[CaCertificateId]:
    """Return the CAs whose devices may present a certificate with basicConstraints CA:TRUE.

    Args:
        cas: The value of `JITR_CAS`, parsed.
    """
    return frozenset(ca for ca, told in cas.items() if told.get(environment.ACCEPT_CA_CERTIFICATES))


def revocation_of(settings: RevocationSettings) -> RevocationCheck:
    """Return what checks the CAs' revocation lists.

    Raises:
        NoRevocationBucketError: A CA has a CRL, and no bucket is named. Nothing is activated then.
    """
    without_crl = {ca for ca, told in settings.cas.items() if told["revocation"] == NO_CRL}
    if without_crl == set(settings.cas):
        return NoCrl()
    if settings.revocation_bucket is None:
        raise NoRevocationBucketError(
            f"{environment.REVOCATION_BUCKET} is not set, although a CA has a CRL: deploy the stack again"
        )
    store = IndexStore(boto3.client("s3", config=CLIENT_CONFIG), settings.revocation_bucket)
    return IndexedRevocation(store, without_crl, settings.revocation_refresh)


def admission_of(told: Mapping[str, Any] | None, dynamodb: "DynamoDBClient") -> Admission:
    """Return what admits devices.

    Args:
        told: The value of `JITR_ADMISSION`, parsed; None where every device is expected.
        dynamodb: The client for the allow list.
    """
    if told is None:
        return AdmitAll()
    if told["kind"] == "allow_list":
        return AllowList(dynamodb, told["table"], KeyKind(told["key"]))
    client = boto3.client("lambda", config=client_config(told["timeout_seconds"]))
    return AdmissionFunction(client, told["function"])


def waiting_time_of(told: Mapping[str, Any] | None) -> timedelta:
    """Return how long one device's admission may take at most, besides calls to AWS."""
    return timedelta(seconds=(told or {}).get("timeout_seconds", 0))


def things_of(
    told: Mapping[str, Any] | None, iot: "IoTClient", dynamodb: "DynamoDBClient", ledger_table: str
) -> ThingRegistration:
    """Return what registers things.

    Args:
        told: The value of `JITR_THINGS`, parsed; None where devices have none.
        iot: The client for the registry.
        dynamodb: The client for the ledger.
        ledger_table: The ledger's name.
    """
    if told is None:
        return NoThings()
    return Things(
        iot=iot,
        settings=ThingSettings.from_json(told["thing"]),
        claims=ThingClaims(dynamodb, ledger_table),
        follow_ups=FollowUps(dynamodb, ledger_table),
        claim_lasts=timedelta(seconds=told["claim_seconds"]),
    )


def policy_of(told: Mapping[str, Any], iot: "IoTClient") -> PolicyAttachment:
    """Return what gives devices their policy.

    Args:
        told: The value of `JITR_DEVICE_POLICY`, parsed.
        iot: The client for policies.
    """
    needs_common_name = bool(told["needs_common_name"])
    if told["kind"] == Kind.SHARED:
        return SharedPolicy(iot, name=told["name"], needs_common_name=needs_common_name)
    return PerDevicePolicy(
        iot, prefix=told["prefix"], template=told["template"], needs_common_name=needs_common_name
    )
