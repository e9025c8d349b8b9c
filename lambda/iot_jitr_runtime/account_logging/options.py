"""The account's V2 logging options, as AWS IoT keeps them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.literals import LogLevelType

_OFF = "DISABLED"
_ROLE_TRIES = 10
_ROLE_PAUSE_SECONDS = 3.0
"""A role is not known everywhere at once: half a minute is given to it."""


class RoleRefusedError(JitrError):
    """AWS IoT does not accept the role for its log."""


@dataclass(frozen=True)
class Options:
    """What `GetV2LoggingOptions` answers; the overrides for single event types are left as they are."""

    role_arn: str = ""
    level: str = _OFF
    disabled: bool = True

    @property
    def is_off(self) -> bool:
        """Whether nothing is logged."""
        return self.disabled or self.level == _OFF

    def to_tag(self) -> str:
        """The options in the characters that a tag's value may have."""
        return f"{self.level}/{'off' if self.disabled else 'on'}/{self.role_arn}"

    @classmethod
    def from_tag(cls, text: str) -> "Options":
        """Read what `to_tag` wrote."""
        level, switch, role_arn = text.split("/", 2)
        return cls(role_arn, level, switch == "off")


NEVER_CONFIGURED = Options()
"""An account that never had options. No call of AWS IoT makes it so again; these are as good: all is off."""


def read_options(iot: "IoTClient") -> Options:
    """Ask for the account's options."""
    try:
        found = iot.get_v2_logging_options()
    except iot.exceptions.NotConfiguredException:
        return NEVER_CONFIGURED
    if not found.get("roleArn"):
        # A level without a role logs nothing; given back later, beside our role, it would.
        return NEVER_CONFIGURED
    return Options(found["roleArn"], found.get("defaultLogLevel", _OFF), found.get("disableAllLogs", False))


def write_options(iot: "IoTClient", options: Options, sleep: Callable[[float], None] = time.sleep) -> None:
    """Set the account's options.

    Raises:
        RoleRefusedError: AWS IoT cannot take the role, even after half a minute.
    """
    level: LogLevelType = options.level  # type: ignore[assignment]  # as AWS IoT itself wrote it
    role = {"roleArn": options.role_arn} if options.role_arn else {}
    for left in reversed(range(_ROLE_TRIES)):
        try:
            iot.set_v2_logging_options(
                defaultLogLevel=level,
                disableAllLogs=options.disabled,
                **role,  # type: ignore[arg-type]  # given only where there is one
            )
        except iot.exceptions.InvalidRequestException as error:
            if not left:
                raise RoleRefusedError(
                    f"AWS IoT does not accept the logging options with role '{options.role_arn}': {error}; "
                    "the role must trust iot.amazonaws.com"
                ) from error
            sleep(_ROLE_PAUSE_SECONDS)
        else:
            return
