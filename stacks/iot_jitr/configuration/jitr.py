"""The whole configuration of the shipped app: the context `jitr` of `cdk.json`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from iot_jitr.admission import ADMISSIONS, Admission
from iot_jitr.allowed import flag, number_among, one_of, refusal, shown, text
from iot_jitr.capacity import DEFAULT_ACTIVATIONS_PER_SECOND, RATE
from iot_jitr.configuration.ca import CaConfiguration
from iot_jitr.configuration.connect_guard import ConnectGuard
from iot_jitr.configuration.reconciler import ReconcilerSettings
from iot_jitr.configuration.revocation import RevocationSettings
from iot_jitr.devices import ON_REFUSAL
from iot_jitr.encryption import KEY_ARN, KEY_ARN_ALLOWED
from iot_jitr.functions import LogLevel
from iot_jitr.observability import ALARMS, METRICS_NAMESPACE, NAMESPACE, AlarmOption, AlarmSettings
from iot_jitr.outcome_events import OutcomeEvents
from iot_jitr.policy import DevicePolicy
from iot_jitr.retention import RETENTION_OF
from iot_jitr.things import ThingRegistration
from iot_jitr.validation import ConfigurationError, options, read_options

CONTEXT_KEY = "jitr"
_NO_CAS = 'a list with at least one CA, for example [{"name": "Factory", "certificate": "ca/ca.pem", …}]'
_OBJECT = f"an object under 'context' of cdk.json, with {_NO_CAS}"


class AccountLoggingMode(StrEnum):
    """How the stack treats AWS IoT's own log, `AWSIotLogsV2`; an account has one in each region.

    https://docs.aws.amazon.com/iot/latest/developerguide/configure-logging.html
    """

    MANAGE = "manage"
    """If it is off, it is turned on, and the former settings are restored on deletion; if it is on, it is not
    changed."""
    ADOPT = "adopt"
    """It is used without a change; if it is off, the deployment fails."""
    NONE = "none"
    """Not changed and not read."""


class Removal(StrEnum):
    """The action on the ledger and on an allow list when the stack is deleted."""

    RETAIN = "retain"
    DESTROY = "destroy"
    """For test stacks: only the ledger lists the certificates that this pipeline has activated."""


@options
class JitrConfiguration:
    """What the shipped app deploys; `parse` reads it from `cdk.json`.

    Raises:
        ConfigurationError: A value is not possible, or two of them contradict one another.
    """

    cas: Sequence[CaConfiguration]
    """The CAs whose devices are registered just in time; at least one, each name once."""
    policy: DevicePolicy = field(default_factory=DevicePolicy)
    """What activated devices may do."""
    admission: Annotated[Admission | None, ADMISSIONS] = None
    """Which devices are expected; all with a valid certificate by default."""
    things: ThingRegistration | None = None
    """The things that devices are registered as; none by default."""
    on_refusal: Annotated[Mapping[str, str], ON_REFUSAL] = field(default_factory=dict, hash=False)
    """Reason of a refusal → status of its certificate, as for `JitrPipeline`; by default all stay pending.
    https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCertificate.html"""
    revocation: RevocationSettings | None = None
    """How CRLs are updated and applied, for all CAs that have one. Not allowed if no CA has a CRL."""
    connect_guard: ConnectGuard | None = None
    """Refuses devices whose certificates their CA has revoked, at each TLS handshake; none by default. Not
    allowed if no CA has a CRL.
    https://docs.aws.amazon.com/iot/latest/developerguide/customize-client-auth.html"""
    outcome_events: OutcomeEvents | None = None
    """Publishes the outcome of each certificate to EventBridge, see `docs/events.md`; `{}` for the account's
    default bus. Off by default.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-what-is.html"""
    reconciler: ReconcilerSettings = field(default_factory=ReconcilerSettings)
    """The interval of the search for certificates without a decision, and how long one may be pending."""
    activations_per_second: Annotated[int, RATE] = DEFAULT_ACTIVATIONS_PER_SECOND
    """The account's quota of `DescribeCertificate` and `UpdateCertificate`, calls a second, 1 to 1,000.
    https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""
    log_retention_days: Annotated[int, number_among(RETENTION_OF)] = 30
    """How long CloudWatch keeps the functions' logs: one of the numbers of days that it offers, 1 to 3653.
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
    log_level: Annotated[LogLevel | str, one_of(LogLevel)] = LogLevel.INFO
    """Level of the functions' structured logs: DEBUG, INFO, WARNING or ERROR.
    https://docs.aws.amazon.com/powertools/python/latest/core/logger/"""
    metrics_namespace: Annotated[str, NAMESPACE] = METRICS_NAMESPACE
    """CloudWatch namespace of the metrics: 1 to 255 of letters, digits and `. _ / # : -`, not beginning with
    `AWS/`.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Namespace"""
    account_logging: Annotated[AccountLoggingMode | str, one_of(AccountLoggingMode)] = AccountLoggingMode.NONE
    """How the stack treats AWS IoT's own log. The `cdk.json` of the project has `manage`."""
    alarms: Annotated[AlarmOption, ALARMS] = field(default_factory=AlarmSettings)
    """When alarms are raised, and who is notified; `"none"`: no alarms.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""
    dashboard: Annotated[bool, flag()] = True
    """Whether there is a CloudWatch dashboard.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Dashboards.html"""
    encryption_key: Annotated[str | None, text(KEY_ARN, KEY_ARN_ALLOWED)] = None
    """ARN of the customer managed KMS key for all data at rest; an alias is not allowed. None: AWS's own
    keys. See `docs/security.md` for what its policy must allow.
    https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#customer-mgn-key"""
    permissions_boundary: Annotated[
        str | None, text(r"arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+", "the ARN of a managed policy")
    ] = None
    """ARN of the managed policy that limits the permissions of all roles; none by default.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"""
    removal: Annotated[Removal | str, one_of(Removal)] = Removal.RETAIN
    """The action on the ledger and on an allow list when the stack is deleted: `retain` or `destroy`. The
    shared policy and the CRL bucket are always retained.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html"""
    stack_name: Annotated[
        str, text(r"[A-Za-z][A-Za-z0-9-]{0,127}", "a letter, then up to 127 letters, digits and hyphens")
    ] = "iot-jitr"
    """Name of the CloudFormation stack: a letter, then up to 127 letters, digits and hyphens.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html"""

    def __post_init__(self) -> None:
        names = [ca.name for ca in self.cas]
        if not names:
            raise refusal("cas", "no CA", _NO_CAS)
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise refusal("cas", f"the name '{twice[0]}' twice", "each name once")

    @classmethod
    def parse(cls, context: object, folder: Path) -> "JitrConfiguration":
        """Read the context `jitr`.

        Args:
            context: Its value: an object, or its JSON where it comes from the command line (`-c jitr=…`).
                https://docs.aws.amazon.com/cdk/v2/guide/context.html
            folder: The folder of `cdk.json`; relative paths start there.

        Raises:
            ConfigurationError: A value is wrong or missing.
            DevicePolicyError: The policy's template cannot be read.
            PolicyRejectedError: The policy's template breaks rules that it does not acknowledge.
        """
        if not isinstance(folder, Path):
            raise ConfigurationError("JitrConfiguration.parse.folder", shown(folder), "a folder, a Path")
        if context is None:
            raise ConfigurationError(CONTEXT_KEY, "nothing", _OBJECT)
        if isinstance(context, str):
            try:
                context = json.loads(context)
            except (ValueError, RecursionError) as error:
                raise ConfigurationError(CONTEXT_KEY, shown(context), "an object, as JSON") from error
        return read_options(cls, CONTEXT_KEY, context, folder)
