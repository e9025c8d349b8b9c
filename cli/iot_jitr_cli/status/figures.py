"""Figures of CloudWatch: how many messages were decided, and how fast."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from iot_jitr_cli.doctor.metrics import MetricStatistic, read_metrics
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.doctor.reading import CannotTellError
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output

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


def decisions(pipeline: Pipeline) -> DecisionCounts:
    """How the messages of the last day ended, as the metrics have it; what is missing did not happen.

    The local cloud makes no metrics of the functions' metric lines, so there nothing ever has.

    Raises:
        CannotTellError: CloudWatch cannot be read, or the stack has no output with the namespace of its
            metrics.
    """
    by_name = {each.value: metric(pipeline, each) for each in _OUTCOMES}
    by_reason = {each.value: metric(pipeline, Metric.DECISIONS, reason=each) for each in Reason}
    begin = pipeline.now - timedelta(hours=HOURS)
    day = _sums(pipeline, {**by_name, **by_reason}, begin, timedelta(hours=1))
    return DecisionCounts(
        hours=HOURS,
        outcomes={name: int(day[name]) for name in by_name if name in day},
        reasons={name: int(day[name]) for name in by_reason if day.get(name)},
        activated_per_second=activated_per_second(pipeline),
    )


def activated_per_second(pipeline: Pipeline) -> float:
    """How many certificates a second were activated in the last five minutes.

    Raises:
        CannotTellError: As for `decisions`.
    """
    asked = {"activated": metric(pipeline, Metric.ACTIVATED)}
    return sum(_sums(pipeline, asked, pipeline.now - _RECENT, _RECENT).values()) / _RECENT.total_seconds()


def metric(
    pipeline: Pipeline, name: Metric, statistic: str = "Sum", reason: Reason | None = None
) -> MetricStatistic:
    """A metric of the deployment.

    Raises:
        CannotTellError: The stack has no output with the namespace of its metrics.
    """
    outputs = pipeline.deployment
    namespace, service = outputs.get(Output.METRICS_NAMESPACE), outputs.get(Output.SERVICE_NAME)
    if namespace is None or service is None:
        raise CannotTellError("the stack has no output with the namespace of its metrics: deploy it again")
    of_reason = {Dimension.REASON.value: reason.value} if reason else {}
    return MetricStatistic(namespace, name.value, {Dimension.SERVICE.value: service, **of_reason}, statistic)


def _sums(
    pipeline: Pipeline, asked: Mapping[str, MetricStatistic], begin: datetime, period: timedelta
) -> dict[str, float]:
    """The sum until now of each metric that has figures."""
    found = read_metrics(pipeline.session, asked, begin, pipeline.now, period)
    return {name: sum(value for _, value in values) for name, values in found.items() if values}
