"""The last 24 hours as CloudWatch has them, in steps of a quarter of an hour."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from iot_jitr_cli.doctor.metrics import read_metrics
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.status.figures import HOURS
from iot_jitr_cli.words import in_words
from iot_jitr_runtime.metric_names import Metric

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

    def total(self, steps: slice = slice(None)) -> float | None:
        """The sum or the largest value of a day, or of some of its steps; None where there are no values."""
        known = [value for value in self.values[steps] if value is not None]
        return (sum(known) if self.summed else max(known)) if known else None

    def in_words(self, value: float) -> str:
        """One of its values as text."""
        return in_words(timedelta(seconds=value)) if self.unit == "s" else f"{value:,.0f}"


@dataclass(frozen=True)
class History:
    """What happened in the steps that begin at `begin`."""

    begin: datetime
    series: tuple[Series, ...]

    @property
    def empty(self) -> bool:
        """Whether CloudWatch has no figure at all."""
        return all(each.total() is None for each in self.series)


def history(pipeline: Pipeline) -> History:
    """Read the last 24 hours: one call, for each of six metrics.

    Raises:
        CannotTellError: CloudWatch cannot be read, or the stack has no output with the namespace of its
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
