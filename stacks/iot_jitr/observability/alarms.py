"""The alarms: each says what happened, and links to the section of the runbook that says what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from iot_jitr.allowed import as_timedelta, did_you_mean, shown
from iot_jitr.observability.metrics import FIVE_MINUTES, QUARTER_HOUR, PipelineMetrics
from iot_jitr.observability.runbook import Section
from iot_jitr.observability.settings import AlarmName, AlarmSettings
from iot_jitr.validation import ConfigurationError
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    from iot_jitr.queues import ActivationQueues

_HOUR = cdk.Duration.hours(1)
_DAY = cdk.Duration.days(1)


@dataclass(frozen=True)
class _Alarm:
    """One alarm: its metric and its threshold."""

    name: AlarmName
    section: Section
    says: str
    metric: cloudwatch.IMetric
    threshold: float
    ca: str = ""
    """Name of the CA that it is about; empty where it is about the pipeline."""
    periods: int = 1
    below: bool = False
    """Rings when the metric is below the threshold; else when it reaches it."""

    @property
    def id(self) -> str:
        """Its name in the construct tree."""
        return f"{self.name}{self.ca}"


@dataclass(frozen=True)
class Watched:
    """What the alarms of a pipeline watch."""

    metrics: PipelineMetrics
    queues: "ActivationQueues"
    activator: lambda_.IFunction
    background: Mapping[str, lambda_.IFunction]
    """Functions that run on a schedule or an upload: the alarm of `Sweep` is `AlarmName("SweepErrors")`."""
    cas: Mapping[str, str]
    """Name of each CA → the id of its certificate."""
    cas_with_crl: Mapping[str, str]
    """Those of `cas` that have a CRL."""
    closes_sessions: bool
    """Whether the sweep closes the sessions of revoked devices."""
    reconciled_every: timedelta
    """How often the reconciler measures how long certificates have been pending."""
    connect_guard: lambda_.IFunction | None = None
    """The connect guard; None without one."""
    tells: bool = False
    """Whether outcome events are published."""


class Alarms(Construct):
    """The alarms of a pipeline.

    No data is no alarm: a fleet in which nothing happens is silent.

    Attributes:
        alarms: Every alarm, by its id in the construct tree.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, watched: Watched, settings: AlarmSettings
    ) -> None:
        """Create an alarm for everything in `watched`."""
        super().__init__(scope, construct_id)
        self._settings = settings
        topic = settings.topic
        self._topic = sns.Topic.from_topic_arn(self, "Topic", topic) if isinstance(topic, str) else topic
        self.alarms: dict[str, cloudwatch.Alarm] = {}
        self._names: list[tuple[AlarmName, str]] = []
        for alarm in _all(watched, settings):
            self._add(alarm)

    def add_registration_failures(self, metric: cloudwatch.IMetric) -> None:
        """Add the alarm on AWS IoT's own log, where there is such a log."""
        self._add(
            _Alarm(
                AlarmName.REGISTRATION_FAILURES,
                Section.REGISTRATION_FAILURES,
                "AWS IoT's own log reports failed registrations, or failures of the topic rules",
                metric,
                self._settings.registration_failures,
            )
        )

    def find(self, where: str, name: AlarmName | str, ca: str | None) -> cloudwatch.Alarm:
        """Return one alarm.

        Args:
            where: What the error message begins with.
            name: Its name.
            ca: Name of the CA that it is about; None: it is about the pipeline.

        Raises:
            ConfigurationError: There is no such alarm.
        """
        names = [*dict.fromkeys(each.value for each, _ in self._names)]
        if name not in names:
            raise ConfigurationError(where, shown(name), did_you_mean(name, names) + ", ".join(names))
        cas = [each for found, each in self._names if found == name]
        if (ca or "") not in cas:
            allowed = ", ".join(cas) if any(cas) else f"no CA: {name} is about the whole pipeline"
            raise ConfigurationError(f"{where}: ca", shown(ca), did_you_mean(ca, filter(None, cas)) + allowed)
        return self.alarms[f"{name}{ca or ''}"]

    def _add(self, alarm: _Alarm) -> None:
        operators = cloudwatch.ComparisonOperator
        made = cloudwatch.Alarm(
            self,
            alarm.id,
            metric=alarm.metric,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            comparison_operator=(
                operators.LESS_THAN_THRESHOLD if alarm.below else operators.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            ),
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{alarm.says}. What to do: {alarm.section.link(self._settings.runbook_url)}",
        )
        if self._topic is not None:
            action = actions.SnsAction(self._topic)
            made.add_alarm_action(action)
            made.add_ok_action(action)
        self.alarms[alarm.id] = made
        self._names.append((alarm.name, alarm.ca))


def _all(watched: Watched, settings: AlarmSettings) -> Iterator[_Alarm]:
    yield from _of_queues(watched.queues, settings)
    yield from _of_decisions(watched.metrics, watched.reconciled_every, settings)
    yield from _of_functions(watched, settings)
    if watched.tells:
        yield _Alarm(
            AlarmName.EVENTS_UNPUBLISHED,
            Section.EVENTS_UNPUBLISHED,
            "Outcome events could not be published; the reconciler publishes them as soon as it can",
            watched.metrics.of(Metric.EVENTS_UNPUBLISHED, "Sum", _HOUR),
            settings.events_unpublished,
        )
    for name, certificate_id in watched.cas.items():
        metric = watched.metrics.of(Metric.CA_DAYS_TO_EXPIRY, "Minimum", _DAY, ca=certificate_id)
        yield _Alarm(
            AlarmName.CA_EXPIRY,
            Section.CA_EXPIRY,
            f"The CA certificate '{name}' expires soon; none of its devices can be activated after that",
            metric,
            as_timedelta(settings.ca_time_left) / timedelta(days=1),
            name,
            below=True,
        )
    if watched.closes_sessions:
        yield _Alarm(
            AlarmName.SESSIONS_NOT_CLOSED,
            Section.SESSIONS_NOT_CLOSED,
            "The session of a revoked device could not be closed: it is tried again, and its certificate is "
            "revoked already",
            watched.metrics.of(Metric.SESSIONS_NOT_CLOSED, "Sum", QUARTER_HOUR),
            1,
        )
    for name, certificate_id in watched.cas_with_crl.items():
        yield from _of_revocation(watched.metrics, name, certificate_id, settings)


def _of_queues(queues: "ActivationQueues", settings: AlarmSettings) -> Iterator[_Alarm]:
    yield _Alarm(
        AlarmName.DEAD_LETTERS,
        Section.DEAD_LETTERS,
        "Registration events that could not be decided are in the dead-letter queue",
        queues.dead_letters.metric_approximate_number_of_messages_visible(
            period=FIVE_MINUTES, statistic="Maximum"
        ),
        settings.dead_letters,
    )
    yield _Alarm(
        AlarmName.DEAD_LETTER_AGE,
        Section.DEAD_LETTERS,
        "A dead letter has been there for days: SQS deletes it 14 days after its first enqueue",
        queues.dead_letters.metric_approximate_age_of_oldest_message(
            period=FIVE_MINUTES, statistic="Maximum"
        ),
        as_timedelta(settings.dead_letter_age).total_seconds(),
    )
    yield _Alarm(
        AlarmName.OLDEST_MESSAGE,
        Section.OLDEST_MESSAGE,
        "Devices have been waiting for their activation for long",
        queues.activation.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES, statistic="Maximum"),
        as_timedelta(settings.oldest_message).total_seconds(),
        periods=3,
    )


def _of_decisions(
    metrics: PipelineMetrics, reconciled_every: timedelta, settings: AlarmSettings
) -> Iterator[_Alarm]:
    yield _Alarm(
        AlarmName.DEFERRED,
        Section.DEFERRED,
        "Devices cannot be activated before a fault is fixed (see the reasons on the dashboard)",
        metrics.of(Metric.BLOCKED, "Sum", QUARTER_HOUR),
        settings.blocked,
    )
    yield _Alarm(
        AlarmName.REFUSED,
        Section.REFUSED,
        "Unusually many devices are refused (see the reasons on the dashboard)",
        metrics.of(Metric.REFUSED, "Sum", QUARTER_HOUR),
        settings.refused,
    )
    yield _Alarm(
        AlarmName.API_THROTTLED,
        Section.THROTTLES,
        "The AWS IoT API throttles the activation: something else uses its quota",
        metrics.of_reason(Reason.THROTTLED, QUARTER_HOUR),
        settings.throttles,
    )
    yield _Alarm(
        AlarmName.PENDING,
        Section.PENDING,
        "A certificate has been pending for long, and nothing was decided about it",
        # One measurement in each period, or the alarm would be over in between.
        metrics.of(
            Metric.PENDING_AGE,
            "Maximum",
            cdk.Duration.seconds(int(max(timedelta(hours=1), reconciled_every).total_seconds())),
        ),
        as_timedelta(settings.pending).total_seconds(),
    )


def _of_functions(watched: Watched, settings: AlarmSettings) -> Iterator[_Alarm]:
    yield _Alarm(
        AlarmName.ACTIVATOR_ERRORS,
        Section.FUNCTION_ERRORS,
        "The activator fails; its messages are kept and tried again",
        watched.activator.metric_errors(period=QUARTER_HOUR, statistic="Sum"),
        settings.function_errors,
    )
    yield _Alarm(
        AlarmName.ACTIVATOR_THROTTLES,
        Section.THROTTLES,
        "Lambda throttles the activator: other functions take the account's concurrency",
        watched.activator.metric_throttles(period=QUARTER_HOUR, statistic="Sum"),
        settings.throttles,
    )
    if watched.connect_guard is not None:
        yield _Alarm(
            AlarmName.CONNECT_GUARD_ERRORS,
            Section.FUNCTION_ERRORS,
            "The connect guard fails or runs out of time; the devices that it was asked about are refused",
            watched.connect_guard.metric_errors(period=FIVE_MINUTES, statistic="Sum"),
            1,
        )
        yield _Alarm(
            AlarmName.CONNECT_GUARD_THROTTLES,
            Section.THROTTLES,
            "Lambda throttles the connect guard; the devices that it was asked about are refused",
            watched.connect_guard.metric_throttles(period=FIVE_MINUTES, statistic="Sum"),
            1,
        )
    for name, function in watched.background.items():
        yield _Alarm(
            AlarmName(f"{name}Errors"),
            Section.FUNCTION_ERRORS,
            f"The function {name} fails",
            function.metric_errors(period=QUARTER_HOUR, statistic="Sum"),
            1,
        )


def _of_revocation(
    metrics: PipelineMetrics, name: str, certificate_id: str, settings: AlarmSettings
) -> Iterator[_Alarm]:
    yield _Alarm(
        AlarmName.CRL_STALE,
        Section.CRL_STALE,
        f"The CRL of CA '{name}' is stale, or will be soon: its new devices have to wait then",
        metrics.of(Metric.CRL_TIME_LEFT, "Minimum", _HOUR, ca=certificate_id),
        as_timedelta(settings.crl_time_left).total_seconds(),
        name,
        below=True,
    )
    yield _Alarm(
        AlarmName.CRL_UNUSABLE,
        Section.CRL_UNUSABLE,
        f"A CRL of CA '{name}' was fetched and cannot be used; the former one stays in force",
        metrics.of(Metric.CRL_UNUSABLE, "Sum", _HOUR, ca=certificate_id),
        1,
        name,
    )
    yield _Alarm(
        AlarmName.REVOCATION_LIMIT_TRIPPED,
        Section.REVOCATION_LIMIT_TRIPPED,
        f"A CRL of CA '{name}' would revoke an unusual share of the fleet: a person must confirm it",
        metrics.of(Metric.REVOCATION_LIMIT_TRIPPED, "Sum", _HOUR, ca=certificate_id),
        1,
        name,
    )
