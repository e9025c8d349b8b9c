"""The alarms: each says what happened, and links to the section of the runbook that says what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from iot_jitr.allowed import as_timedelta, offers, span, text, whole_number
from iot_jitr.observability.metrics import FIVE_MINUTES, QUARTER_HOUR, PipelineMetrics
from iot_jitr.observability.runbook import Section
from iot_jitr.validation import options
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    from iot_jitr.queues import ActivationQueues

RUNBOOK_URL = "https://github.com/iot-jitr/iot-jitr/blob/main/docs/runbook.md"
_Count = Annotated[int, whole_number(1, 1_000_000)]
_Time = Annotated[timedelta | cdk.Duration, span(timedelta(minutes=1), timedelta(days=10_000))]
_HOUR = cdk.Duration.hours(1)
_DAY = cdk.Duration.days(1)


@options
class AlarmSettings:
    """When the alarms of a pipeline are raised, and who is notified.

    With the defaults no alarm is active in a fleet in which nothing happens. A number is a whole number from
    1 to 1,000,000; a time is 1 minute to 10,000 days.

    Raises:
        ConfigurationError: A value is out of its range, or the runbook's URL is invalid.
    """

    dead_letters: _Count = 1
    """Messages in the dead-letter queue.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""
    dead_letter_age: _Time = timedelta(days=3)
    """How long the oldest message has been in the dead-letter queue. SQS deletes it 14 days after its first
    enqueue, however late it was moved there.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/setting-up-dead-letter-queue-retention.html"""
    oldest_message: _Time = timedelta(hours=1)
    """Age of the oldest message in the activation queue. An hour is 36,000 devices at 10 a second.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""
    blocked: _Count = 20
    """Deferrals within 15 minutes that wait for a repair, not just for the rate limit."""
    refused: _Count = 300
    """Refusals within 15 minutes. A device that connects again and again is refused once a minute at most."""
    crl_time_left: _Time = timedelta(hours=1)
    """Time until a CA's CRL becomes stale, after which its new devices have to wait.
    https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5"""
    ca_time_left: _Time = timedelta(days=90)
    """Time until a CA certificate expires, after which none of its devices can be activated.
    https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5"""
    function_errors: _Count = 3
    """Failed invocations of the activator within 15 minutes; for the other functions one is enough.
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""
    throttles: _Count = 100
    """Throttled calls of the AWS IoT API, and throttled invocations, within 15 minutes.
    https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""
    pending: _Time = timedelta(days=1)
    """How long a certificate has been pending without a decision.
    https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html"""
    registration_failures: _Count = 10
    """Failures to register a device or to run the topic rules, in AWS IoT's own log, within 15 minutes.
    https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html"""
    topic: Annotated[
        sns.ITopic | str | None,
        offers("topic_arn", "an SNS topic, or the ARN of one", r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:.+"),
    ] = None
    """The SNS topic that is notified when an alarm is raised and when it ends, or its ARN; None: alarms
    are only shown.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    runbook_url: Annotated[
        str, text(r"https?://\S{1,500}", "an address, https://…, of at most 500 characters")
    ] = RUNBOOK_URL
    """Where the runbook is that the alarms link to, `https://` or `http://`, for a copy of your own; 500
    characters at most."""


@dataclass(frozen=True)
class _Alarm:
    """One alarm: its metric and its threshold."""

    id: str
    section: Section
    says: str
    metric: cloudwatch.IMetric
    threshold: float
    periods: int = 1
    below: bool = False
    """Rings when the metric is below the threshold; else when it reaches it."""


@dataclass(frozen=True)
class Watched:
    """What the alarms of a pipeline watch."""

    metrics: PipelineMetrics
    queues: "ActivationQueues"
    activator: lambda_.IFunction
    background: Mapping[str, lambda_.IFunction]
    """Functions that run on a schedule or an upload, by a name for the alarm's id."""
    cas: Mapping[str, str]
    """Name of each CA → the id of its certificate."""
    cas_with_crl: Mapping[str, str]
    """Those of `cas` that have a CRL."""
    reconciled_every: timedelta
    """How often the reconciler measures how long certificates have been pending."""


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
        for alarm in _all(watched, settings):
            self._add(alarm)

    def add_registration_failures(self, metric: cloudwatch.IMetric) -> None:
        """Add the alarm on AWS IoT's own log, where there is such a log."""
        self._add(
            _Alarm(
                "RegistrationFailures",
                Section.REGISTRATION_FAILURES,
                "AWS IoT's own log reports failed registrations, or failures of the topic rules",
                metric,
                self._settings.registration_failures,
            )
        )

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


def _all(watched: Watched, settings: AlarmSettings) -> Iterator[_Alarm]:
    yield from _of_queues(watched.queues, settings)
    yield from _of_decisions(watched.metrics, watched.reconciled_every, settings)
    yield from _of_functions(watched, settings)
    for name, certificate_id in watched.cas.items():
        metric = watched.metrics.of(Metric.CA_DAYS_TO_EXPIRY, "Minimum", _DAY, ca=certificate_id)
        yield _Alarm(
            f"CaExpiry{name}",
            Section.CA_EXPIRY,
            f"The CA certificate '{name}' expires soon; none of its devices can be activated after that",
            metric,
            as_timedelta(settings.ca_time_left) / timedelta(days=1),
            below=True,
        )
    for name, certificate_id in watched.cas_with_crl.items():
        yield from _of_revocation(watched.metrics, name, certificate_id, settings)


def _of_queues(queues: "ActivationQueues", settings: AlarmSettings) -> Iterator[_Alarm]:
    yield _Alarm(
        "DeadLetters",
        Section.DEAD_LETTERS,
        "Registration events that could not be decided are in the dead-letter queue",
        queues.dead_letters.metric_approximate_number_of_messages_visible(
            period=FIVE_MINUTES, statistic="Maximum"
        ),
        settings.dead_letters,
    )
    yield _Alarm(
        "DeadLetterAge",
        Section.DEAD_LETTERS,
        "A dead letter has been there for days: SQS deletes it 14 days after its first enqueue",
        queues.dead_letters.metric_approximate_age_of_oldest_message(
            period=FIVE_MINUTES, statistic="Maximum"
        ),
        as_timedelta(settings.dead_letter_age).total_seconds(),
    )
    yield _Alarm(
        "OldestMessage",
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
        "Deferred",
        Section.DEFERRED,
        "Devices cannot be activated before something is mended (see the reasons on the dashboard)",
        metrics.of(Metric.BLOCKED, "Sum", QUARTER_HOUR),
        settings.blocked,
    )
    yield _Alarm(
        "Refused",
        Section.REFUSED,
        "Unusually many devices are refused (see the reasons on the dashboard)",
        metrics.of(Metric.REFUSED, "Sum", QUARTER_HOUR),
        settings.refused,
    )
    yield _Alarm(
        "ApiThrottled",
        Section.THROTTLES,
        "The AWS IoT API throttles the activation: something else uses its quota",
        metrics.of_reason(Reason.THROTTLED, QUARTER_HOUR),
        settings.throttles,
    )
    yield _Alarm(
        "Pending",
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
        "ActivatorErrors",
        Section.FUNCTION_ERRORS,
        "The activator fails; its messages are kept and tried again",
        watched.activator.metric_errors(period=QUARTER_HOUR, statistic="Sum"),
        settings.function_errors,
    )
    yield _Alarm(
        "ActivatorThrottles",
        Section.THROTTLES,
        "Lambda throttles the activator: other functions take the account's concurrency",
        watched.activator.metric_throttles(period=QUARTER_HOUR, statistic="Sum"),
        settings.throttles,
    )
    for name, function in watched.background.items():
        yield _Alarm(
            f"{name}Errors",
            Section.FUNCTION_ERRORS,
            f"The function {name} fails",
            function.metric_errors(period=QUARTER_HOUR, statistic="Sum"),
            1,
        )


def _of_revocation(
    metrics: PipelineMetrics, name: str, certificate_id: str, settings: AlarmSettings
) -> Iterator[_Alarm]:
    yield _Alarm(
        f"CrlStale{name}",
        Section.CRL_STALE,
        f"The CRL of CA '{name}' is stale, or will be soon: its new devices have to wait then",
        metrics.of(Metric.CRL_TIME_LEFT, "Minimum", _HOUR, ca=certificate_id),
        as_timedelta(settings.crl_time_left).total_seconds(),
        below=True,
    )
    yield _Alarm(
        f"CrlUnusable{name}",
        Section.CRL_UNUSABLE,
        f"A CRL of CA '{name}' was fetched and cannot be used; the former one stays in force",
        metrics.of(Metric.CRL_UNUSABLE, "Sum", _HOUR, ca=certificate_id),
        1,
    )
    yield _Alarm(
        f"RevocationLimitTripped{name}",
        Section.REVOCATION_LIMIT_TRIPPED,
        f"A CRL of CA '{name}' would revoke an unusual share of the fleet: a person must confirm it",
        metrics.of(Metric.REVOCATION_LIMIT_TRIPPED, "Sum", _HOUR, ca=certificate_id),
        1,
    )
