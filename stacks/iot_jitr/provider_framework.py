"""The CDK's provider framework around the function of a custom resource.

The framework retries, turns an exception of the function into CloudFormation's reason, and always responds.
"""

from typing import TYPE_CHECKING

from aws_cdk import custom_resources

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.functions import role_and_log_group
from iot_jitr.network import placement

if TYPE_CHECKING:
    from constructs import Construct

    from iot_jitr.functions import FunctionSettings, JitrFunction


class ProviderFramework:
    """The framework around one function.

    Attributes:
        role: What the framework's own function may do.
        log_group: Its log group.
        provider: The CDK's provider.
        service_token: The provider's ARN for a custom resource.
    """

    def __init__(
        self, scope: "Construct", function: "JitrFunction", settings: "FunctionSettings", *, of: str
    ) -> None:
        """Make role, log group and framework in `scope`; `of` is the custom resource, in words."""
        self.role, self.log_group = role_and_log_group(
            scope, f"What the custom resource framework of the {of} may do", settings, prefix="Framework"
        )
        self.provider = custom_resources.Provider(
            scope,
            "Framework",
            on_event_handler=function.function,
            log_group=self.log_group,
            framework_on_event_role=self.role,
            provider_function_env_encryption=settings.encryption.key,
            **placement(settings.network),
        )
        acknowledge_wildcard(
            self.role,
            f"{function.function.function_arn}:*",
            "the framework may invoke each version of this one function",
        )
        self.service_token = self.provider.service_token
