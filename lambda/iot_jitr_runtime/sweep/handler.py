"""The sweep's entry point: settings, clients, telemetry, and one call for each CA into the logic.

It is invoked when an index is published, and every minute. The next run continues the work of an unfinished
run, so it needs no event, and no event can be lost.
"""

import json
import os
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.build import (
    NO_CRL,
    build_outbox,
    build_policy,
    build_things,
    build_validation,
)
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.ca_metrics import write_ca_metric
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.iot_data import iot_data_client
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.ledger.tasks import Task, TaskResult
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.rate_limiter import RateLimiter
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.sweep.enforce import CLAIM_LASTS, Enforcement, ReleaseResult, RevocationResult
from iot_jitr_runtime.sweep.sessions import SessionResult, Sessions
from iot_jitr_runtime.sweep.sweep import LIMIT_TRIPPED, TIME_FOR_ONE, Sweep
from iot_jitr_runtime.sweep.targets import MassRevocationLimit
from iot_jitr_runtime.task_runner import run_tasks

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()

_SESSION_METRICS = {
    SessionResult.CLOSED: Metric.SESSIONS_CLOSED,
    SessionResult.NOT_CLOSED: Metric.SESSIONS_NOT_CLOSED,
}
_SWEPT = {RevocationResult.REVOKED, RevocationResult.SUSPENDED, ReleaseResult.RELEASED}


class SweepFailedError(JitrError):
    """The sweep of some CAs failed; the next run continues it."""


@logger.inject_lambda_context
def handle(_event: dict[str, Any], context: "LambdaContext") -> None:
    """Sweep every CA that has a CRL, until the work is done or the time is over."""
    cas, sweep = _sweep()
    stops_at = Deadline.of_invocation(context).at
    failed = []
    for ca in cas:
        try:
            sweep.run(ca, stops_at=stops_at)
        except Exception as error:
            logger.exception("failed", extra={"ca_certificate_id": ca, "detail": str(error)})
            failed.append(f"the certificates of {ca}")
    if sessions := sweep.enforcement.sessions:
        try:
            _repeat_closings(sessions, Deadline(stops_at - TIME_FOR_ONE))
        except Exception as error:
            logger.exception("failed", extra={"task": Task.CLOSE_SESSION.value, "detail": str(error)})
            failed.append(f"the task {Task.CLOSE_SESSION}")
    # Powertools' decorator logs a warning for each run without metrics, and most runs have none.
    if metrics.metric_set:
        metrics.flush_metrics()
    if failed:
        raise SweepFailedError(f"could not sweep {', '.join(failed)}")


@cache
def _sweep() -> tuple[list[CaCertificateId], Sweep]:
    """Build the sweep from the environment that the stack set, once for each execution environment.

    Returns:
        The CAs that have a CRL, and the sweep.

    Raises:
        KeyError: A variable is missing: stack and function are not of the same version.
    """
    env = os.environ
    cas: dict[CaCertificateId, dict[str, Any]] = json.loads(env[environment.CAS])
    config = json.loads(env[environment.SWEEP])
    table = env[environment.LEDGER_TABLE]
    iot = boto3.client("iot", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    s3 = boto3.client("s3", config=CLIENT_CONFIG)
    store = IndexStore(s3, env[environment.REVOCATION_BUCKET])
    ledger = RevocationLedger(dynamodb, table, build_outbox(env, dynamodb, logger, metrics))
    things = build_things(env, iot, ledger)
    # Refreshed for every release, so that a release uses the index that is in force at that time.
    revocation = IndexedRevocation(store, refresh=timedelta(0))
    rate_limiter = RateLimiter(ledger.items, float(env[environment.ACTIVATIONS_PER_SECOND]))
    sessions = None
    if template := config["client_id"]:
        sessions = Sessions(iot_data_client(), iot, ledger, rate_limiter, template, _report)
    sweep = Sweep(
        store=store,
        ledger=ledger,
        enforcement=Enforcement(
            iot=iot,
            ledger=ledger,
            validation=build_validation(env, iot, dynamodb, revocation),
            # The activator's leases on things last as long as its time-out; a release may take longer.
            things=replace(things, lease_lasts=CLAIM_LASTS) if things else None,
            policy=build_policy(env, iot),
            sessions=sessions,
        ),
        rate_limiter=rate_limiter,
        report=_report,
        settle=timedelta(seconds=config["settle_seconds"]),
        limit=MassRevocationLimit(config["share"], config["minimum"]),
        dry_run=config["dry_run"],
    )
    swept = [ca for ca, settings in cas.items() if settings["revocation"] != NO_CRL]
    return swept, sweep


def _repeat_closings(sessions: Sessions, deadline: Deadline) -> None:
    results = run_tasks(sessions.ledger.tasks, Task.CLOSE_SESSION, sessions.repeat, deadline, logger)
    if failures := list(results.values()).count(TaskResult.FAILED):
        metrics.add_metric(Metric.SESSIONS_NOT_CLOSED, MetricUnit.Count, failures)


def _report(level: str, message: str, ca: CaCertificateId, **facts: object) -> None:
    """Write one line into the log, and count what the alarms and the dashboard need."""
    getattr(logger, level)(str(message), extra={"ca_certificate_id": ca, **facts})
    for result, name in _SESSION_METRICS.items():
        if facts.get("session") == result:
            metrics.add_metric(name, MetricUnit.Count, 1)
    if message in _SWEPT:
        metrics.add_metric(Metric.SWEPT, MetricUnit.Count, 1)
    if message == LIMIT_TRIPPED:
        write_ca_metric(metrics, ca, Metric.REVOCATION_LIMIT_TRIPPED, MetricUnit.Count, 1)
