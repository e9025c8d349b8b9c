"""Figures of CloudWatch: how many messages were decided, and how fast."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor.reading import CannotTellError, aws_call
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3

HOURS = 24
_RECENT = timedelta(minutes=5)
_OUTCOMES = (Metric.ACTIVATED, Metric.REFUSED, Metric.DEFERRED, Metric.DEAD_LETTERED, Metric.STALE)


@dataclass(frozen=True)
class DecisionCounts:
    """How many messages were decided, by outcome and reason."""

    hours: int
    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    activated_per_second: float
    """In the last five minutes."""


def decisions(session: "boto3.Session", deployment: Deployment, now: datetime) -> DecisionCounts:
    """How the messages of the last day ended, as the metrics have it; what is missing did not happen.

    The local cloud makes no metrics of the functions' metric lines, so there nothing ever has.

    Raises:
        CannotTellError: CloudWatch cannot be read, or the stack has no output with the namespace of its
            metrics.
    """
    by_name = {each.value: metric(deployment, each) for each in _OUTCOMES}
    by_reason = {reason.value: metric(deployment, Metric.DECISIONS, reason) for reason in Reason}
    day = _sums(session, {**by_name, **by_reason}, now - timedelta(hours=HOURS), now, period=3600)
    return DecisionCounts(
        hours=HOURS,
        outcomes={name: int(day[name]) for name in by_name if name in day},
        reasons={name: int(day[name]) for name in by_reason if day.get(name)},
        activated_per_second=activated_per_second(session, deployment, now),
    )


def activated_per_second(session: "boto3.Session", deployment: Deployment, now: datetime) -> float:
    """How many certificates a second were activated in the last five minutes.

    Raises:
        CannotTellError: As for `decisions`.
    """
    asked = {Metric.ACTIVATED.value: metric(deployment, Metric.ACTIVATED)}
    return sum(_sums(session, asked, now - _RECENT, now, period=300).values()) / _RECENT.total_seconds()


def metric(deployment: Deployment, name: Metric, reason: Reason | None = None) -> dict[str, Any]:
    """A metric of the deployment, as `GetMetricData` takes it.

    Raises:
        CannotTellError: The stack has no output with the namespace of its metrics.
    """
    namespace, service = deployment.get(Output.METRICS_NAMESPACE), deployment.get(Output.SERVICE_NAME)
    if namespace is None or service is None:
        raise CannotTellError("the stack has no output with the namespace of its metrics: deploy it again")
    dimensions = {Dimension.SERVICE.value: service} | (
        {Dimension.REASON.value: reason.value} if reason else {}
    )
    return {
        "Namespace": namespace,
        "MetricName": name.value,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }


def _sums(
    session: "boto3.Session",
    metrics: Mapping[str, dict[str, Any]],
    start: datetime,
    end: datetime,
    *,
    period: int,
) -> dict[str, float]:
    """The sum of each metric that has figures, by its name."""
    names = list(metrics)
    queries = [
        {"Id": f"m{number}", "MetricStat": {"Metric": metrics[name], "Period": period, "Stat": "Sum"}}
        for number, name in enumerate(names)
    ]
    with aws_call("cloudwatch:GetMetricData"):
        pages = session.client("cloudwatch").get_paginator("get_metric_data")
        sums: dict[str, float] = {}
        for page in pages.paginate(MetricDataQueries=queries, StartTime=start, EndTime=end):  # type: ignore[arg-type]
            for result in page["MetricDataResults"]:
                if result["Values"]:
                    name = names[int(result["Id"][1:])]
                    sums[name] = sums.get(name, 0) + sum(result["Values"])
    return sums
