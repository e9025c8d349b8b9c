"""Reads statistics of CloudWatch metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.doctor.reading import aws_call

if TYPE_CHECKING:
    import boto3


@dataclass(frozen=True)
class MetricStatistic:
    """A metric and one of its statistics."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str = "Sum"


def read_metrics(
    session: "boto3.Session",
    metrics: Mapping[str, MetricStatistic],
    start: datetime,
    end: datetime,
    period: timedelta,
) -> dict[str, list[tuple[datetime, float]]]:
    """Return the values of each metric with the start times of their periods, the newest first.

    If CloudWatch has no value for a period, the period is missing in the list.

    Raises:
        UndeterminedError: CloudWatch cannot be read.
    """
    names = list(metrics)
    queries: Any = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": metric.namespace,
                    "MetricName": metric.name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in metric.dimensions.items()],
                },
                "Period": int(period.total_seconds()),
                "Stat": metric.statistic,
            },
        }
        for number, metric in enumerate(metrics.values())
    ]
    found: dict[str, list[tuple[datetime, float]]] = {name: [] for name in names}
    with aws_call("cloudwatch:GetMetricData"):
        pages = session.client("cloudwatch").get_paginator("get_metric_data")
        for page in pages.paginate(MetricDataQueries=queries, StartTime=start, EndTime=end):
            for result in page["MetricDataResults"]:
                values = zip(result["Timestamps"], result["Values"], strict=True)
                found[names[int(result["Id"].removeprefix("m"))]] += values
    return found
