"""The reconciler: finds certificates without a decision, and those that the ledger does not know."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.allowed import as_timedelta, contradiction, shown, span
from iot_jitr.encryption import KeyUse
from iot_jitr.functions import FunctionSettings, FunctionSize, JitrFunction
from iot_jitr.ledger import TASK_INDEX
from iot_jitr.permissions import WITHOUT_RESOURCE, without_resource
from iot_jitr.validation import options
from iot_jitr_runtime import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iot_jitr.capacity import Capacity
    from iot_jitr.devices import DeviceResources
    from iot_jitr.ledger import Ledger
    from iot_jitr.queues import ActivationQueues

_TIMEOUT = cdk.Duration.minutes(10)
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


@options
class ReconcilerSettings:
    """How often the reconciler looks, and for what.

    Raises:
        ConfigurationError: A value is out of its range, or full passes are to come more often than any.
    """

    every: Annotated[timedelta | cdk.Duration, span(_MINUTE, _DAY, _MINUTE)] = timedelta(hours=1)
    """How often it goes through the newest certificates; whole minutes, 1 minute to a day.
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html"""
    pending_after: Annotated[timedelta | cdk.Duration, span(_MINUTE, 14 * _DAY)] = timedelta(minutes=15)
    """How long a certificate may be pending, without a decision, before its event counts as lost; 1 minute to
    14 days, as long as the queue keeps messages.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""
    full_pass_every: Annotated[timedelta | cdk.Duration, span(_MINUTE, 366 * _DAY)] = timedelta(days=7)
    """How often it goes through all certificates; `every` to 366 days.
    https://docs.aws.amazon.com/iot/latest/apireference/API_ListCertificatesByCA.html"""

    def __post_init__(self) -> None:
        if as_timedelta(self.full_pass_every) < as_timedelta(self.every):
            raise contradiction(
                "full_pass_every",
                f"{shown(self.full_pass_every)} with every {shown(self.every)}",
                "no less than every",
            )


class Reconciler(Construct):
    """The reconciler function and its schedule.

    Attributes:
        function: The function with its role and log group.
        schedule: What starts it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cas: "Mapping[str, Mapping[str, object]]",
        ca_certificate_arns: "Sequence[str]",
        capacity: "Capacity",
        devices: "DeviceResources",
        ledger: "Ledger",
        queues: "ActivationQueues",
        functions: FunctionSettings,
        settings: ReconcilerSettings,
    ) -> None:
        """Create the function and its schedule.

        Args:
            scope: Where it belongs.
            construct_id: Its name in the construct tree.
            cas: Id of each CA certificate, usually a token → its settings.
            ca_certificate_arns: The CA certificates it may read.
            capacity: The rate that it shares with the activator.
            devices: Device policy and things.
            ledger: What it compares with AWS IoT's list.
            queues: Where it puts certificates without a decision.
            functions: What it has in common with the pipeline's other functions.
            settings: How often it looks.
        """
        super().__init__(scope, construct_id)
        settings_of_devices = {environment.DEVICE_POLICY, environment.THINGS} & set(devices.environment)
        self.function = JitrFunction(
            self,
            "Function",
            handler=environment.RECONCILER_HANDLER,
            description="Finds device certificates without a decision",
            settings=functions,
            environment={
                environment.LEDGER_TABLE: ledger.table.table_name,
                environment.ACTIVATION_QUEUE_URL: queues.activation.queue_url,
                environment.CAS: cdk.Stack.of(self).to_json_string(cas),
                **{name: devices.environment[name] for name in sorted(settings_of_devices)},
                environment.ACTIVATIONS_PER_SECOND: str(capacity.activations_per_second),
                environment.PENDING_AFTER_SECONDS: str(
                    int(as_timedelta(settings.pending_after).total_seconds())
                ),
                environment.FULL_LISTING_SECONDS: str(
                    int(as_timedelta(settings.full_pass_every).total_seconds())
                ),
            },
            permissions=[
                *self._permissions(ca_certificate_arns, ledger, queues),
                *devices.task_permissions,
            ],
            key_uses=[KeyUse.SEND_MESSAGES, KeyUse.TABLE],
            size=FunctionSize(timeout=_TIMEOUT),
            # What an invocation leaves undone, the next one on the schedule finds.
            retry_attempts=0,
        )
        acknowledge_wildcard(
            self.function.role,
            self._certificates,
            "it reads certificates whose ids are not known before they are registered",
        )
        acknowledge_wildcard(self.function.role, "*", WITHOUT_RESOURCE["iot:ListCertificatesByCA"])
        for resource in {each for statement in devices.task_permissions for each in statement.resources}:
            acknowledge_wildcard(
                self.function.role, resource, "each device's policy and thing are made when it is activated"
            )
        self.schedule = events.Rule(
            self,
            "Schedule",
            description="Looks for certificates without a decision",
            schedule=events.Schedule.rate(
                cdk.Duration.seconds(int(as_timedelta(settings.every).total_seconds()))
            ),
            targets=[targets.LambdaFunction(self.function.function, retry_attempts=0)],
        )

    @property
    def _certificates(self) -> str:
        return cdk.Stack.of(self).format_arn(service="iot", resource="cert", resource_name="*")

    def _permissions(
        self, ca_certificate_arns: "Sequence[str]", ledger: "Ledger", queues: "ActivationQueues"
    ) -> list[iam.PolicyStatement]:
        table = ledger.table.table_arn
        return [
            iam.PolicyStatement(
                actions=["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"],
                resources=[table],
            ),
            iam.PolicyStatement(actions=["dynamodb:Query"], resources=[f"{table}/index/{TASK_INDEX}"]),
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queues.activation.queue_arn]),
            without_resource("iot:ListCertificatesByCA"),
            iam.PolicyStatement(actions=["iot:DescribeCertificate"], resources=[self._certificates]),
            iam.PolicyStatement(actions=["iot:DescribeCACertificate"], resources=[*ca_certificate_arns]),
        ]
