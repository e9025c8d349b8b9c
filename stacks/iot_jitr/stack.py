"""`JitrStack`: the shipped stack, one pipeline made from the configuration, with its outputs."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from iot_jitr.configuration import JitrConfiguration, Removal
from iot_jitr.outputs import DeploymentOutputs
from iot_jitr.pipeline import JitrPipeline
from iot_jitr.retention import RETENTION_OF
from iot_jitr.target import Target
from iot_jitr.validation import checked


class JitrStack(cdk.Stack):
    """One `JitrPipeline` and what an operator needs to know of it.

    Attributes:
        pipeline: The pipeline.
    """

    @checked
    def __init__(self, scope: Construct, construct_id: str, configuration: JitrConfiguration) -> None:
        """Create the stack.

        Args:
            scope: The app or stage it belongs to.
            construct_id: Its name there; CloudFormation knows it by the configuration's `stack_name`.
            configuration: What it deploys.
        """
        target = Target(configuration.target)
        super().__init__(
            scope,
            construct_id,
            stack_name=configuration.stack_name,
            description="AWS IoT Core just-in-time registration (iot-jitr)",
            synthesizer=target.synthesizer(),
        )
        target.choose_for(self)
        self.pipeline = JitrPipeline(
            self,
            "Jitr",
            cas=configuration.cas,
            device_policy=configuration.policy,
            admission=configuration.admission,
            things=configuration.things,
            on_refusal=configuration.on_refusal,
            revocation=configuration.revocation,
            reconciler=configuration.reconciler,
            activations_per_second=configuration.activations_per_second,
            log_retention=RETENTION_OF[configuration.log_retention_days],
            log_level=configuration.log_level,
            metrics_namespace=configuration.metrics_namespace,
            alarms=configuration.alarms,
            account_logging=configuration.account_logging,
            encryption_key=self._encryption_key(configuration.encryption_key),
            removal_policy=cdk.RemovalPolicy(Removal(configuration.removal).name),
        )
        self._bound(configuration.permissions_boundary)
        DeploymentOutputs(self.pipeline)

    def _encryption_key(self, arn: str | None) -> kms.IKey | None:
        return kms.Key.from_key_arn(self, "EncryptionKey", arn) if arn else None

    def _bound(self, policy_arn: str | None) -> None:
        if policy_arn is not None:
            policy = iam.ManagedPolicy.from_managed_policy_arn(self, "Boundary", policy_arn)
            iam.PermissionsBoundary.of(self).apply(policy)
