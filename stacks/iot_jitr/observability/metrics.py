"""The pipeline's metrics as CDK objects: its own, and those of the queues and functions it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from iot_jitr.allowed import text
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.outcomes import Reason

METRICS_NAMESPACE = "IotJitr"
NAMESPACE = text(
    r"(?!AWS/)[A-Za-z0-9._/#:-]{1,255}",
    "1 to 255 of letters, digits and . _ / # : -, not beginning with AWS/",
)
FIVE_MINUTES = cdk.Duration.minutes(5)
QUARTER_HOUR = cdk.Duration.minutes(15)


@dataclass(frozen=True)
class PipelineMetrics:
    """Where a pipeline's own metrics are."""

    namespace: str
    service: str
    """Value of the dimension that tells the pipeline from others."""

    def of(
        self,
        metric: Metric,
        statistic: str,
        period: cdk.Duration = FIVE_MINUTES,
        *,
        label: str | None = None,
        **dimensions: str,
    ) -> cloudwatch.Metric:
        """One metric of this pipeline; `dimensions` by the values of `Dimension`.

        A label is for graphs: an alarm on a metric that has one is written as metric math, which costs more
        and which the local cloud does not know.
        """
        return cloudwatch.Metric(
            namespace=self.namespace,
            metric_name=metric.value,
            dimensions_map={Dimension.SERVICE.value: self.service, **dimensions},
            statistic=statistic,
            period=period,
            label=label,
        )

    def of_reason(self, reason: Reason, period: cdk.Duration) -> cloudwatch.Metric:
        """How many messages ended for one reason."""
        return self.of(Metric.DECISIONS, "Sum", period, reason=reason.value)

    def by_reason(self, label: str) -> cloudwatch.MathExpression:
        """How many messages ended for each reason: one line for each that there is."""
        dimensions = f"{self.namespace},{Dimension.REASON},{Dimension.SERVICE}"
        return cloudwatch.MathExpression(
            expression=(
                f'SEARCH(\'{{{dimensions}}} MetricName="{Metric.DECISIONS}" '
                f"{Dimension.SERVICE}=\"{self.service}\"', 'Sum', 300)"
            ),
            using_metrics={},
            label=label,
        )

    def of_cas(
        self, metric: Metric, statistic: str, cas: Mapping[str, str], period: cdk.Duration
    ) -> list[cloudwatch.IMetric]:
        """One metric for each CA (name → certificate id), labelled with its name."""
        return [
            self.of(metric, statistic, period, label=f"{name} {metric}", ca=certificate_id)
            for name, certificate_id in cas.items()
        ]
