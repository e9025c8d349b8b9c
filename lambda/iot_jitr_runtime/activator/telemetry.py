"""One log line for each decision, and metrics by outcome and by reason."""

from collections import Counter

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from iot_jitr_runtime.activator.activate import Decision
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.outcomes import PASSES_BY_ITSELF, Outcome, Reason


class Telemetry:
    """Counts the decisions of one invocation and writes them out at its end."""

    def __init__(self, logger: Logger, metrics: Metrics | EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics
        self._reasons: Counter[tuple[Reason, CaCertificateId | None]] = Counter()

    def decided(self, decision: Decision) -> None:
        """Log and count one decision."""
        verdict, identity = decision.verdict, decision.identity
        blocked = verdict.outcome is Outcome.DEFERRED and verdict.reason not in PASSES_BY_ITSELF
        self._metrics.add_metric(Metric[verdict.outcome.name], MetricUnit.Count, 1)
        if blocked:
            self._metrics.add_metric(Metric.BLOCKED, MetricUnit.Count, 1)
        if decision.waited is not None:
            self._metrics.add_metric(Metric.TIME_TO_ACTIVE, MetricUnit.Seconds, decision.waited)
        if verdict.reason is not None:
            self._reasons[verdict.reason, identity.ca_certificate_id if identity else None] += 1
        if verdict.defect is not None:
            log = self._logger.error
        elif verdict.outcome is Outcome.STALE:
            # Most events are duplicates: they are counted, and logged only at level DEBUG.
            log = self._logger.debug
        else:
            log = self._logger.warning if blocked else self._logger.info
        log(
            verdict.outcome.value,
            exc_info=verdict.defect,
            extra={
                "outcome": verdict.outcome.value,
                "reason": verdict.reason,
                "detail": verdict.detail,
                "certificate_id": decision.certificate_id,
                "ca_certificate_id": identity.ca_certificate_id if identity else None,
                "serial_number": identity.serial_number if identity else None,
                "common_name": identity.common_name if identity else None,
                "seconds_to_active": decision.waited,
                "retry_in_seconds": decision.retry_in,
                "correlation_id": decision.message.message_id,
            },
        )

    def flush(self) -> None:
        """Write the counts by reason; those by outcome are written by Powertools when the handler returns.

        The CA is a property of these records, for CloudWatch Logs Insights, and not a dimension: each value
        of a dimension is one more metric that costs money.
        """
        for (reason, ca), count in self._reasons.items():
            with single_metric(
                name=Metric.DECISIONS,
                unit=MetricUnit.Count,
                value=count,
                namespace=self._metrics.namespace,
                default_dimensions={Dimension.SERVICE.value: str(self._metrics.service)},
            ) as metric:
                metric.add_dimension(name=Dimension.REASON, value=reason.value)
                if ca is not None:
                    metric.add_metadata(key="ca_certificate_id", value=ca)
        self._reasons.clear()
