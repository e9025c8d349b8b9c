"""The names and the thresholds of a pipeline's alarms."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

import aws_cdk as cdk
from aws_cdk import aws_sns as sns

from iot_jitr.allowed import having, span, text, whole_number
from iot_jitr.choices import OneOfClasses
from iot_jitr.validation import options

RUNBOOK_URL = "https://github.com/iot-jitr/iot-jitr/blob/main/docs/runbook.md"
_Count = Annotated[int, whole_number(1, 1_000_000)]
_Time = Annotated[timedelta | cdk.Duration, span(timedelta(minutes=1), timedelta(days=10_000))]


class AlarmName(StrEnum):
    """Name of an alarm, for `JitrPipeline.alarm`; `docs/runbook.md` describes the steps for each."""

    DEAD_LETTERS = "DeadLetters"
    """Events that could not be decided are in the dead-letter queue."""
    DEAD_LETTER_AGE = "DeadLetterAge"
    """The oldest message has been in the dead-letter queue for days."""
    OLDEST_MESSAGE = "OldestMessage"
    """Devices have been waiting for their activation for long."""
    DEFERRED = "Deferred"
    """Devices cannot be activated before a fault is fixed."""
    REFUSED = "Refused"
    """Unusually many devices are refused."""
    API_THROTTLED = "ApiThrottled"
    """The AWS IoT API throttles the activation."""
    PENDING = "Pending"
    """A certificate has been pending for long without a decision."""
    ACTIVATOR_ERRORS = "ActivatorErrors"
    """The activator fails."""
    ACTIVATOR_THROTTLES = "ActivatorThrottles"
    """Lambda throttles the activator."""
    RECONCILER_ERRORS = "ReconcilerErrors"
    """The reconciler fails."""
    CRL_PUBLISHER_ERRORS = "CrlPublisherErrors"
    """The CRL publisher fails; where a CA has a CRL."""
    SWEEP_ERRORS = "SweepErrors"
    """The sweep fails; where a CA has a CRL."""
    CONNECT_GUARD_ERRORS = "ConnectGuardErrors"
    """The connect guard fails; where there is one."""
    CONNECT_GUARD_THROTTLES = "ConnectGuardThrottles"
    """Lambda throttles the connect guard; where there is one."""
    CA_EXPIRY = "CaExpiry"
    """The CA certificate expires soon; one for each CA."""
    CRL_STALE = "CrlStale"
    """The CRL is stale, or soon will be; one for each CA that has a CRL."""
    CRL_UNUSABLE = "CrlUnusable"
    """A CRL was fetched and cannot be used; one for each CA that has a CRL."""
    REVOCATION_LIMIT_TRIPPED = "RevocationLimitTripped"
    """A CRL waits for its confirmation, because it would revoke an unusual share of the fleet; one for each
    CA that has a CRL."""
    SESSIONS_NOT_CLOSED = "SessionsNotClosed"
    """The session of a revoked device could not be closed; where the sweep closes sessions."""
    EVENTS_UNPUBLISHED = "EventsUnpublished"
    """Outcome events could not be published; with `outcome_events`."""
    REGISTRATION_FAILURES = "RegistrationFailures"
    """AWS IoT's own log reports failed registrations; with `account_logging` `manage` or `adopt`."""

    @property
    def section(self) -> str:
        """The anchor of the section of `docs/runbook.md` about it; some alarms share one."""
        if self is AlarmName.DEAD_LETTER_AGE:
            return AlarmName.DEAD_LETTERS.section
        if self.endswith("Errors"):
            return "function-errors"
        if self.endswith(("Throttles", "Throttled")):
            return "throttles"
        return self.name.lower().replace("_", "-")


@options
class AlarmSettings:
    """When the alarms of a pipeline are raised, and who is notified.

    With the defaults, no alarm is active while there are no events. A number is a whole number from
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
    """Deferrals within 15 minutes that wait for a fault to be fixed, not only for the rate limiter."""
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
    events_unpublished: _Count = 1
    """Outcome events within an hour that could not be published; they are published later.
    https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html"""
    registration_failures: _Count = 10
    """Failures to register a device or to run the topic rules, in AWS IoT's own log, within 15 minutes.
    https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html"""
    topic: Annotated[
        sns.ITopic | sns.Topic | str | None,
        having("topic_arn", "an SNS topic, or the ARN of one", r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:.+"),
    ] = None
    """The SNS topic that is notified when an alarm is raised and when it ends, or its ARN; None: alarms
    are only shown.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    runbook_url: Annotated[
        str, text(r"https?://\S{1,500}", "an address, https://…, of at most 500 characters")
    ] = RUNBOOK_URL
    """URL of the runbook in the alarms' descriptions, `https://` or `http://`, for your own copy; 500
    characters at most."""


NO_ALARMS = "none"
AlarmOption = AlarmSettings | Literal["none"]
"""Settings of the alarms, or a word for no alarms."""
ALARMS = OneOfClasses(
    {"": AlarmSettings}, 'alarm settings, an object; or "none" for no alarms', alone=(NO_ALARMS,)
)
