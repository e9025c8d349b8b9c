"""What the stack writes and the function reads: the custom resource's properties, in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from iot_jitr_runtime.errors import JitrError

RESOURCE_TYPE = "Custom::JitrAccountLogging"
LOG_GROUP = "AWSIotLogsV2"
"""Where AWS IoT writes its own log; the name is AWS's."""
LOG_GROUP_ATTRIBUTE = "LogGroup"
"""What the resource answers with: the log group's name, once the log group is there."""


class MalformedPropertiesError(JitrError):
    """The resource's properties are not what this version of the stack writes."""


class Mode(StrEnum):
    """What becomes of the account's logging."""

    MANAGE = "manage"
    """Switched on where it is off; used as it is where somebody else has switched it on."""
    ADOPT = "adopt"
    """Used as it is; it is an error if it is off."""


class Level(StrEnum):
    """What AWS IoT logs."""

    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    """Every connect, and every message."""
    DEBUG = "DEBUG"


@dataclass(frozen=True)
class LoggingProperties:
    """The account's logging as it shall be."""

    mode: Mode
    path: str
    """Path of the construct; with the stack's name it tells who switched logging on."""
    role_arn: str = ""
    """The role that AWS IoT takes to write its log; only for `manage`."""
    level: Level = Level.ERROR
    retention_days: int = 30
    encryption_key_arn: str | None = None
    """The customer managed KMS key of the log group, where it is this stack that switches logging on; None:
    CloudWatch Logs' own."""

    def to_cloudformation(self) -> dict[str, Any]:
        """The properties as they stand in the template."""
        properties: dict[str, Any] = {
            "Mode": self.mode.value,
            "ConstructPath": self.path,
            "RoleArn": self.role_arn,
            "Level": self.level.value,
            "RetentionDays": self.retention_days,
        }
        if self.encryption_key_arn is not None:
            properties["EncryptionKeyArn"] = self.encryption_key_arn
        return properties

    @classmethod
    def from_cloudformation(cls, properties: Mapping[str, Any]) -> Self:
        """Read the properties of an event.

        Raises:
            MalformedPropertiesError: One is missing or has no allowed value.
        """
        try:
            return cls(
                mode=Mode(properties["Mode"]),
                path=properties["ConstructPath"],
                role_arn=properties["RoleArn"],
                level=Level(properties["Level"]),
                retention_days=int(properties["RetentionDays"]),
                encryption_key_arn=properties.get("EncryptionKeyArn"),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise MalformedPropertiesError(
                f"the resource's properties cannot be read ({type(error).__name__}: {error}); stack and "
                "function must be of the same version"
            ) from error
