"""Builds the parts of an activation from a function's environment, see `iot_jitr_runtime.environment`.

Every `env` is the function's environment. Modules that a pipeline does not use are not imported, for a faster
start.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.activator.validate import Validation
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.ledger_table import KEY
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.policy import PolicyKind
from iot_jitr_runtime.policy.attachment import PerDevicePolicy, SharedPolicy

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iot import IoTClient

    from iot_jitr_runtime.admission.allow_list import AllowList
    from iot_jitr_runtime.admission.function import AdmissionFunction
    from iot_jitr_runtime.ledger import Ledger
    from iot_jitr_runtime.ledger.outbox import Outbox
    from iot_jitr_runtime.revocation.checker import IndexedRevocation
    from iot_jitr_runtime.things.registration import Things

Env = Mapping[str, str]

NO_CRL = "none"


def parsed(env: Env, name: str) -> Any:
    """Return a setting that is JSON; None where it is not set."""
    return json.loads(env.get(name, "null"))


def build_validation(
    env: Env, iot: "IoTClient", dynamodb: "DynamoDBClient", revocation: "IndexedRevocation | None"
) -> Validation:
    """Return the checks of certificates."""
    cas = json.loads(env[environment.CAS])
    return Validation(
        issuers=Issuers(iot, cas),
        revocation=revocation,
        admission=build_admission(env, dynamodb),
        needs_common_name=json.loads(env[environment.DEVICE_POLICY])["needs_common_name"],
        ca_devices={ca for ca, config in cas.items() if config.get(environment.ACCEPT_CA_CERTIFICATES)},
    )


def build_revocation(env: Env) -> "IndexedRevocation | None":
    """Return the check against the CAs' CRLs; None if no CA has one."""
    cas = json.loads(env[environment.CAS])
    without_crl = {ca for ca, config in cas.items() if config["revocation"] == NO_CRL}
    if without_crl == set(cas):
        return None
    from iot_jitr_runtime.revocation.checker import IndexedRevocation  # noqa: PLC0415 - see above
    from iot_jitr_runtime.revocation.store import IndexStore  # noqa: PLC0415 - see above

    store = IndexStore(boto3.client("s3", config=CLIENT_CONFIG), env[environment.REVOCATION_BUCKET])
    refresh = timedelta(seconds=float(env[environment.REVOCATION_REFRESH_SECONDS]))
    return IndexedRevocation(store, without_crl, refresh)


def build_admission(env: Env, dynamodb: "DynamoDBClient") -> "AllowList | AdmissionFunction | None":
    """Return the admission check; None if every device is expected."""
    config = parsed(env, environment.ADMISSION)
    if config is None:
        return None
    if config["kind"] == "allow_list":
        from iot_jitr_runtime.admission.allow_list import AllowList  # noqa: PLC0415 - see above
        from iot_jitr_runtime.admission.keys import KeyKind  # noqa: PLC0415 - see above

        return AllowList(dynamodb, config["table"], KeyKind(config["key"]))
    from iot_jitr_runtime.admission.function import AdmissionFunction, client_config  # noqa: PLC0415 - see above

    client = boto3.client("lambda", config=client_config(config["timeout_seconds"]))
    return AdmissionFunction(client, config["function"])


def admission_timeout(env: Env) -> timedelta:
    """Return how long an admission may take besides one read of the allow list."""
    return timedelta(seconds=(parsed(env, environment.ADMISSION) or {}).get("timeout_seconds", 0))


def build_things(env: Env, iot: "IoTClient", ledger: "Ledger") -> "Things | None":
    """Return the registration of things; None if devices have no things."""
    config = parsed(env, environment.THINGS)
    if config is None:
        return None
    from iot_jitr_runtime.things.registration import Things  # noqa: PLC0415 - see above
    from iot_jitr_runtime.things.settings import ThingSettings  # noqa: PLC0415 - see above

    return Things(
        iot=iot,
        settings=ThingSettings(**config["thing"]),
        ledger=ledger,
        lease_lasts=timedelta(seconds=config["lease_seconds"]),
    )


def build_outbox(
    env: Env, dynamodb: "DynamoDBClient", logger: "Logger", metrics: "Metrics"
) -> "Outbox | None":
    """Return the outbox of outcome events; None if they are turned off.

    Args:
        env: The environment.
        dynamodb: The client for the ledger.
        logger: Where events that are not published are reported.
        metrics: Where they are counted.
    """
    config = parsed(env, environment.OUTCOME_EVENTS)
    if config is None:
        return None
    from iot_jitr_runtime.dynamodb import Table  # noqa: PLC0415 - see above
    from iot_jitr_runtime.ledger.outbox import EVENTS_CONFIG, Outbox  # noqa: PLC0415 - see above

    def report(events: int, detail: str) -> None:
        metrics.add_metric(Metric.EVENTS_UNPUBLISHED, "Count", events)
        logger.error("events_unpublished", extra={"events": events, "detail": detail})

    return Outbox(
        items=Table(dynamodb, env[environment.LEDGER_TABLE], KEY),
        events=boto3.client("events", config=EVENTS_CONFIG),
        bus=config["bus"],
        pipeline=config["pipeline"],
        report=report,
    )


def build_policy(env: Env, iot: "IoTClient") -> SharedPolicy | PerDevicePolicy:
    """Return the object that attaches the devices' policies."""
    config = json.loads(env[environment.DEVICE_POLICY])
    if config["kind"] == PolicyKind.SHARED:
        return SharedPolicy(iot, config["name"])
    return PerDevicePolicy(iot, config["prefix"], config["template"])
