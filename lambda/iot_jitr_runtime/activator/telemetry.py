"""One log line a decision, and metrics by outcome and by reason."""

from collections import Counter

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from iot_jitr_runtime.activator.activation import Decision
from iot_jitr_runtime.outcomes import Outcome, Reason

METRIC_OF = {
    Outcome.ACTIVATED: "Activated",
    Outcome.STALE: "Stale",
    Outcome.REFUSED: "Refused",
    Outcome.DEFERRED: "Deferred",
    Outcome.DEAD_LETTERED: "DeadLettered",
}
"""A metric for each outcome, counted in messages."""
DECISIONS = "Decisions"
"""The same messages by dimension `reason`."""
TIME_TO_ACTIVE = "TimeToActive"
"""Seconds from the first event of a certificate until it is ACTIVE."""


class Telemetry:
    """Counts the decisions of one invocation and writes them out at its end."""

    def __init__(self, logger: Logger, metrics: Metrics | EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics
        self._reasons: Counter[Reason] = Counter()

    def decided(self, decision: Decision) -> None:
        """Log and count one decision."""
        verdict = decision.verdict
        self._metrics.add_metric(METRIC_OF[verdict.outcome], MetricUnit.Count, 1)
        if decision.waited is not None:
            self._metrics.add_metric(TIME_TO_ACTIVE, MetricUnit.Seconds, decision.waited)
        if verdict.reason is not None:
            self._reasons[verdict.reason] += 1
        # Duplicates are the load: they are counted, and written only when somebody debugs.
        log = self._logger.debug if verdict.outcome is Outcome.STALE else self._logger.info
        if verdict.outcome is Outcome.DEFERRED:
            log = self._logger.warning
        if decision.defect is not None:
            log = self._logger.error
        identity = decision.identity
        log(
            verdict.outcome.value,
            exc_info=decision.defect,
            extra={
                "outcome": verdict.outcome.value,
                "reason": verdict.reason,
                "detail": verdict.detail,
                "certificate_id": decision.certificate_id,
                "ca_certificate_id": identity.ca_certificate_id if identity else None,
                "serial_number": identity.serial_number if identity else None,
                "common_name": identity.common_name if identity else None,
                "seconds_to_active": decision.waited,
                "retry_in_seconds": decision.retry_in or None,
            },
        )

    def flush(self) -> None:
        """Write the counts by reason; those by outcome are written by Powertools when the handler returns."""
        for reason, count in self._reasons.items():
            with single_metric(
                name=DECISIONS, unit=MetricUnit.Count, value=count, namespace=self._metrics.namespace
            ) as metric:
                metric.add_dimension(name="reason", value=reason.value)
        self._reasons.clear()
