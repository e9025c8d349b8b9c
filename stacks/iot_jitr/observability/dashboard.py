"""The dashboard: each row answers one question that an operator asks.

`layout` is data, from which both the dashboard and its picture in the documentation are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from constructs import Construct

from iot_jitr.observability.alarms import Watched
from iot_jitr.observability.metrics import FIVE_MINUTES
from iot_jitr.observability.queries import REFUSED
from iot_jitr_runtime.metric_names import Metric

COLUMNS = 24
"""Width of a CloudWatch dashboard."""
_HEIGHT = 6
_HOUR = cdk.Duration.hours(1)
_DAY = cdk.Duration.days(1)
_OF_SESSIONS = (Metric.SESSIONS_CLOSED, Metric.SESSIONS_NOT_CLOSED)


class Question(StrEnum):
    """What a row of the dashboard answers."""

    GETTING_IN = "Are devices getting in?"
    HOW_LONG = "How long does it take?"
    WHO_IS_REFUSED = "Who is refused, and why?"
    REVOCATION = "Is revocation fresh?"
    HEALTH = "Is the pipeline well?"


@dataclass(frozen=True)
class Panel:
    """One graph of a row."""

    title: str
    metrics: Sequence[cloudwatch.IMetric]
    unit: str
    """Of the vertical axis."""
    stacked: bool = False
    line: tuple[float, str] | None = None
    """A horizontal line to compare with, and what it is."""


@dataclass(frozen=True)
class Row:
    """A question and the panels that answer it."""

    question: Question
    panels: Sequence[Panel]


def layout(watched: Watched, activations_per_second: float) -> tuple[Row, ...]:
    """The rows of the dashboard, top down."""
    rows = [
        Row(Question.GETTING_IN, _getting_in(watched, activations_per_second)),
        Row(Question.HOW_LONG, _how_long(watched)),
        Row(Question.WHO_IS_REFUSED, _who_is_refused(watched)),
    ]
    if watched.cas_with_crl:
        rows.append(Row(Question.REVOCATION, _revocation(watched)))
    return (*rows, Row(Question.HEALTH, _health(watched)))


class Dashboard(Construct):
    """The dashboard of a pipeline.

    Attributes:
        dashboard: The CloudWatch dashboard, under a generated name.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        rows: Sequence[Row],
        alarms: Sequence[cloudwatch.IAlarm],
        log_group: logs.ILogGroup,
    ) -> None:
        """Create it.

        Args:
            scope: Where it belongs.
            construct_id: Its name in the construct tree.
            rows: What `layout` says.
            alarms: Shown at the top.
            log_group: The activator's, for the list of the last refusals.
        """
        super().__init__(scope, construct_id)
        self.dashboard = cloudwatch.Dashboard(self, "Dashboard", default_interval=cdk.Duration.hours(12))
        if alarms:
            self.dashboard.add_widgets(
                cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=COLUMNS, height=3)
            )
        for row in rows:
            self.dashboard.add_widgets(
                cloudwatch.TextWidget(markdown=f"## {row.question}", width=COLUMNS, height=1)
            )
            width = COLUMNS // len(row.panels)
            self.dashboard.add_widgets(*(_graph(panel, width) for panel in row.panels))
        self.dashboard.add_widgets(
            cloudwatch.LogQueryWidget(
                title="Last refusals",
                log_group_names=[log_group.log_group_name],
                query_string=REFUSED.text,
                width=COLUMNS,
                height=_HEIGHT,
            )
        )


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


def _getting_in(watched: Watched, activations_per_second: float) -> list[Panel]:
    metrics = watched.metrics
    outcomes = (Metric.ACTIVATED, Metric.REFUSED, Metric.DEFERRED, Metric.DEAD_LETTERED)
    quota = activations_per_second * FIVE_MINUTES.to_seconds()
    return [
        Panel(
            "Activated, against the quota",
            [metrics.of(Metric.ACTIVATED, "Sum")],
            "in 5 minutes",
            line=(quota, f"quota: {activations_per_second:g} a second"),
        ),
        Panel("Outcomes", [metrics.of(each, "Sum") for each in outcomes], "messages", stacked=True),
        Panel("Repeated events", [metrics.of(Metric.STALE, "Sum")], "messages"),
    ]


def _how_long(watched: Watched) -> list[Panel]:
    activation = watched.queues.activation
    percentiles = ("p50", "p90", "p99")
    return [
        Panel(
            "From first event to ACTIVE",
            [watched.metrics.of(Metric.TIME_TO_ACTIVE, each, label=each) for each in percentiles],
            "seconds",
        ),
        Panel(
            "Oldest message",
            [activation.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES, statistic="Maximum")],
            "seconds",
        ),
        Panel(
            "Messages in the activation queue",
            [
                activation.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES),
                activation.metric_approximate_number_of_messages_not_visible(period=FIVE_MINUTES),
            ],
            "messages",
            stacked=True,
        ),
    ]


def _who_is_refused(watched: Watched) -> list[Panel]:
    return [
        Panel("By reason", [watched.metrics.by_reason("")], "in 5 minutes", stacked=True),
        Panel(
            "Blocked: a fault must be fixed",
            [watched.metrics.of(Metric.BLOCKED, "Sum")],
            "in 5 minutes",
        ),
        Panel(
            "Dead letters",
            [
                watched.queues.dead_letters.metric_approximate_number_of_messages_visible(
                    period=FIVE_MINUTES, statistic="Maximum"
                )
            ],
            "messages",
        ),
    ]


def _revocation(watched: Watched) -> list[Panel]:
    metrics, cas = watched.metrics, watched.cas_with_crl
    return [
        Panel("Age of the CRL", metrics.of_cas(Metric.CRL_AGE, "Maximum", cas, _HOUR), "seconds"),
        Panel(
            "Time until the CRL is stale",
            metrics.of_cas(Metric.CRL_TIME_LEFT, "Minimum", cas, _HOUR),
            "seconds",
            line=(0, "stale: new devices wait"),
        ),
        Panel(
            "Swept",
            [
                metrics.of(Metric.SWEPT, "Sum", _HOUR),
                *(metrics.of(each, "Sum", _HOUR) for each in _OF_SESSIONS if watched.closes_sessions),
                *metrics.of_cas(Metric.REVOCATION_LIMIT_TRIPPED, "Sum", cas, _HOUR),
            ],
            "certificates an hour",
        ),
    ]


def _health(watched: Watched) -> list[Panel]:
    functions = {"activator": watched.activator, **watched.background}
    return [
        Panel(
            "Failed invocations",
            [each.metric_errors(period=FIVE_MINUTES, label=name) for name, each in functions.items()],
            "in 5 minutes",
        ),
        Panel(
            "Throttles",
            [
                watched.activator.metric_throttles(period=FIVE_MINUTES, label="Lambda"),
                watched.metrics.of(Metric.DECISIONS, "Sum", label="AWS IoT API", reason="throttled"),
            ],
            "in 5 minutes",
        ),
        Panel(
            "CA certificates: days until they expire",
            watched.metrics.of_cas(Metric.CA_DAYS_TO_EXPIRY, "Minimum", watched.cas, _DAY),
            "days",
        ),
    ]
