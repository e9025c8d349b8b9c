"""The pipeline's own metrics as CDK objects."""

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from iot_jitr.allowed import text
from iot_jitr_runtime.metric_names import Dimension, Metric

METRICS_NAMESPACE = "IotJitr"
NAMESPACE = text(
    r"(?!AWS/)[A-Za-z0-9._/#:-]{1,255}",
    "1 to 255 of letters, digits and . _ / # : -, not beginning with AWS/",
)
FIVE_MINUTES = cdk.Duration.minutes(5)
QUARTER_HOUR = cdk.Duration.minutes(15)
HOUR = cdk.Duration.hours(1)
DAY = cdk.Duration.days(1)

_STATISTICS: Mapping[Metric, str] = {
    Metric.TIME_TO_ACTIVE: "p90",
    Metric.CRL_AGE: "Maximum",
    Metric.CRL_TIME_LEFT: "Minimum",
    Metric.CRL_ENTRIES: "Maximum",
    Metric.PENDING_AGE: "Maximum",
    Metric.CA_DAYS_TO_EXPIRY: "Minimum",
}
"""The default statistic of a metric that is not a count; counts are summed."""


@dataclass(frozen=True)
class PipelineMetrics:
    """Namespace and dimension of a pipeline's own metrics."""

    namespace: str
    service: str
    """Value of the dimension that names the pipeline."""

    def of(
        self,
        metric: Metric,
        period: cdk.Duration = FIVE_MINUTES,
        *,
        statistic: str | None = None,
        label: str | None = None,
        **dimensions: str,
    ) -> cloudwatch.Metric:
        """One metric of this pipeline.

        Args:
            metric: The metric.
            period: The period of the statistic.
            statistic: None: the one that suits the metric.
            label: For graphs: an alarm on a metric that has one is written as metric math, which costs more
                and which the local cloud lacks.
            dimensions: By the values of `Dimension`.
        """
        return cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=metric.value,
            dimensions_map={Dimension.SERVICE.value: self.service, **dimensions},
            statistic=statistic or _STATISTICS.get(metric, "Sum"),
            period=period,
            label=label,
        )

    def by_reason(self) -> cloudwatch.MathExpression:
        """How many messages ended for each reason: one line for each reason that occurred."""
        dimensions = f"{self.namespace},{Dimension.REASON},{Dimension.SERVICE}"
        return cloudwatch.MathExpression(
            expression=(
                f'SEARCH(\'{{{dimensions}}} MetricName="{Metric.DECISIONS}" '
                f"{Dimension.SERVICE}=\"{self.service}\"', 'Sum', 300)"
            ),
            using_metrics={},
            label="",
        )

    def of_cas(
        self, metric: Metric, cas: Mapping[str, str], period: cdk.Duration
    ) -> list[cloudwatch.IMetric]:
        """One metric for each CA (name → certificate id), labelled with its name."""
        return [
            self.of(metric, period, label=f"{name} {metric}", ca=certificate_id)
            for name, certificate_id in cas.items()
        ]
