"""The activator: the one function that decides about device certificates."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from iot_jitr.encryption import KeyUse
from iot_jitr.functions import JitrFunction
from iot_jitr.parts import PipelineParts, read_ca_certificates
from iot_jitr.permissions import on_certificates
from iot_jitr_runtime import environment

MEMORY_MIB = 512
"""Lambda allocates CPU in proportion to memory. Start-up needs CPU: with 256 MiB (a seventh of a core) it
would take seconds."""

_WITHOUT_TAGS = ("cn-", "us-gov-")
"""Prefixes of the regions in which an event source mapping cannot have tags."""


class Activator(Construct):
    """The activator function, with the activation queue as its event source.

    Attributes:
        function: The function with its role and log group.
        event_source: The event source mapping from the activation queue.
    """

    def __init__(self, scope: Construct, construct_id: str, parts: PipelineParts) -> None:
        """Create the function, and invoke it with the messages of the activation queue."""
        super().__init__(scope, construct_id)
        activation, dead_letters = parts.queues.activation, parts.queues.dead_letters
        cas = parts.cas.values()
        self.function = JitrFunction(
            self,
            "Function",
            handler=environment.ACTIVATOR_HANDLER,
            description="Decides about device certificates that registered just in time",
            settings=parts.functions,
            environment={
                **parts.environment(cas, parts.devices.environment),
                environment.ACTIVATION_QUEUE_URL: activation.queue_url,
                environment.DEAD_LETTER_QUEUE_URL: dead_letters.queue_url,
            },
            permissions=[
                parts.ledger.change_certificates(),
                iam.PolicyStatement(
                    actions=[
                        "sqs:ChangeMessageVisibility",
                        "sqs:DeleteMessage",
                        "sqs:GetQueueAttributes",
                        "sqs:ReceiveMessage",
                    ],
                    resources=[activation.queue_arn],
                ),
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[dead_letters.queue_arn]),
                read_ca_certificates(cas),
            ],
            key_uses=[KeyUse.RECEIVE_MESSAGES, KeyUse.SEND_MESSAGES, KeyUse.TABLE],
            memory_mib=MEMORY_MIB,
            timeout=parts.capacity.function_timeout,
        )
        # AttachPolicy is authorised against the certificate, never against the policy.
        self.function.allow(
            on_certificates(self, "iot:DescribeCertificate", "iot:UpdateCertificate", "iot:AttachPolicy"),
            wildcard="device certificates get their ids when the devices connect, and cannot be named before",
        )
        parts.devices.grant_admit(self.function)
        self.event_source = lambda_.EventSourceMapping(
            self,
            "Events",
            target=self.function.function,
            event_source_arn=activation.queue_arn,
            batch_size=parts.capacity.batch_size,
            max_concurrency=parts.capacity.concurrency,
            report_batch_item_failures=True,
        )
        self._leave_out_tags()
        # Lambda checks the role's permissions on the queue when the mapping is created.
        self.event_source.node.add_dependency(self.function.role)

    def _leave_out_tags(self) -> None:
        """Remove the app's tags in regions where event source mappings cannot have tags.

        https://docs.amazonaws.cn/en_us/aws/latest/userguide/lambda.html
        https://docs.aws.amazon.com/govcloud-us/latest/UserGuide/govcloud-lambda.html
        """
        resource = self.event_source.node.default_child
        if cdk.Stack.of(self).region.startswith(_WITHOUT_TAGS) and isinstance(resource, cdk.CfnResource):
            resource.add_property_deletion_override("Tags")
