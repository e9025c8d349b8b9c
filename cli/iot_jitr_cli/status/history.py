"""The last 24 hours as CloudWatch has them, in steps of a quarter of an hour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor.reading import aws_call
from iot_jitr_cli.status.figures import HOURS, metric
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3

STEP = timedelta(minutes=15)
STEPS = timedelta(hours=HOURS) // STEP


@dataclass(frozen=True)
class Series:
    """One metric, a value for each step; None: CloudWatch has none."""

    id: str
    title: str
    unit: str
    """What the values count, or `s` for seconds."""
    values: tuple[float | None, ...]
    summed: bool
    """Whether values add up over time; else the largest one counts."""

    @property
    def total(self) -> float | None:
        """The sum of a day or its largest value; None where there are no values."""
        known = [value for value in self.values if value is not None]
        return (sum(known) if self.summed else max(known)) if known else None


@dataclass(frozen=True)
class History:
    """What happened in the steps that begin at `begin`."""

    begin: datetime
    series: tuple[Series, ...]

    @property
    def empty(self) -> bool:
        """Whether CloudWatch has no figure at all."""
        return all(each.total is None for each in self.series)


def history(session: "boto3.Session", deployment: Deployment, now: datetime) -> History:
    """Read the last 24 hours: one call, for each of six metrics.

    Raises:
        CannotTellError: CloudWatch cannot be read, or the stack has no output with the namespace of its
            metrics.
    """
    queue = deployment[Output.ACTIVATION_QUEUE_URL].rsplit("/", 1)[-1]
    asked = (
        ("activated", "Devices activated", "devices", metric(deployment, Metric.ACTIVATED), "Sum"),
        ("refused", "Refusals", "messages", metric(deployment, Metric.REFUSED), "Sum"),
        ("deferred", "Deferrals", "messages", metric(deployment, Metric.DEFERRED), "Sum"),
        ("queue", "Messages in the queue", "messages", _of(queue, "NumberOfMessagesVisible"), "Maximum"),
        ("oldest", "Age of the oldest message", "s", _of(queue, "AgeOfOldestMessage"), "Maximum"),
        ("time", "From first connect to active, 95 %", "s", metric(deployment, Metric.TIME_TO_ACTIVE), "p95"),
    )
    step = int(STEP.total_seconds())
    end = datetime.fromtimestamp((int(now.timestamp()) // step + 1) * step, UTC)
    begin = end - STEPS * STEP
    queries: Any = [
        {"Id": name, "MetricStat": {"Metric": which, "Period": step, "Stat": statistic}}
        for name, _, _, which, statistic in asked
    ]
    values: dict[str, list[float | None]] = {name: [None] * STEPS for name, *_ in asked}
    with aws_call("cloudwatch:GetMetricData"):
        pages = session.client("cloudwatch").get_paginator("get_metric_data")
        for page in pages.paginate(MetricDataQueries=queries, StartTime=begin, EndTime=end):
            for result in page["MetricDataResults"]:
                for time, value in zip(result["Timestamps"], result["Values"], strict=True):
                    place = (time - begin) // STEP
                    if 0 <= place < STEPS:
                        values[result["Id"]][place] = value
    return History(
        begin,
        tuple(
            Series(name, title, unit, tuple(values[name]), summed=statistic == "Sum")
            for name, title, unit, _, statistic in asked
        ),
    )


def _of(queue: str, name: str) -> dict[str, Any]:
    """A metric of a queue; SQS has approximate ones only."""
    return {
        "Namespace": "AWS/SQS",
        "MetricName": f"Approximate{name}",
        "Dimensions": [{"Name": "QueueName", "Value": queue}],
    }
