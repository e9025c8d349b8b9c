"""The dashboard: each row answers one question of an operator.

`layout` returns data; the dashboard and its picture in the documentation are created from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from iot_jitr.observability.alarms import Watched
from iot_jitr.observability.metrics import DAY, FIVE_MINUTES, HOUR
from iot_jitr.observability.queries import REFUSED
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    from constructs import Construct

COLUMNS = 24
"""Width of a CloudWatch dashboard."""
_HEIGHT = 6


@dataclass(frozen=True)
class Panel:
    """One graph of a row."""

    title: str
    metrics: Sequence[cloudwatch.IMetric]
    unit: str
    """Of the vertical axis."""
    stacked: bool = False
    line: tuple[float, str] | None = None
    """The value of a horizontal line for comparison, and its label."""


def layout(watched: Watched) -> dict[str, list[Panel]]:
    """The rows of the dashboard, top down: a question, and the panels that answer it."""
    revocation = {"Are the CRLs current?": _revocation(watched)} if watched.cas_with_crl else {}
    return {
        "How many devices are activated?": _activation(watched),
        "How long does it take?": _how_long(watched),
        "Which devices are refused, and why?": _who_is_refused(watched),
        **revocation,
        "Does the pipeline work?": _health(watched),
    }


def make_dashboard(
    scope: "Construct",
    rows: Mapping[str, Sequence[Panel]],
    alarms: Sequence[cloudwatch.IAlarm],
    log_group_name: str,
) -> cloudwatch.Dashboard:
    """Make the dashboard, under a generated name.

    Args:
        scope: Where it belongs.
        rows: What `layout` returns.
        alarms: Shown at the top.
        log_group_name: The activator's, for the list of the last refusals.
    """
    dashboard = cloudwatch.Dashboard(scope, "Dashboard", default_interval=cdk.Duration.hours(12))
    if alarms:
        dashboard.add_widgets(
            cloudwatch.AlarmStatusWidget(title="Alarms", alarms=[*alarms], width=COLUMNS, height=3)
        )
    for question, panels in rows.items():
        dashboard.add_widgets(cloudwatch.TextWidget(markdown=f"## {question}", width=COLUMNS, height=1))
        dashboard.add_widgets(*(_graph(panel, COLUMNS // len(panels)) for panel in panels))
    dashboard.add_widgets(
        cloudwatch.LogQueryWidget(
            title="Last refusals",
            log_group_names=[log_group_name],
            query_string=REFUSED.text,
            width=COLUMNS,
            height=_HEIGHT,
        )
    )
    return dashboard


def _graph(panel: Panel, width: int) -> cloudwatch.GraphWidget:
    lines = [cloudwatch.HorizontalAnnotation(value=panel.line[0], label=panel.line[1])] if panel.line else []
    return cloudwatch.GraphWidget(
        title=panel.title,
        left=list(panel.metrics),
        left_y_axis=cloudwatch.YAxisProps(label=panel.unit, show_units=False),
        left_annotations=lines,
        stacked=panel.stacked,
        width=width,
        height=_HEIGHT,
    )


def _activation(watched: Watched) -> list[Panel]:
    own, rate = watched.metrics.of, watched.activations_per_second
    outcomes = (Metric.ACTIVATED, Metric.REFUSED, Metric.DEFERRED, Metric.DEAD_LETTERED)
    return [
        Panel(
            "Activated, against the quota",
            [own(Metric.ACTIVATED)],
            "in 5 minutes",
            line=(rate * FIVE_MINUTES.to_seconds(), f"quota: {rate} a second"),
        ),
        Panel("Outcomes", [own(each) for each in outcomes], "messages", stacked=True),
        Panel("Repeated events", [own(Metric.STALE)], "messages"),
    ]


def _how_long(watched: Watched) -> list[Panel]:
    own, queue = watched.metrics.of, watched.queues.activation
    percentiles = ("p50", "p90", "p99")
    return [
        Panel(
            "From first event to ACTIVE",
            [own(Metric.TIME_TO_ACTIVE, statistic=each, label=each) for each in percentiles],
            "seconds",
        ),
        Panel(
            "Oldest message",
            [queue.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES, statistic="Maximum")],
            "seconds",
        ),
        Panel(
            "Messages in the activation queue",
            [
                queue.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES),
                queue.metric_approximate_number_of_messages_not_visible(period=FIVE_MINUTES),
            ],
            "messages",
            stacked=True,
        ),
    ]


def _who_is_refused(watched: Watched) -> list[Panel]:
    dead_letters = watched.queues.dead_letters.metric_approximate_number_of_messages_visible(
        period=FIVE_MINUTES, statistic="Maximum"
    )
    blocked = watched.metrics.of(Metric.BLOCKED)
    return [
        Panel("By reason", [watched.metrics.by_reason()], "in 5 minutes", stacked=True),
        Panel("Blocked: a fault must be fixed", [blocked], "in 5 minutes"),
        Panel("Dead letters", [dead_letters], "messages"),
    ]


def _revocation(watched: Watched) -> list[Panel]:
    metrics, cas = watched.metrics, watched.cas_with_crl
    sessions = (Metric.SESSIONS_CLOSED, Metric.SESSIONS_NOT_CLOSED) if watched.closes_sessions else ()
    return [
        Panel("Age of the CRL", metrics.of_cas(Metric.CRL_AGE, cas, HOUR), "seconds"),
        Panel(
            "Time until the CRL is stale",
            metrics.of_cas(Metric.CRL_TIME_LEFT, cas, HOUR),
            "seconds",
            line=(0, "stale: new devices wait"),
        ),
        Panel(
            "Swept",
            [
                *(metrics.of(each, HOUR) for each in (Metric.SWEPT, *sessions)),
                *metrics.of_cas(Metric.REVOCATION_LIMIT_TRIPPED, cas, HOUR),
            ],
            "certificates an hour",
        ),
    ]


def _health(watched: Watched) -> list[Panel]:
    errors = [
        each.function.metric_errors(period=FIVE_MINUTES, label=name)
        for name, each in watched.functions.items()
    ]
    activator = watched.functions["Activator"].function
    throttles = [
        activator.metric_throttles(period=FIVE_MINUTES, label="Lambda"),
        watched.metrics.of(Metric.DECISIONS, label="AWS IoT API", reason=Reason.THROTTLED.value),
    ]
    days_left = watched.metrics.of_cas(Metric.CA_DAYS_TO_EXPIRY, watched.cas, DAY)
    return [
        Panel("Failed invocations", errors, "in 5 minutes"),
        Panel("Throttles", throttles, "in 5 minutes"),
        Panel("CA certificates: days until they expire", days_left, "days"),
    ]
