"""Metrics of the last 24 hours from CloudWatch: the number of decided messages, and values for the plots."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.durations import in_words
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.outcomes import Reason

HOURS = 24
STEP = timedelta(minutes=15)
STEPS = timedelta(hours=HOURS) // STEP
_OUTCOMES = (Metric.ACTIVATED, Metric.REFUSED, Metric.DEFERRED, Metric.DEAD_LETTERED, Metric.STALE)


@dataclass(frozen=True)
class DecisionCounts:
    """The number of decided messages, by outcome and reason."""

    hours: int
    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    activated_per_second: float
    """In the last five minutes."""


@dataclass(frozen=True)
class Series:
    """One metric with a value for each step; None: CloudWatch has no value."""

    id: str
    title: str
    unit: str
    """The unit of the values: the counted items, or `s` for seconds."""
    values: tuple[float | None, ...]
    summed: bool
    """Whether the total is the sum of the values; else it is the largest value."""

    def total(self, steps: slice = slice(None)) -> float | None:
        """The sum or the largest value of a day, or of some of its steps; None if there are no values."""
        known = [value for value in self.values[steps] if value is not None]
        return (sum(known) if self.summed else max(known)) if known else None

    def in_words(self, value: float) -> str:
        """One of its values as text."""
        return in_words(timedelta(seconds=value)) if self.unit == "s" else f"{value:,.0f}"


@dataclass(frozen=True)
class History:
    """The metrics in the steps from `begin` on."""

    begin: datetime
    series: tuple[Series, ...]

    @property
    def empty(self) -> bool:
        """Whether CloudWatch has no value of any metric."""
        return all(each.total() is None for each in self.series)


def decisions(pipeline: Pipeline) -> DecisionCounts:
    """The number of messages of the last day by outcome and reason, from the metrics. A missing metric is 0.

    The local cloud makes no metrics from the functions' metric lines, so there the result is always empty.

    Raises:
        UndeterminedError: CloudWatch cannot be read, or the stack has no output with the namespace of its
            metrics.
    """
    begin = pipeline.now - timedelta(hours=HOURS)
    by_name = {each.value: pipeline.metric(each) for each in _OUTCOMES}
    by_reason = {each.value: pipeline.metric(Metric.DECISIONS, reason=each) for each in Reason}
    day = {
        name: int(sum(value for _, value in values))
        for name, values in pipeline.read_metrics(
            {**by_name, **by_reason}, begin, pipeline.now, timedelta(hours=1)
        ).items()
        if values
    }
    return DecisionCounts(
        hours=HOURS,
        outcomes={name: day[name] for name in by_name if name in day},
        reasons={name: day[name] for name in by_reason if day.get(name)},
        activated_per_second=pipeline.activated_per_second,
    )


def history(pipeline: Pipeline) -> History:
    """Read six metrics of the last 24 hours with one call.

    Raises:
        UndeterminedError: CloudWatch cannot be read, or the stack has no output with the namespace of its
            metrics.
    """
    series = (
        ("activated", "Devices activated", "devices", pipeline.metric(Metric.ACTIVATED)),
        ("refused", "Refusals", "messages", pipeline.metric(Metric.REFUSED)),
        ("deferred", "Deferrals", "messages", pipeline.metric(Metric.DEFERRED)),
        ("queue", "Messages in the queue", "messages", pipeline.queue_metric("NumberOfMessagesVisible")),
        ("oldest", "Age of the oldest message", "s", pipeline.queue_metric("AgeOfOldestMessage")),
        ("time", "From first connect to active, 95 %", "s", pipeline.metric(Metric.TIME_TO_ACTIVE, "p95")),
    )
    step = int(STEP.total_seconds())
    end = datetime.fromtimestamp((int(pipeline.now.timestamp()) // step + 1) * step, UTC)
    begin = end - STEPS * STEP
    metrics = {name: which for name, _, _, which in series}
    found = {
        name: {(time - begin) // STEP: value for time, value in values}
        for name, values in pipeline.read_metrics(metrics, begin, end, STEP).items()
    }
    return History(
        begin,
        tuple(
            Series(name, title, unit, tuple(map(found[name].get, range(STEPS))), which.statistic == "Sum")
            for name, title, unit, which in series
        ),
    )
