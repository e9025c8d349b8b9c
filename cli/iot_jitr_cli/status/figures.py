"""Values of CloudWatch metrics: the number of decided messages, and the rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from iot_jitr_cli.doctor.metrics import read_metrics
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.outcomes import Reason

HOURS = 24
_OUTCOMES = (Metric.ACTIVATED, Metric.REFUSED, Metric.DEFERRED, Metric.DEAD_LETTERED, Metric.STALE)


@dataclass(frozen=True)
class DecisionCounts:
    """The number of decided messages, by outcome and reason."""

    hours: int
    outcomes: Mapping[str, int]
    reasons: Mapping[str, int]
    activated_per_second: float
    """In the last five minutes."""


def decisions(pipeline: Pipeline) -> DecisionCounts:
    """The number of messages of the last day by outcome and reason, from the metrics. A missing metric is 0.

    The local cloud makes no metrics from the functions' metric lines, so there the result is always empty.

    Raises:
        UndeterminedError: CloudWatch cannot be read, or the stack has no output with the namespace of its
            metrics.
    """
    by_name = {each.value: pipeline.metric(each) for each in _OUTCOMES}
    by_reason = {each.value: pipeline.metric(Metric.DECISIONS, reason=each) for each in Reason}
    day = {
        name: int(sum(value for _, value in values))
        for name, values in read_metrics(
            pipeline.session,
            {**by_name, **by_reason},
            pipeline.now - timedelta(hours=HOURS),
            pipeline.now,
            timedelta(hours=1),
        ).items()
        if values
    }
    return DecisionCounts(
        hours=HOURS,
        outcomes={name: day[name] for name in by_name if name in day},
        reasons={name: day[name] for name in by_reason if day.get(name)},
        activated_per_second=pipeline.activated_per_second,
    )
