"""One log line for each pass and chore, and what alarms ask of the reconciler as metrics."""

from collections import Counter
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.reconciler.bookmarks import PassKind
from iot_jitr_runtime.reconciler.passes import Tally

_DAY = timedelta(days=1)


class Telemetry:
    """Writes out what one run found."""

    def __init__(self, logger: Logger, metrics: Metrics | EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics
        self._oldest_undecided = timedelta(0)

    def passed(self, ca: CaCertificateId, kind: PassKind, tally: Tally) -> None:
        """Log one pass, or as much of it as there was time for."""
        self._oldest_undecided = max(self._oldest_undecided, tally.oldest_undecided)
        self._metrics.add_metric(Metric.REQUEUED, MetricUnit.Count, tally.requeued)
        self._metrics.add_metric(Metric.ENTERED, MetricUnit.Count, sum(tally.entered.values()))
        self._logger.info(
            "pass",
            extra={
                "ca_certificate_id": ca,
                "pass": kind.value,
                "ended": tally.ended,
                "seen": tally.seen,
                "pending": tally.pending,
                "requeued": tally.requeued,
                "oldest_undecided_seconds": tally.oldest_undecided.total_seconds(),
                "entered": {entered.value: count for entered, count in tally.entered.items()},
            },
        )

    def did(self, chore: str, done: Counter[str]) -> None:
        """Log what was due."""
        if done:
            self._logger.info("chore", extra={"chore": chore, "done": dict(done)})

    def ca(self, ca: CaCertificateId, certificate: Certificate, now: datetime) -> None:
        """Measure how long a CA certificate is still valid."""
        with single_metric(
            name=Metric.CA_DAYS_TO_EXPIRY,
            unit=MetricUnit.Count,
            value=(certificate.not_after - now) / _DAY,
            namespace=self._metrics.namespace,
            default_dimensions={Dimension.SERVICE.value: str(self._metrics.service)},
        ) as metric:
            metric.add_dimension(name=Dimension.CA, value=ca)

    def failed(self, what: str, error: Exception) -> None:
        """Log what was cut short; it goes on at the next run."""
        self._logger.error("failed", exc_info=error, extra={"what": what, "detail": str(error)})

    def flush(self) -> None:
        """Measure how long the oldest certificate without a decision has been pending."""
        self._metrics.add_metric(
            Metric.PENDING_AGE, MetricUnit.Seconds, self._oldest_undecided.total_seconds()
        )
