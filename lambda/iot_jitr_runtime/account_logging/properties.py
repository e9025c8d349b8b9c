"""The custom resource's properties, which the stack writes and the function reads."""

from dataclasses import dataclass
from enum import StrEnum

from iot_jitr_runtime.custom_resource import Properties

RESOURCE_TYPE = "Custom::JitrAccountLogging"
LOG_GROUP = "AWSIotLogsV2"
"""The log group that AWS IoT writes its own log to; the name is AWS's."""
LOG_GROUP_ATTRIBUTE = "LogGroup"
"""The resource's only attribute: the name of the log group. The log group exists when it is returned."""


class Mode(StrEnum):
    """How the stack treats the account's logging."""

    MANAGE = "manage"
    """Turn it on where it is off; use it as it is where it is on already."""
    ADOPT = "adopt"
    """Use it as it is; fail where it is off."""


@dataclass(frozen=True)
class LoggingProperties(Properties):
    """The desired state of the account's logging."""

    mode: Mode
    role_arn: str = ""
    """The role with which AWS IoT writes its log; only for `manage`."""
    retention_days: int = 30
    encryption_key_arn: str | None = None
    """The customer managed KMS key for the log group, where this stack turns logging on. None: the key of
    CloudWatch Logs."""
