"""The whole configuration of the shipped app: the context `jitr` of `cdk.json`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from iot_jitr.admission import Admission
from iot_jitr.capacity import DEFAULT_ACTIVATIONS_PER_SECOND, MAXIMUM_ACTIVATIONS_PER_SECOND
from iot_jitr.configuration.ca import CaConfiguration, read_ca
from iot_jitr.configuration.devices import read_admission, read_on_refusal, read_things
from iot_jitr.configuration.observability import AccountLoggingMode, AlarmConfiguration, read_alarms
from iot_jitr.configuration.reader import Section
from iot_jitr.configuration.reconciler import read_reconciler
from iot_jitr.configuration.revocation import (
    KEY_ARN,
    KEY_ARN_ALLOWED,
    RevocationSettings,
    read_revocation_settings,
)
from iot_jitr.policy import DevicePolicy, PolicyOption
from iot_jitr.reconciler import ReconcilerSettings
from iot_jitr.retention import RETENTION_OF
from iot_jitr.target import Target
from iot_jitr.things import ThingRegistration
from iot_jitr.validation import ConfigurationError, shown
from iot_jitr_runtime.policy.lint import Kind

CONTEXT_KEY = "jitr"
_NO_CAS = 'a list with at least one CA, for example [{"name": "Factory", "certificate": "ca/ca.pem", …}]'


class Removal(StrEnum):
    """What becomes of the ledger and of an allow list when the stack is deleted."""

    RETAIN = "retain"
    DESTROY = "destroy"
    """For test stacks: the ledger is what tells later which certificates this pipeline let in."""


class LogLevel(StrEnum):
    """Level of the functions' structured logs."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True)
class JitrConfiguration:
    """What the shipped app deploys; `parse` reads it from `cdk.json`, and checks it."""

    cas: tuple[CaConfiguration, ...]
    """The CAs whose devices are registered just in time; at least one."""
    policy: DevicePolicy = field(default_factory=DevicePolicy.shared)
    """What activated devices may do."""
    admission: Admission | None = None
    """Which devices are expected; all with a certificate in order by default."""
    things: ThingRegistration | None = None
    """Which things devices become; none by default."""
    on_refusal: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Reason of a refusal → status of its certificate, as of `JitrPipeline`; all stay pending by default.
    https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCertificate.html"""
    revocation: RevocationSettings | None = None
    """How CRLs are kept fresh and acted on; None: `RevocationSettings()`."""
    reconciler: ReconcilerSettings = field(default_factory=ReconcilerSettings)
    """How often certificates that nobody decided about are looked for, and how long one may be pending."""
    activations_per_second: int = DEFAULT_ACTIVATIONS_PER_SECOND
    """The account's quota of `DescribeCertificate` and `UpdateCertificate`, calls a second, 1 to 1,000.
    https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""
    log_retention_days: int = 30
    """How long CloudWatch keeps the functions' logs: one of the numbers of days that it knows, 1 to 3653.
    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""
    log_level: LogLevel = LogLevel.INFO
    """Level of the functions' structured logs: DEBUG, INFO, WARNING or ERROR.
    https://docs.aws.amazon.com/powertools/python/latest/core/logger/"""
    metrics_namespace: str = "IotJitr"
    """CloudWatch namespace of the metrics: 1 to 255 of letters, digits and `. _ / # : -`, not beginning with
    `AWS/`.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html#Namespace"""
    account_logging: AccountLoggingMode = AccountLoggingMode.NONE
    """What becomes of AWS IoT's own log."""
    alarms: AlarmConfiguration = field(default_factory=AlarmConfiguration)
    """When alarms ring, and who is told: what `AlarmSettings` has, the topic as its ARN."""
    encryption_key_arn: str | None = None
    """ARN of the customer managed KMS key for everything at rest, not of an alias; None: keys of AWS's own.
    https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#customer-mgn-key"""
    permissions_boundary_arn: str | None = None
    """ARN of the managed policy that bounds what the roles may do, whatever their own say; none by default.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html"""
    removal: Removal = Removal.RETAIN
    """What becomes of the ledger and of an allow list when the stack is deleted: `retain` or `destroy`.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html"""
    target: Target = Target.AWS
    """Where it is deployed to: `aws`, or `local`, the local cloud of `jitr lab`."""
    stack_name: str = "iot-jitr"
    """Name of the CloudFormation stack: a letter, then up to 127 letters, digits and hyphens.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html"""

    @classmethod
    def parse(cls, context: object, folder: Path) -> "JitrConfiguration":
        """Read the context `jitr`.

        Args:
            context: Its value: an object, or its JSON where it comes from the command line (`-c jitr=…`).
                https://docs.aws.amazon.com/cdk/v2/guide/context.html
            folder: The folder of `cdk.json`, which relative paths are relative to.

        Raises:
            ConfigurationError: A value is wrong or missing.
            DevicePolicyError: The policy's template cannot be read.
            PolicyRejectedError: The policy's template breaks rules that it does not acknowledge.
        """
        if context is None:
            raise ConfigurationError(
                CONTEXT_KEY, "nothing", f"an object under 'context' of cdk.json, with {_NO_CAS}"
            )
        root = Section(CONTEXT_KEY, _object(context), folder)
        configuration = cls(
            cas=_read_cas(root),
            policy=_read_policy(root),
            admission=read_admission(root),
            things=read_things(root),
            on_refusal=read_on_refusal(root),
            revocation=read_revocation_settings(root),
            reconciler=read_reconciler(root),
            activations_per_second=root.number(
                "activations_per_second",
                DEFAULT_ACTIVATIONS_PER_SECOND,
                low=1,
                high=MAXIMUM_ACTIVATIONS_PER_SECOND,
            ),
            log_retention_days=root.number_among("log_retention_days", 30, allowed=RETENTION_OF),
            log_level=root.choice("log_level", LogLevel.INFO),
            metrics_namespace=root.text(
                "metrics_namespace",
                "IotJitr",
                pattern=r"(?!AWS/)[A-Za-z0-9._/#:-]{1,255}",
                allowed="1 to 255 of letters, digits and . _ / # : -, not beginning with AWS/",
            ),
            account_logging=root.choice("account_logging", AccountLoggingMode.NONE),
            alarms=read_alarms(root),
            encryption_key_arn=root.text("encryption_key", None, pattern=KEY_ARN, allowed=KEY_ARN_ALLOWED),
            permissions_boundary_arn=root.text(
                "permissions_boundary",
                None,
                pattern=r"arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+",
                allowed="the ARN of a managed policy",
            ),
            removal=root.choice("removal", Removal.RETAIN),
            target=root.choice("target", Target.AWS),
            stack_name=root.text(
                "stack_name",
                "iot-jitr",
                pattern=r"[A-Za-z][A-Za-z0-9-]{0,127}",
                allowed="a letter, then up to 127 letters, digits and hyphens",
            ),
        )
        root.finish()
        return configuration


def _object(context: object) -> object:
    if not isinstance(context, str):
        return context
    try:
        return json.loads(context)
    except ValueError as error:
        raise ConfigurationError(CONTEXT_KEY, shown(context), "an object, as JSON") from error


def _read_cas(root: Section) -> tuple[CaConfiguration, ...]:
    cas = tuple(map(read_ca, root.sections("cas", allowed=_NO_CAS)))
    names = [ca.name for ca in cas]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigurationError(
                root.key(f"cas[{index}].name"), f"'{name}' a second time", "each name once"
            )
    return cas


def _read_policy(root: Section) -> DevicePolicy:
    policy = root.section("policy")
    kind = policy.choice("kind", Kind.SHARED)
    template = policy.file("template", allowed="the path of a JSON file with the device policy")
    options = [
        PolicyOption(name) for name in policy.texts("options", allowed=[o.value for o in PolicyOption])
    ]
    policy.finish()
    make = DevicePolicy.shared if kind is Kind.SHARED else DevicePolicy.per_device
    return make(template, options=options)
