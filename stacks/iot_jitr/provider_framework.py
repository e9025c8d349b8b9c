"""The CDK's provider framework around a function that answers for a custom resource.

The framework retries, turns what the function raises into CloudFormation's reason, and always answers.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import custom_resources

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.functions import role_and_log_group
from iot_jitr.network import placement

if TYPE_CHECKING:
    from constructs import Construct

    from iot_jitr.functions import FunctionSettings, JitrFunction


@dataclass(frozen=True)
class Framework:
    """The framework around one function.

    Attributes:
        provider: The CDK's provider, whose token a custom resource names.
        role: What the framework's own function may do.
        log_group: Its log group.
    """

    provider: custom_resources.Provider
    role: iam.Role
    log_group: logs.LogGroup

    @property
    def service_token(self) -> str:
        """What a custom resource names as its provider."""
        return self.provider.service_token


def provider_framework(
    scope: "Construct", function: "JitrFunction", settings: "FunctionSettings", *, of: str
) -> Framework:
    """Put the framework around `function`, with a role and a log group of its own.

    Args:
        scope: Where role, log group and framework belong.
        function: What answers.
        settings: What the pipeline's functions have in common.
        of: What the custom resource is, for the role's description.
    """
    role, log_group = role_and_log_group(
        scope, f"What the custom resource framework of the {of} may do", settings, prefix="Framework"
    )
    provider = custom_resources.Provider(
        scope,
        "Framework",
        on_event_handler=function.function,
        log_group=log_group,
        framework_on_event_role=role,
        provider_function_env_encryption=settings.encryption.key,
        **placement(settings.network),
    )
    acknowledge_wildcard(
        role,
        f"{function.function.function_arn}:*",
        "the framework may invoke each version of this one function",
    )
    return Framework(provider, role, log_group)
