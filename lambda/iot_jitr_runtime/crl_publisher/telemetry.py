"""One log line a run, one for each problem, and a CA's CRL figures as metrics."""

from datetime import datetime

from aws_lambda_powertools import Logger, Metrics, single_metric
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from iot_jitr_runtime.crl_publisher.publication import IndexProblem, Report
from iot_jitr_runtime.metric_names import Dimension, Metric


class Telemetry:
    """Writes out what the runs found."""

    def __init__(self, logger: Logger, metrics: Metrics | EphemeralMetrics) -> None:
        self._logger = logger
        self._metrics = metrics

    def published(self, report: Report, now: datetime) -> None:
        """Log and measure one run."""
        ca = report.ca_certificate_id
        for problem in report.problems:
            self._logger.error(
                "crl_problem",
                extra={
                    "ca_certificate_id": ca,
                    "problem": problem.kind.value,
                    "crl": problem.location,
                    "detail": problem.detail,
                },
            )
        self._logger.info(
            "published" if report.changed else "unchanged",
            extra={
                "ca_certificate_id": ca,
                "index_version": report.version,
                "usable_until": report.usable_until.isoformat() if report.usable_until else None,
                "crls": [
                    {
                        "scope": str(record.scope),
                        "number": str(record.number),
                        "entries": record.entries,
                        "location": record.origin.location,
                    }
                    for record in report.crls
                ],
            },
        )
        # How stale a CRL is has a metric of its own.
        unusable = sum(problem.kind is not IndexProblem.STALE for problem in report.problems)
        self._measure(ca, Metric.CRL_UNUSABLE, MetricUnit.Count, unusable)
        if report.usable_until is None:
            self._measure(ca, Metric.CRL_TIME_LEFT, MetricUnit.Seconds, 0)
        else:
            oldest = min(record.this_update for record in report.crls)
            self._measure(ca, Metric.CRL_AGE, MetricUnit.Seconds, (now - oldest).total_seconds())
            left = (report.usable_until - now).total_seconds()
            self._measure(ca, Metric.CRL_TIME_LEFT, MetricUnit.Seconds, left)
            entries = sum(record.entries for record in report.crls)
            self._measure(ca, Metric.CRL_ENTRIES, MetricUnit.Count, entries)

    def failed(self, ca: str, error: Exception) -> None:
        """Log a run that was cut short; it is tried again."""
        self._logger.error("failed", exc_info=error, extra={"ca_certificate_id": ca, "detail": str(error)})

    def _measure(self, ca: str, name: Metric, unit: MetricUnit, value: float) -> None:
        with single_metric(
            name=name,
            unit=unit,
            value=value,
            namespace=self._metrics.namespace,
            default_dimensions={Dimension.SERVICE.value: str(self._metrics.service)},
        ) as metric:
            metric.add_dimension(name=Dimension.CA, value=ca)
