"""When alarms ring and who is told, and what becomes of AWS IoT's own log."""

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr.validation import ConfigurationError

if TYPE_CHECKING:
    from iot_jitr.configuration.reader import Section

LARGEST = 1_000_000
RUNBOOK_URL = "https://github.com/iot-jitr/iot-jitr/blob/main/docs/runbook.md"
URL = r"https?://\S{1,500}"
URL_ALLOWED = "an address, https://…, of at most 500 characters"


class AccountLoggingMode(StrEnum):
    """What becomes of AWS IoT's own log, `AWSIotLogsV2`, of which an account and region has one.

    https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
    """

    MANAGE = "manage"
    """Turned on where it is off, used as it is where it is on. Delete restores what was there before."""
    ADOPT = "adopt"
    """Used as it is; the deployment fails where it is off."""
    NONE = "none"
    """Left alone, and not looked at."""


@dataclass(frozen=True)
class AlarmThresholds:
    """The thresholds of all alarms. The defaults are silent in a fleet in which nothing happens.

    Each is a whole number from 1 to 1,000,000.

    Raises:
        ConfigurationError: One is out of range.
    """

    dead_letters: int = 1
    """Messages in the dead-letter queue.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""
    oldest_message_minutes: int = 60
    """Age of the oldest message in the activation queue, minutes. An hour is 36,000 devices at 10 a second.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html"""
    impeded: int = 20
    """Deferrals within 15 minutes that wait for something to be mended, not just for their slot."""
    refused: int = 300
    """Refusals within 15 minutes. A refused device that hammers is refused once a minute at most."""
    crl_minutes_left: int = 60
    """Minutes until a CA's CRL becomes stale and its new devices have to wait.
    https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5"""
    ca_days_to_expiry: int = 90
    """Days until a CA certificate expires and none of its devices can be activated any more.
    https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5"""
    function_errors: int = 3
    """Failed invocations of the activator within 15 minutes; for the other functions one is enough.
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html"""
    throttles: int = 100
    """Throttled calls of the AWS IoT API, and throttled invocations, within 15 minutes.
    https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""
    pending_hours: int = 24
    """Hours that a certificate has been pending without a decision.
    https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html"""
    registration_failures: int = 10
    """Failures to register a device or to run the topic rules, in AWS IoT's own log, within 15 minutes.
    https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html"""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if not 1 <= value <= LARGEST:
                raise ConfigurationError(
                    f"alarms.{each.name}", str(value), f"a whole number from 1 to {LARGEST}"
                )


@dataclass(frozen=True)
class AlarmConfiguration:
    """The section `alarms` of the configuration."""

    thresholds: AlarmThresholds = field(default_factory=AlarmThresholds)
    topic_arn: str | None = None
    """The SNS topic that is told; None: alarms are only shown."""
    runbook_url: str = RUNBOOK_URL
    """Where the runbook is that the alarms link to."""


def read_alarms(root: "Section") -> AlarmConfiguration:
    """Read the key `alarms`.

    Raises:
        ConfigurationError: A value is wrong.
    """
    alarms = root.section("alarms")
    numbers = {
        each.name: alarms.number(each.name, getattr(AlarmThresholds(), each.name), low=1, high=LARGEST)
        for each in fields(AlarmThresholds)
    }
    configuration = AlarmConfiguration(
        AlarmThresholds(**numbers),
        topic_arn=alarms.text(
            "topic",
            None,
            pattern=r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:.+",
            allowed="the ARN of an SNS topic",
        ),
        runbook_url=alarms.text("runbook_url", RUNBOOK_URL, pattern=URL, allowed=URL_ALLOWED),
    )
    alarms.finish()
    return configuration
