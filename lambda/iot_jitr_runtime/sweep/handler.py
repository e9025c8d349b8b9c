"""The sweep's entry point: settings, clients, telemetry, and one call for each CA into the logic.

It is invoked when an index is published, and every minute: whatever was left undone is found by comparing the
index in force with the one that was swept, so no event is needed for it, and none can be lost.
"""

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics

from iot_jitr_runtime.activator.assembly import admission_of, ca_devices_of, policy_of, things_of
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.activator.vetting import Vetting
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.ledger import Turns
from iot_jitr_runtime.ledger.follow_ups import FollowUps
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.policy.own_policy import Withdrawal
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.sweep.enforcement import CLAIM_LASTS, Enforcement
from iot_jitr_runtime.sweep.pace import Pace
from iot_jitr_runtime.sweep.release import Release
from iot_jitr_runtime.sweep.settings import SweepSettings
from iot_jitr_runtime.sweep.states import SweepStates
from iot_jitr_runtime.sweep.sweeping import Sweep
from iot_jitr_runtime.sweep.telemetry import Telemetry

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()


class SweepFailedError(JitrError):
    """Some CAs could not be swept to the end; the next run goes on."""


@cache
def _sweep() -> tuple[SweepSettings, Sweep]:
    """Put the sweep together, once for each execution environment."""
    settings = SweepSettings.read(os.environ)
    iot = boto3.client("iot", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    store = IndexStore(boto3.client("s3", config=CLIENT_CONFIG), settings.revocation_bucket)
    table = settings.ledger_table
    ledger = RevocationLedger(dynamodb, table)
    policy = policy_of(settings.device_policy, iot)
    # The activator's claims on things are made for its time-out; what is released here may take longer.
    things = settings.things and {**settings.things, "claim_seconds": CLAIM_LASTS.total_seconds()}
    vetting = Vetting(
        issuers=Issuers(iot, list(settings.cas)),
        policy=policy,
        # Asked again for every release: it rests on the index that is in force at that moment.
        revocation=IndexedRevocation(store, refresh=timedelta(0)),
        admission=admission_of(settings.admission, dynamodb),
        ca_devices=ca_devices_of(settings.cas),
    )
    return settings, Sweep(
        store=store,
        states=SweepStates(dynamodb, table),
        ledger=ledger,
        enforcement=Enforcement(iot, ledger, Withdrawal(iot, FollowUps(dynamodb, table))),
        release=Release(iot, ledger, vetting, things_of(things, iot, dynamodb, table), policy),
        pace=Pace(Turns(dynamodb, table, settings.activations_per_second)),
        observer=Telemetry(logger, metrics),
        settle=settings.settle,
        catch=settings.catch,
        dry_run=settings.dry_run,
    )


@logger.inject_lambda_context
def handle(_event: dict[str, Any], context: "LambdaContext") -> None:
    """Sweep every CA that has a CRL, as far as there is something to do."""
    settings, sweep = _sweep()
    telemetry = Telemetry(logger, metrics)
    stopped_by = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
    failed = []
    for ca in settings.cas_with_crl:
        try:
            sweep.run(ca, stopped_by=stopped_by)
        except Exception as error:  # noqa: BLE001 - one CA's trouble must not keep the others from theirs
            telemetry.failed(ca, error)
            failed.append(ca)
    telemetry.flush()
    if failed:
        raise SweepFailedError(f"could not sweep the certificates of {', '.join(failed)}")
