"""The reconciler: finds certificates without a decision, and those that are not in the ledger."""

from datetime import timedelta

from aws_cdk import aws_iam as iam
from constructs import Construct

from iot_jitr.allowed import as_timedelta, whole_seconds
from iot_jitr.configuration.reconciler import ReconcilerSettings
from iot_jitr.encryption import KeyUse
from iot_jitr.functions import JitrFunction
from iot_jitr.parts import PipelineParts, read_ca_certificates
from iot_jitr.permissions import on_certificates, without_resource
from iot_jitr_runtime import environment
from iot_jitr_runtime.ledger_table import TASK_INDEX


class Reconciler(Construct):
    """The reconciler function and its schedule.

    Attributes:
        function: The function with its role and log group.
        schedule: What starts it.
    """

    def __init__(
        self, scope: Construct, construct_id: str, parts: PipelineParts, settings: ReconcilerSettings
    ) -> None:
        """Create the function and its schedule."""
        super().__init__(scope, construct_id)
        table, activation = parts.ledger.table, parts.queues.activation
        cas = parts.cas.values()
        self.function = JitrFunction(
            self,
            "Function",
            handler=environment.RECONCILER_HANDLER,
            description="Finds device certificates without a decision",
            settings=parts.functions,
            environment={
                **parts.environment(cas, (environment.DEVICE_POLICY, environment.THINGS)),
                environment.ACTIVATION_QUEUE_URL: activation.queue_url,
                environment.PENDING_AFTER_SECONDS: str(whole_seconds(settings.pending_after)),
                environment.FULL_LISTING_SECONDS: str(whole_seconds(settings.full_pass_every)),
            },
            permissions=[
                iam.PolicyStatement(
                    actions=["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:UpdateItem"],
                    resources=[table.table_arn],
                ),
                iam.PolicyStatement(
                    actions=["dynamodb:Query"], resources=[f"{table.table_arn}/index/{TASK_INDEX}"]
                ),
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[activation.queue_arn]),
                read_ca_certificates(cas),
                without_resource("iot:ListCertificatesByCA"),
            ],
            key_uses=[KeyUse.SEND_MESSAGES, KeyUse.TABLE],
            timeout=timedelta(minutes=10),
            # The next scheduled invocation continues the work of a failed one.
            retry_attempts=0,
        )
        self.function.allow(
            on_certificates(self, "iot:DescribeCertificate"),
            wildcard="it reads certificates whose ids are not known before they are registered",
        )
        self.function.allow(
            *parts.devices.task_permissions,
            wildcard="each device's policy and thing are made when it is activated",
        )
        self.schedule = self.function.on_schedule(
            "Schedule", as_timedelta(settings.every), "Searches for certificates without a decision"
        )
