"""Metrics with one value for each CA; Powertools collects the others for a whole invocation."""

from typing import TYPE_CHECKING

from aws_lambda_powertools import single_metric

from iot_jitr_runtime.metric_names import Dimension, Metric

if TYPE_CHECKING:
    from aws_lambda_powertools import Metrics
    from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

    from iot_jitr_runtime.identifiers import CaCertificateId


def write_ca_metric(
    metrics: "Metrics | EphemeralMetrics",
    ca: "CaCertificateId",
    name: Metric,
    unit: "MetricUnit",
    value: float,
) -> None:
    """Write a metric of one CA at once, under the namespace and the service of `metrics`."""
    with single_metric(
        name=name,
        unit=unit,
        value=value,
        namespace=metrics.namespace,
        default_dimensions={Dimension.SERVICE.value: str(metrics.service)},
    ) as metric:
        metric.add_dimension(name=Dimension.CA, value=ca)
