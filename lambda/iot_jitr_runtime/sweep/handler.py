"""The sweep's entry point: settings, clients, telemetry, and one call for each CA into the logic.

It is invoked when an index is published, and every minute. What a run leaves undone is continued by the next
one, so no event is needed for it, and none can be lost.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.build import NO_CRL, build_admission, build_policy, build_things, ca_devices
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.activator.validate import Validation
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger.follow_ups import FollowUps
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.policy.own_policy import Withdrawal
from iot_jitr_runtime.rate_limiter import RateLimiter
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.sweep.enforce import CLAIM_LASTS, Enforcement, ReleaseResult, RevocationResult
from iot_jitr_runtime.sweep.state import SweepStates
from iot_jitr_runtime.sweep.sweep import LIMIT_TRIPPED, Sweep
from iot_jitr_runtime.sweep.targets import MassRevocationLimit

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
metrics = Metrics()

_SWEPT = {RevocationResult.REVOKED, RevocationResult.SUSPENDED, ReleaseResult.RELEASED}


class SweepFailedError(JitrError):
    """Some CAs could not be swept to the end; the next run continues."""


@logger.inject_lambda_context
def handle(_event: dict[str, Any], context: "LambdaContext") -> None:
    """Sweep every CA that has a CRL, as far as there is something to do and the time allows."""
    settings, sweep = _sweep()
    telemetry = Telemetry(logger, metrics)
    stopped_by = datetime.now(UTC) + timedelta(milliseconds=context.get_remaining_time_in_millis())
    failed = []
    for ca in settings.cas_with_crl:
        try:
            sweep.run(ca, stopped_by=stopped_by)
        except Exception as error:  # noqa: BLE001 - a failure for one CA must not keep the others from theirs
            telemetry.failed(ca, error)
            failed.append(ca)
    telemetry.flush()
    if failed:
        raise SweepFailedError(f"could not sweep the certificates of {', '.join(failed)}")


@dataclass(frozen=True)
class SweepSettings:
    """The sweep's settings, from the environment that the stack set."""

    ledger_table: str
    revocation_bucket: str
    cas: Mapping[CaCertificateId, Mapping[str, Any]]
    device_policy: Mapping[str, Any]
    admission: Mapping[str, Any] | None
    things: Mapping[str, Any] | None
    activations_per_second: float
    """Certificates a second that all callers of AWS IoT together may touch."""
    limit: MassRevocationLimit
    settle: timedelta
    dry_run: bool

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "SweepSettings":
        """Read the settings.

        Raises:
            KeyError: A variable is missing: stack and function are not of the same version.
        """
        sweep = json.loads(variables[environment.SWEEP])
        return cls(
            ledger_table=variables[environment.LEDGER_TABLE],
            revocation_bucket=variables[environment.REVOCATION_BUCKET],
            cas=json.loads(variables[environment.CAS]),
            device_policy=json.loads(variables[environment.DEVICE_POLICY]),
            admission=json.loads(variables.get(environment.ADMISSION, "null")),
            things=json.loads(variables.get(environment.THINGS, "null")),
            activations_per_second=float(variables[environment.ACTIVATIONS_PER_SECOND]),
            limit=MassRevocationLimit(sweep["share"], sweep["minimum"]),
            settle=timedelta(seconds=sweep["settle_seconds"]),
            dry_run=sweep["dry_run"],
        )

    @property
    def cas_with_crl(self) -> list[CaCertificateId]:
        """The CAs that have something to sweep."""
        return [ca for ca, settings in self.cas.items() if settings["revocation"] != NO_CRL]


@cache
def _sweep() -> tuple[SweepSettings, Sweep]:
    """Build the sweep, once for each execution environment."""
    settings = SweepSettings.read(os.environ)
    iot = boto3.client("iot", config=CLIENT_CONFIG)
    dynamodb = boto3.client("dynamodb", config=CLIENT_CONFIG)
    store = IndexStore(boto3.client("s3", config=CLIENT_CONFIG), settings.revocation_bucket)
    table = settings.ledger_table
    ledger = RevocationLedger(dynamodb, table)
    policy = build_policy(settings.device_policy, iot)
    # The activator's claims on things last as long as its time-out; a release may take longer.
    things = settings.things and {**settings.things, "claim_seconds": CLAIM_LASTS.total_seconds()}
    validation = Validation(
        issuers=Issuers(iot, list(settings.cas)),
        policy=policy,
        # Refreshed for every release: it rests on the index that is in force at that moment.
        revocation=IndexedRevocation(store, refresh=timedelta(0)),
        admission=build_admission(settings.admission, dynamodb),
        ca_devices=ca_devices(settings.cas),
    )
    return settings, Sweep(
        store=store,
        states=SweepStates(dynamodb, table),
        ledger=ledger,
        enforcement=Enforcement(
            iot=iot,
            ledger=ledger,
            withdrawal=Withdrawal(iot, FollowUps(dynamodb, table)),
            validation=validation,
            things=build_things(things, iot, dynamodb, table),
            policy=policy,
        ),
        rate_limiter=RateLimiter(dynamodb, table, settings.activations_per_second),
        report=Telemetry(logger, metrics),
        settle=settings.settle,
        limit=settings.limit,
        dry_run=settings.dry_run,
    )


class Telemetry:
    """Writes the sweep's log lines, and counts what alarms and the dashboard ask for; its `Report`."""

    def __init__(self, logger: Logger, metrics: Metrics | EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def __call__(self, level: str, message: str, ca: CaCertificateId, **facts: object) -> None:
        """Write and count one line."""
        getattr(self._logger, level)(str(message), extra={"ca_certificate_id": ca, **facts})
        if message in _SWEPT:
            self._metrics.add_metric(Metric.SWEPT, MetricUnit.Count, 1)
        if message == LIMIT_TRIPPED:
            self._count_tripped(ca)

    def failed(self, ca: CaCertificateId, error: Exception) -> None:
        """Log a run that failed; the next one continues."""
        self._logger.error("failed", exc_info=error, extra={"ca_certificate_id": ca, "detail": str(error)})

    def flush(self) -> None:
        """Write the counts; Powertools' decorator would warn of each run that has none, which most are."""
        if self._metrics.metric_set:
            self._metrics.flush_metrics()

    def _count_tripped(self, ca: CaCertificateId) -> None:
        with single_metric(
            name=Metric.SWEEP_STOPPED,
            unit=MetricUnit.Count,
            value=1,
            namespace=self._metrics.namespace,
            default_dimensions={Dimension.SERVICE.value: str(self._metrics.service)},
        ) as metric:
            metric.add_dimension(name=Dimension.CA, value=ca)
