"""Metrics of the last 24 hours from CloudWatch, in steps of 15 minutes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from iot_jitr_cli.doctor.metrics import read_metrics
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.durations import in_words
from iot_jitr_cli.status.figures import HOURS
from iot_jitr_runtime.metric_names import Metric

STEP = timedelta(minutes=15)
STEPS = timedelta(hours=HOURS) // STEP


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
        for name, values in read_metrics(pipeline.session, metrics, begin, end, STEP).items()
    }
    return History(
        begin,
        tuple(
            Series(name, title, unit, tuple(map(found[name].get, range(STEPS))), which.statistic == "Sum")
            for name, title, unit, which in series
        ),
    )
