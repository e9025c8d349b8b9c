"""`JitrStack`: the shipped stack, one pipeline made from the configuration, with its outputs."""

from collections.abc import Mapping
from typing import Annotated

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from iot_jitr.allowed import CONSTRUCT_ID, having, texts
from iot_jitr.configuration import JitrConfiguration, Removal
from iot_jitr.outputs import DeploymentOutputs
from iot_jitr.pipeline import JitrPipeline
from iot_jitr.retention import RETENTION_OF
from iot_jitr.validation import checked


class JitrStack(cdk.Stack):
    """One `JitrPipeline`, and outputs that describe it.

    Attributes:
        pipeline: The pipeline.
    """

    @checked
    def __init__(
        self,
        scope: Construct,
        construct_id: Annotated[str, CONSTRUCT_ID],
        configuration: JitrConfiguration,
        *,
        env: cdk.Environment | None = None,
        tags: Annotated[Mapping[str, str] | None, texts("an object of texts")] = None,
        permissions_boundary: cdk.PermissionsBoundary | None = None,
        termination_protection: bool | None = None,
        synthesizer: Annotated[
            cdk.IStackSynthesizer | None, having("bind", "a stack synthesizer (IStackSynthesizer)")
        ] = None,
    ) -> None:
        """Create the stack.

        Args:
            scope: The app or stage it belongs to.
            construct_id: Its name there; in CloudFormation its name is the configuration's `stack_name`.
            configuration: What it deploys.
            env: Account and region; None: those of the command line's credentials.
                https://docs.aws.amazon.com/cdk/v2/guide/environments.html
            tags: Tags of the stack and of all that it deploys; none by default.
                https://docs.aws.amazon.com/cdk/v2/guide/tagging.html
            permissions_boundary: Limits what the stack's roles may do, as of `cdk.Stack`; the
                configuration's `permissions_boundary` names a managed policy by its ARN instead.
                https://docs.aws.amazon.com/cdk/v2/guide/customize-permissions-boundaries.html
            termination_protection: Whether the stack is protected against deletion; not by default.
                https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-protect-stacks.html
            synthesizer: How assets are published; None: that of the app.
                https://docs.aws.amazon.com/cdk/v2/guide/configure-synth.html
        """
        super().__init__(
            scope,
            construct_id,
            stack_name=configuration.stack_name,
            description="AWS IoT Core just-in-time registration (iot-jitr)",
            env=env,
            tags=tags,
            permissions_boundary=permissions_boundary,
            termination_protection=termination_protection,
            synthesizer=synthesizer,
        )
        self.pipeline = JitrPipeline(
            self,
            "Jitr",
            cas=configuration.cas,
            device_policy=configuration.policy,
            admission=configuration.admission,
            things=configuration.things,
            on_refusal=configuration.on_refusal,
            revocation=configuration.revocation,
            outcome_events=configuration.outcome_events,
            connect_guard=configuration.connect_guard,
            reconciler=configuration.reconciler,
            activations_per_second=configuration.activations_per_second,
            log_retention=RETENTION_OF[configuration.log_retention_days],
            log_level=configuration.log_level,
            metrics_namespace=configuration.metrics_namespace,
            alarms=configuration.alarms,
            dashboard=configuration.dashboard,
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
