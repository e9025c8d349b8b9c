"""AWS IoT's own log: the only place for errors of auto-registration that happen before an event is published.

There is one log for each account and region. `AWS::IoT::Logging` fails if logging is on already, and turns it
off for the whole account when it is deleted. So a custom resource manages the log: it changes only settings
that it has made itself, and restores the former settings.
"""

from collections.abc import Sequence
from datetime import timedelta

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.functions import FunctionSettings, JitrFunction
from iot_jitr.permissions import without_resource
from iot_jitr.provider_framework import ProviderFramework
from iot_jitr.retention import RETENTION_OF
from iot_jitr_runtime.account_logging.properties import (
    LOG_GROUP,
    LOG_GROUP_ATTRIBUTE,
    RESOURCE_TYPE,
    LoggingProperties,
    Mode,
)
from iot_jitr_runtime.environment import ACCOUNT_LOGGING_HANDLER

_DAYS = {retention: days for days, retention in RETENTION_OF.items()}
_TIMEOUT = timedelta(minutes=2)
"""Time for half a minute of retries in each of two calls; a function that times out cannot undo its
changes."""
FAILURES = "RegistrationFailures"
"""Metric: failures in AWS IoT's own log that concern registration."""


def failure_pattern(rule_names: Sequence[str]) -> str:
    """The CloudWatch filter for failures of registration, provisioning, TLS and our topic rules.

    Failed connects are left out: each first connect of a device is one.
    https://docs.aws.amazon.com/iot/latest/developerguide/cwl-format.html
    """
    events = ("*Regist*", "*Provision*", "Connection.AuthNError")
    concerns = [f'($.eventType = "{event}")' for event in events]
    concerns += [f'($.ruleName = "{name}")' for name in rule_names]
    return f'{{ ($.status = "Failure") && ({" || ".join(concerns)}) }}'


class AccountLogging(Construct):
    """AWS IoT's own log, turned on or adopted, and the failures in it as a metric.

    Attributes:
        log_group_name: `AWSIotLogsV2`, known once the log group exists.
        role: The role with which AWS IoT writes the log; None where it is adopted.
        function: The function behind the custom resource, with its role and log group.
        framework: The CDK's framework around it.
        resource: The custom resource.
        metric_filter: Counts the failures.
        failures: How many failures of registration and of the topic rules the log has.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        mode: Mode,
        rule_names: Sequence[str],
        settings: FunctionSettings,
    ) -> None:
        """Turn the log on, or adopt it.

        Args:
            scope: Where it belongs.
            construct_id: Its name in the construct tree.
            mode: `manage` or `adopt`.
            rule_names: The topic rules whose failures are counted.
            settings: The settings of all functions of the pipeline. If this stack turns the log on, the log
                has their retention and their encryption key. The failures are counted in their namespace.
        """
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        log_group_arn = stack.format_arn(
            service="logs",
            resource="log-group",
            resource_name=LOG_GROUP,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        self.role = role = self._logging_role(log_group_arn) if mode is Mode.MANAGE else None
        self.function = self._function(role, log_group_arn, settings)
        self.framework = ProviderFramework(self, self.function, settings, of="account logging")
        key = settings.encryption.key
        properties = LoggingProperties(
            mode=mode,
            role_arn=role.role_arn if role else "",
            retention_days=_DAYS[settings.log_retention],
            encryption_key_arn=key.key_arn if key is not None and role is not None else None,
        )
        self.resource = cdk.CustomResource(
            self,
            "Resource",
            service_token=self.framework.service_token,
            resource_type=RESOURCE_TYPE,
            properties=properties.to_cloudformation(),
        )
        # The role must be able to write before AWS IoT uses it, and for as long as AWS IoT uses it.
        if role is not None:
            self.resource.node.add_dependency(role)
        self.log_group_name = self.resource.get_att_string(LOG_GROUP_ATTRIBUTE)
        # A metric filter reads dimensions only from the log line, so the metric's name contains the
        # pipeline's name.
        metric_name = f"{FAILURES}/{settings.service_name}"
        self.metric_filter = logs.CfnMetricFilter(
            self,
            "Failures",
            log_group_name=self.log_group_name,
            filter_pattern=failure_pattern(rule_names),
            metric_transformations=[
                logs.CfnMetricFilter.MetricTransformationProperty(
                    metric_namespace=settings.metrics_namespace, metric_name=metric_name, metric_value="1"
                )
            ],
        )
        self.failures = cloudwatch.Metric(
            namespace=settings.metrics_namespace,
            metric_name=metric_name,
            statistic="Sum",
            period=cdk.Duration.minutes(15),
        )

    def _logging_role(self, log_group_arn: str) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                "iot.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            ),
            description="Lets AWS IoT write its own log",
        )
        streams = f"{log_group_arn}:*"
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[streams],
            )
        )
        acknowledge_wildcard(role, streams, "log streams get their names from AWS IoT")
        return role

    def _function(
        self, role: iam.Role | None, log_group_arn: str, settings: FunctionSettings
    ) -> JitrFunction:
        # CloudWatch Logs checks calls about a log group against the ARN with `:*`, and only those about its
        # tags against the ARN without (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogGroup.html).
        in_group = f"{log_group_arn}:*"
        permissions = [
            without_resource("iot:GetV2LoggingOptions", "logs:DescribeLogGroups"),
            iam.PolicyStatement(actions=["logs:CreateLogGroup"], resources=[in_group]),
            iam.PolicyStatement(
                actions=["logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource"],
                resources=[log_group_arn],
            ),
        ]
        if role is not None:
            permissions += [
                without_resource("iot:SetV2LoggingOptions"),
                iam.PolicyStatement(
                    actions=["iam:PassRole"],
                    resources=[role.role_arn],
                    conditions={"StringEquals": {"iam:PassedToService": "iot.amazonaws.com"}},
                ),
                iam.PolicyStatement(
                    actions=[
                        *(["logs:AssociateKmsKey"] if settings.encryption.key is not None else []),
                        "logs:DeleteLogGroup",
                        "logs:DeleteRetentionPolicy",
                        "logs:DisassociateKmsKey",
                        "logs:PutRetentionPolicy",
                    ],
                    resources=[in_group],
                ),
            ]
        function = JitrFunction(
            self,
            "OnEvent",
            handler=ACCOUNT_LOGGING_HANDLER,
            description="Turns AWS IoT's own log on for CloudFormation, and restores what was there before",
            settings=settings,
            environment={},
            permissions=permissions,
            timeout=_TIMEOUT,
        )
        acknowledge_wildcard(function.role, in_group, "CloudWatch Logs writes a log group's ARN so")
        return function
