"""The topic rules that put registration events into the activation queue."""

from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from iot_jitr.encryption import Encryption, KeyUse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from iot_jitr.queues import ActivationQueues

REGISTERED_TOPIC = "$aws/events/certificates/registered"
"""AWS IoT publishes below it when a device presents a certificate of a registered CA for the first time, and
again each time the device reconnects while the certificate is pending
(https://docs.aws.amazon.com/iot/latest/developerguide/auto-register-device-cert.html)."""


class RegistrationRules(Construct):
    """One topic rule for each CA, and the one role they share.

    Attributes:
        rules: The topic rule of each CA, by the CA's name.
        role: It may only send to the two queues, and only for rules of this account.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        ca_certificate_ids: "Mapping[str, str]",
        queues: "ActivationQueues",
        encryption: Encryption,
    ) -> None:
        """Create the rules.

        Args:
            scope: The pipeline.
            construct_id: Their name in the construct tree.
            ca_certificate_ids: Each CA's name → the id of its registered certificate, usually a token.
            queues: The queues for events, and for events that cannot be delivered.
            encryption: The key of the queues.
        """
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "iot.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {
                        "aws:SourceArn": stack.format_arn(service="iot", resource="rule", resource_name="*")
                    },
                },
            ),
            description="Lets the topic rules put registration events into the activation queue",
        )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["sqs:SendMessage"],
                resources=[queues.activation.queue_arn, queues.dead_letters.queue_arn],
            )
        )
        for statement in encryption.permissions(KeyUse.SEND_MESSAGES):
            self.role.add_to_policy(statement)
        self.rules = {
            name: self._rule(name, ca_certificate_id, queues)
            for name, ca_certificate_id in ca_certificate_ids.items()
        }

    def _rule(self, name: str, ca_certificate_id: str, queues: "ActivationQueues") -> iot.CfnTopicRule:
        def send_to(queue_url: str) -> iot.CfnTopicRule.ActionProperty:
            return iot.CfnTopicRule.ActionProperty(
                sqs=iot.CfnTopicRule.SqsActionProperty(
                    queue_url=queue_url, role_arn=self.role.role_arn, use_base64=False
                )
            )

        rule = iot.CfnTopicRule(
            self,
            name,
            topic_rule_payload=iot.CfnTopicRule.TopicRulePayloadProperty(
                description=f"Registration events of the devices of CA {name}",
                aws_iot_sql_version="2016-03-23",
                sql=f"SELECT * FROM '{REGISTERED_TOPIC}/{ca_certificate_id}'",  # noqa: S608 - not SQL: a topic filter of ours
                actions=[send_to(queues.activation.queue_url)],
                error_action=send_to(queues.dead_letters.queue_url),
                rule_disabled=False,
            ),
        )
        # The role's permissions are a separate resource: without this dependency the first events could be
        # refused.
        rule.node.add_dependency(self.role)
        return rule
