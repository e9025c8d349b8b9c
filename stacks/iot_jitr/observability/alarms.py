"""The alarms: each describes what happened, and links to the section of the runbook about it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from constructs import Construct

from iot_jitr.allowed import as_duration, as_timedelta, did_you_mean, shown, whole_seconds
from iot_jitr.observability.metrics import DAY, FIVE_MINUTES, HOUR, QUARTER_HOUR, PipelineMetrics
from iot_jitr.observability.settings import AlarmName, AlarmSettings
from iot_jitr.validation import ConfigurationError
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    from iot_jitr.functions import JitrFunction
    from iot_jitr.queues import ActivationQueues


@dataclass(frozen=True)
class Watched:
    """The resources and metrics for alarms, dashboard and saved queries of a pipeline."""

    metrics: PipelineMetrics
    queues: "ActivationQueues"
    functions: "Mapping[str, JitrFunction]"
    """Name of each function in alarms → the function: the alarm of `Sweep` is `SweepErrors`."""
    cas: Mapping[str, str]
    """Name of each CA → the id of its certificate."""
    cas_with_crl: Mapping[str, str]
    """Those of `cas` that have a CRL."""
    activations_per_second: int
    """The quota that the dashboard shows as a line."""
    closes_sessions: bool
    """Whether the sweep closes the sessions of revoked devices."""
    publishes_events: bool
    """Whether there are outcome events."""
    reconciled_every: timedelta
    """How often the reconciler measures how long certificates have been pending."""


@dataclass(frozen=True)
class _Alarm:
    """One alarm: its metric and its threshold."""

    name: AlarmName
    text: str
    metric: cloudwatch.IMetric
    threshold: float
    ca: str = ""
    """Name of the CA that it is about; empty where it is about the pipeline."""
    periods: int = 1
    below: bool = False
    """The alarm is active while the metric is below the threshold; otherwise while it is at or above it."""


class Alarms(Construct):
    """The alarms of a pipeline.

    Missing data causes no alarm: without events, no alarm is active.

    Attributes:
        alarms: Every alarm, by its id in the construct tree: its name, and that of its CA.
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
        self._cas: dict[str, list[str]] = {}
        """Name of each alarm → the CAs that have it; one empty name if the alarm is about the pipeline."""
        for alarm in _all(watched, settings):
            self._add(alarm)

    def add_registration_failures(self, metric: cloudwatch.IMetric) -> None:
        """Add the alarm on AWS IoT's own log, where there is such a log."""
        text = "AWS IoT's own log reports failed registrations, or failures of the topic rules"
        threshold = self._settings.registration_failures
        self._add(_Alarm(AlarmName.REGISTRATION_FAILURES, text, metric, threshold))

    def find(self, where: str, name: AlarmName | str, ca: str | None) -> cloudwatch.Alarm:
        """Return one alarm.

        Args:
            where: The beginning of the error message.
            name: Its name.
            ca: Name of the CA that it is about; None: it is about the pipeline.

        Raises:
            ConfigurationError: There is no such alarm.
        """
        if name not in [*self._cas]:
            raise ConfigurationError(where, shown(name), did_you_mean(name, self._cas) + ", ".join(self._cas))
        cas = self._cas[name]
        if (ca or "") not in cas:
            allowed = ", ".join(cas) if any(cas) else f"no CA: {name} is about the whole pipeline"
            raise ConfigurationError(f"{where}: ca", shown(ca), did_you_mean(ca, filter(None, cas)) + allowed)
        return self.alarms[f"{name}{ca or ''}"]

    def _add(self, alarm: _Alarm) -> None:
        operators = cloudwatch.ComparisonOperator
        runbook = f"{self._settings.runbook_url}#{alarm.name.section}"
        made = cloudwatch.Alarm(
            self,
            f"{alarm.name}{alarm.ca}",
            metric=alarm.metric,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            comparison_operator=(
                operators.LESS_THAN_THRESHOLD if alarm.below else operators.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            ),
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=f"{alarm.text}. What to do: {runbook}",
        )
        if self._topic is not None:
            action = actions.SnsAction(self._topic)
            made.add_alarm_action(action)
            made.add_ok_action(action)
        self.alarms[made.node.id] = made
        self._cas.setdefault(alarm.name, []).append(alarm.ca)


def _all(watched: Watched, settings: AlarmSettings) -> Iterator[_Alarm]:
    own = watched.metrics.of
    yield from _of_messages(watched, settings)
    yield from _of_functions(watched, settings)
    if watched.publishes_events:
        yield _Alarm(
            AlarmName.EVENTS_UNPUBLISHED,
            "Outcome events could not be published; the reconciler publishes them as soon as it can",
            own(Metric.EVENTS_UNPUBLISHED, HOUR),
            settings.events_unpublished,
        )
    for name, certificate_id in watched.cas.items():
        yield _Alarm(
            AlarmName.CA_EXPIRY,
            f"The CA certificate '{name}' expires soon; none of its devices can be activated after that",
            own(Metric.CA_DAYS_TO_EXPIRY, DAY, ca=certificate_id),
            as_timedelta(settings.ca_time_left) / timedelta(days=1),
            name,
            below=True,
        )
    if watched.closes_sessions:
        yield _Alarm(
            AlarmName.SESSIONS_NOT_CLOSED,
            "The session of a revoked device could not be closed: it is tried again, and its certificate is "
            "revoked already",
            own(Metric.SESSIONS_NOT_CLOSED, QUARTER_HOUR),
            1,
        )
    for name, certificate_id in watched.cas_with_crl.items():
        yield _Alarm(
            AlarmName.CRL_STALE,
            f"The CRL of CA '{name}' is stale, or will be soon: its new devices have to wait then",
            own(Metric.CRL_TIME_LEFT, HOUR, ca=certificate_id),
            whole_seconds(settings.crl_time_left),
            name,
            below=True,
        )
        yield _Alarm(
            AlarmName.CRL_UNUSABLE,
            f"A CRL of CA '{name}' was fetched and cannot be used; the former one stays in force",
            own(Metric.CRL_UNUSABLE, HOUR, ca=certificate_id),
            1,
            name,
        )
        yield _Alarm(
            AlarmName.REVOCATION_LIMIT_TRIPPED,
            f"A CRL of CA '{name}' would revoke an unusual share of the fleet: a person must confirm it",
            own(Metric.REVOCATION_LIMIT_TRIPPED, HOUR, ca=certificate_id),
            1,
            name,
        )


def _of_messages(watched: Watched, settings: AlarmSettings) -> Iterator[_Alarm]:
    activation, dead_letters = watched.queues.activation, watched.queues.dead_letters
    # Each period must contain one measurement; otherwise the alarm would end between two measurements.
    once_measured = max(timedelta(hours=1), watched.reconciled_every)
    over: dict[str, Any] = {"period": FIVE_MINUTES, "statistic": "Maximum"}
    yield _Alarm(
        AlarmName.DEAD_LETTERS,
        "Registration events that could not be decided are in the dead-letter queue",
        dead_letters.metric_approximate_number_of_messages_visible(**over),
        settings.dead_letters,
    )
    yield _Alarm(
        AlarmName.DEAD_LETTER_AGE,
        "A dead letter has been there for days: SQS deletes it 14 days after its first enqueue",
        dead_letters.metric_approximate_age_of_oldest_message(**over),
        whole_seconds(settings.dead_letter_age),
    )
    yield _Alarm(
        AlarmName.OLDEST_MESSAGE,
        "Devices have been waiting for their activation for long",
        activation.metric_approximate_age_of_oldest_message(**over),
        whole_seconds(settings.oldest_message),
        periods=3,
    )
    yield _Alarm(
        AlarmName.DEFERRED,
        "Devices cannot be activated before a fault is fixed (see the reasons on the dashboard)",
        watched.metrics.of(Metric.BLOCKED, QUARTER_HOUR),
        settings.blocked,
    )
    yield _Alarm(
        AlarmName.REFUSED,
        "Unusually many devices are refused (see the reasons on the dashboard)",
        watched.metrics.of(Metric.REFUSED, QUARTER_HOUR),
        settings.refused,
    )
    yield _Alarm(
        AlarmName.API_THROTTLED,
        "The AWS IoT API throttles the activation: something else uses its quota",
        watched.metrics.of(Metric.DECISIONS, QUARTER_HOUR, reason=Reason.THROTTLED.value),
        settings.throttles,
    )
    yield _Alarm(
        AlarmName.PENDING,
        "A certificate has been pending for long, and nothing was decided about it",
        watched.metrics.of(Metric.PENDING_AGE, as_duration(once_measured)),
        whole_seconds(settings.pending),
    )


def _of_functions(watched: Watched, settings: AlarmSettings) -> Iterator[_Alarm]:
    refused = "connecting devices are refused"
    errors = {
        "Activator": "The activator fails; its messages are kept and tried again",
        "ConnectGuard": f"The connect guard fails or runs out of time; {refused}",
    }
    throttles = {
        "Activator": "Lambda throttles the activator: other functions take the account's concurrency",
        "ConnectGuard": f"Lambda throttles the connect guard; {refused}",
    }
    for name, each in watched.functions.items():
        period = FIVE_MINUTES if name == "ConnectGuard" else QUARTER_HOUR
        yield _Alarm(
            AlarmName(f"{name}Errors"),
            errors.get(name, f"The function {name} fails"),
            each.function.metric_errors(period=period, statistic="Sum"),
            settings.function_errors if name == "Activator" else 1,
        )
        if name in throttles:
            yield _Alarm(
                AlarmName(f"{name}Throttles"),
                throttles[name],
                each.function.metric_throttles(period=period, statistic="Sum"),
                settings.throttles if name == "Activator" else 1,
            )
