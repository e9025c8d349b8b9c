"""A Lambda function of this project: one call gives it its own role and its own log group.

Every function shares the one asset (another handler of the same code). It may write to its own log group and
do what `permissions` says, nothing else: no managed policy is attached.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from iot_jitr.acknowledgements import acknowledge, acknowledge_wildcard
from iot_jitr.allowed import as_duration
from iot_jitr.bundling import ARCHITECTURE, RUNTIME, FunctionBundle, Variant
from iot_jitr.encryption import Encryption, KeyUse
from iot_jitr.function_environment import LimitedFunction
from iot_jitr.network import FunctionNetwork, network_permissions, placement
from iot_jitr.permissions import WITHOUT_RESOURCE


class LogLevel(StrEnum):
    """Level of the functions' structured logs.

    https://docs.aws.amazon.com/powertools/python/latest/core/logger/
    """

    DEBUG = "DEBUG"
    """Also stale events, which a reconnecting fleet causes in large numbers."""
    INFO = "INFO"
    """Each decision."""
    WARNING = "WARNING"
    """Only problems that delay devices."""
    ERROR = "ERROR"
    """Defects."""


@dataclass(frozen=True)
class FunctionSettings:
    """The settings that all functions of one pipeline share."""

    log_retention: logs.RetentionDays
    """How long CloudWatch keeps their logs."""
    log_level: LogLevel
    """Level of the structured logs."""
    metrics_namespace: str
    """CloudWatch namespace of the metrics."""
    service_name: str
    """Name of the pipeline in logs and metrics, which separates the values of two pipelines in one
    namespace."""
    encryption: Encryption
    """The key of their environment variables and logs, and of the data that they read and write."""
    network: FunctionNetwork | None
    """The VPC that they run in; None: no VPC."""


class JitrFunction(Construct):
    """One function with its role and its log group.

    Attributes:
        function: The Lambda function.
        role: Its role. Add to it with `allow`.
        log_group: Its log group, deleted with the stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handler: str,
        description: str,
        settings: FunctionSettings,
        environment: Mapping[str, str],
        permissions: Iterable[iam.PolicyStatement] = (),
        key_uses: Iterable[KeyUse] = (),
        memory_mib: int = 256,
        timeout: timedelta = timedelta(seconds=30),
        retry_attempts: int | None = None,
    ) -> None:
        """Create the function.

        Args:
            scope: Where it belongs.
            construct_id: Its name in the construct tree, for example `Activator`.
            handler: Import path of the handler, one of the constants in `iot_jitr_runtime.environment`.
            description: One sentence, shown in the console.
            settings: The settings of all functions of the pipeline.
            environment: Its variables, by the names in `iot_jitr_runtime.environment`; never a secret.
            permissions: Its permissions besides writing its log.
            key_uses: What it does with data under the pipeline's encryption key, besides starting.
            memory_mib: Its memory, which also sets its share of a CPU.
            timeout: Its time-out.
            retry_attempts: How often Lambda runs a failed asynchronous invocation again, 0 to 2; None: twice,
                as AWS does. A rule of EventBridge invokes asynchronously.
                https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html

        Raises:
            EnvironmentTooLargeError: Its variables would exceed Lambda's limit.
        """
        super().__init__(scope, construct_id)
        self._scope = scope
        variables = {
            "POWERTOOLS_SERVICE_NAME": settings.service_name,
            "POWERTOOLS_METRICS_NAMESPACE": settings.metrics_namespace,
            "POWERTOOLS_LOG_LEVEL": settings.log_level,
            **environment,
        }
        self.role, self.log_group = role_and_log_group(
            self, f"What this function may do: {description}"[:1000], settings, *key_uses
        )
        self.allow(*permissions)
        bundle = FunctionBundle(Variant.of(self))
        try:
            self.function: lambda_.Function = LimitedFunction(
                self,
                "Function",
                variables,
                runtime=RUNTIME,
                architecture=ARCHITECTURE,
                code=bundle.code(),
                handler=handler,
                description=description,
                role=self.role,
                log_group=self.log_group,
                memory_size=memory_mib,
                timeout=as_duration(timeout),
                retry_attempts=retry_attempts,
                environment_encryption=settings.encryption.key,
                **placement(settings.network),
            )
        except RuntimeError:
            # jsii returns an exception of the bundler as text with a stack trace.
            if bundle.failure is not None:
                raise bundle.failure from None
            raise
        acknowledge(
            self.function,
            "AwsSolutions-L1",
            "the vendored libraries are locked, hashed and tested for this Python version",
        )

    def allow(self, *statements: iam.PolicyStatement, wildcard: str = "") -> None:
        """Add `statements` to the function's role.

        Args:
            statements: What the function may do.
            wildcard: If their resources contain wildcards: the reason why no narrower resource is possible.
                For `*` itself `WITHOUT_RESOURCE` has the reason.
        """
        for statement in statements:
            self.role.add_to_principal_policy(statement)
            for resource in statement.resources:
                reason = WITHOUT_RESOURCE[statement.actions[0]] if resource == "*" else wildcard
                if reason:
                    acknowledge_wildcard(self.role, resource, reason)

    def on_schedule(
        self, rule_id: str, every: timedelta, description: str, event: Mapping[str, str] | None = None
    ) -> events.Rule:
        """Add a rule, beside this construct, that invokes the function at this interval.

        A failed delivery is not repeated, because the next invocation continues the unfinished work.
        """
        return events.Rule(
            self._scope,
            rule_id,
            description=description,
            schedule=events.Schedule.rate(as_duration(every)),
            targets=[
                targets.LambdaFunction(
                    self.function,
                    event=None if event is None else events.RuleTargetInput.from_object(event),
                    retry_attempts=0,
                )
            ],
        )

    def on_upload(self, rule_id: str, bucket: str, prefix: str) -> events.Rule:
        """Add a rule, beside this construct, that invokes the function for each new object below a prefix."""
        return events.Rule(
            self._scope,
            rule_id,
            description="An object was written below a prefix",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [bucket]}, "object": {"key": [{"prefix": prefix}]}},
            ),
            # How often the delivery to Lambda is repeated; a lost event is covered by the function's
            # schedule.
            targets=[targets.LambdaFunction(self.function, retry_attempts=2)],
        )


def role_and_log_group(
    scope: Construct, description: str, settings: FunctionSettings, *key_uses: KeyUse, prefix: str = ""
) -> tuple[iam.Role, logs.LogGroup]:
    """Create the role of a function and the log group to which it may write.

    Args:
        scope: Where they belong, as `Role` and `Logs` after `prefix`.
        description: Of the role.
        settings: The settings of all functions of the pipeline.
        key_uses: What the function does with data under the pipeline's encryption key, besides starting.
        prefix: Prefix of their names in the construct tree.
    """
    log_group = logs.LogGroup(
        scope,
        f"{prefix}Logs",
        retention=settings.log_retention,
        removal_policy=cdk.RemovalPolicy.DESTROY,
        encryption_key=settings.encryption.key,
    )
    role = iam.Role(
        scope,
        f"{prefix}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        # Only where a resource of the app in another account must name the role.
        role_name=cdk.PhysicalName.GENERATE_IF_NEEDED,
        description=description,
    )
    # The permissions of AWSLambdaBasicExecutionRole, limited to this log group.
    log_group.grant(role, "logs:CreateLogStream", "logs:PutLogEvents")
    statements = settings.encryption.permissions(KeyUse.ENVIRONMENT, *key_uses)
    if settings.network is not None:
        statements += network_permissions(role)
    for statement in statements:
        role.add_to_principal_policy(statement)
    return role, log_group
