"""The activator: the one function that decides about device certificates."""

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.allowed import as_duration
from iot_jitr.encryption import KeyUse
from iot_jitr.functions import FunctionSettings, FunctionSize, JitrFunction
from iot_jitr_runtime import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from iot_jitr.capacity import Capacity
    from iot_jitr.devices import DeviceResources
    from iot_jitr.ledger import Ledger
    from iot_jitr.queues import ActivationQueues

MEMORY_MIB = 512
"""Lambda gives CPU by memory. Start-up is CPU: at 256 MiB and a seventh of a core it would take seconds."""

_WITHOUT_TAGS = ("cn-", "us-gov-")
"""How the names of the regions begin in which an event source mapping has no tags."""


class Activator(Construct):
    """The activator function, fed from the activation queue.

    Attributes:
        function: The function with its role and log group.
        event_source: The event source mapping from the activation queue.
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
        settings: FunctionSettings,
    ) -> None:
        """Create the function.

        Args:
            scope: Where it belongs.
            construct_id: Its name in the construct tree.
            cas: Id of each CA certificate, usually a token → its settings.
            ca_certificate_arns: The CA certificates it may read.
            capacity: Its rate, concurrency and batches.
            devices: Device policy, admission and things.
            ledger: What it reads and writes its decisions in.
            queues: Where its messages come from, and the dead-letter queue.
            settings: What it has in common with the pipeline's other functions.
        """
        super().__init__(scope, construct_id)
        self.function = JitrFunction(
            self,
            "Function",
            handler=environment.ACTIVATOR_HANDLER,
            description="Decides about device certificates that registered just in time",
            settings=settings,
            environment={
                environment.LEDGER_TABLE: ledger.table.table_name,
                environment.ACTIVATION_QUEUE_URL: queues.activation.queue_url,
                environment.DEAD_LETTER_QUEUE_URL: queues.dead_letters.queue_url,
                environment.CAS: cdk.Stack.of(self).to_json_string(cas),
                **devices.environment,
                environment.ACTIVATIONS_PER_SECOND: str(capacity.activations_per_second),
            },
            permissions=[
                ledger.change_certificates(),
                *self._queue_permissions(queues),
                *self._iot_permissions(ca_certificate_arns),
            ],
            key_uses=[KeyUse.RECEIVE_MESSAGES, KeyUse.SEND_MESSAGES, KeyUse.TABLE],
            size=FunctionSize(MEMORY_MIB, as_duration(capacity.function_timeout)),
        )
        acknowledge_wildcard(
            self.function.role,
            self._certificates,
            "device certificates get their ids when the devices connect, so none can be named before",
        )
        devices.let_admit(self.function)
        self.event_source = lambda_.EventSourceMapping(
            self,
            "Events",
            target=self.function.function,
            event_source_arn=queues.activation.queue_arn,
            batch_size=capacity.batch_size,
            max_concurrency=capacity.concurrency,
            report_batch_item_failures=True,
        )
        self._leave_out_tags()
        # Lambda checks the role's permissions on the queue when the mapping is made.
        self.event_source.node.add_dependency(self.function.role)

    @property
    def _certificates(self) -> str:
        return cdk.Stack.of(self).format_arn(service="iot", resource="cert", resource_name="*")

    def _leave_out_tags(self) -> None:
        """Leave the tags of an app out where event source mappings take none, if the region is known.

        https://docs.amazonaws.cn/en_us/aws/latest/userguide/lambda.html
        https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-lambda.html
        """
        resource = self.event_source.node.default_child
        if cdk.Stack.of(self).region.startswith(_WITHOUT_TAGS) and isinstance(resource, cdk.CfnResource):
            resource.add_property_deletion_override("Tags")

    def _queue_permissions(self, queues: "ActivationQueues") -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(
                actions=[
                    "sqs:ChangeMessageVisibility",
                    "sqs:DeleteMessage",
                    "sqs:GetQueueAttributes",
                    "sqs:ReceiveMessage",
                ],
                resources=[queues.activation.queue_arn],
            ),
            iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[queues.dead_letters.queue_arn]),
        ]

    def _iot_permissions(self, ca_certificate_arns: "Sequence[str]") -> list[iam.PolicyStatement]:
        return [
            # AttachPolicy is authorised against the certificate, never against the policy.
            iam.PolicyStatement(
                actions=["iot:DescribeCertificate", "iot:UpdateCertificate", "iot:AttachPolicy"],
                resources=[self._certificates],
            ),
            iam.PolicyStatement(actions=["iot:DescribeCACertificate"], resources=[*ca_certificate_arns]),
        ]
