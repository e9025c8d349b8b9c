"""Switch AWS IoT's own log on, and give back what was found. Never touch what somebody else switched on."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iot_jitr_runtime.account_logging.log_group import Found, LogGroup
from iot_jitr_runtime.account_logging.options import NEVER_CONFIGURED, Options, read_options, write_options
from iot_jitr_runtime.account_logging.properties import LoggingProperties, Mode
from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

log = logging.getLogger(__name__)


class NothingToAdoptError(JitrError):
    """`adopt` was asked for, and the account's logging is off."""


@dataclass(frozen=True)
class AccountLogging:
    """The account's logging, as one resource of one stack looks after it. Each call may be repeated."""

    iot: "IoTClient"
    group: LogGroup
    owner: str
    """The stack's name and the construct's path."""
    sleep: Callable[[float], None] = field(default=time.sleep)

    def create(self, properties: LoggingProperties) -> None:
        """Switch logging on where it is off, or use what is there.

        Raises:
            NothingToAdoptError: It is off, and `mode` is `adopt`.
            RoleRefusedError: AWS IoT does not accept the role; nothing is left of the attempt.
        """
        self._apply(properties, properties)

    def update(self, properties: LoggingProperties, old: LoggingProperties) -> None:
        """Bring what is ours into its new state, and leave what is not ours alone.

        Raises:
            NothingToAdoptError, RoleRefusedError: As `create`.
        """
        if old.mode is Mode.MANAGE and properties.mode is Mode.ADOPT:
            self.delete(old)
        self._apply(properties, old)

    def delete(self, properties: LoggingProperties) -> None:
        """Give back what was found, unless somebody has changed it since."""
        found, current = self.group.remembered(self.owner), read_options(self.iot)
        if properties.mode is Mode.MANAGE and current.role_arn == properties.role_arn:
            # Without a memory of what was found, the least is not to leave a role behind that is about to go.
            write_options(self.iot, found.options if found else NEVER_CONFIGURED, self.sleep)
        elif found is None or not found.options.is_off or current != found.options:
            log.info("the account's logging is not this stack's: it stays as it is")
            if found is not None:
                self._take_key_off(properties)
                self.group.forget()
            return
        # Where the options are back already, an earlier call was cut off before the log group was.
        if found is not None:
            self._restore_group(found, properties)

    def _apply(self, properties: LoggingProperties, old: LoggingProperties) -> None:
        current = read_options(self.iot)
        ours = {properties.role_arn, old.role_arn}
        if not current.is_off and current.role_arn not in ours:
            log.info("the account's logging is on already: it is used as it is")
            self._make_sure_of_group(current)
            return
        if properties.mode is Mode.ADOPT:
            if current.is_off:
                raise NothingToAdoptError(
                    "account_logging is 'adopt', but AWS IoT's own log is off in this account and region; "
                    "switch it on first, or set account_logging to 'manage'"
                )
            return
        # Ours, and not remembered: somebody has deleted the log group. What was before it nobody knows.
        self._switch_on(properties, old, NEVER_CONFIGURED if current.role_arn in ours else current)

    def _switch_on(self, properties: LoggingProperties, old: LoggingProperties, former: Options) -> None:
        known = self.group.remembered(self.owner)
        found = known or self.group.look(former)
        with ExitStack() as undo:
            if known is None:
                undo.callback(self._restore_group, found, properties)
                self.group.remember(found, self.owner)
            self.group.keep_for(properties.retention_days)
            self.group.encrypt_with(
                properties.encryption_key_arn, owner=self.owner, ours=_keys(properties, old)
            )
            wanted = Options(properties.role_arn, properties.level.value, disabled=False)
            write_options(self.iot, wanted, self.sleep)
            undo.pop_all()

    def _make_sure_of_group(self, options: Options) -> None:
        """A metric filter needs the log group, and AWS IoT makes it only with its first line."""
        found = self.group.look(options)
        if not found.existed:
            self.group.remember(found, self.owner)

    def _restore_group(self, found: Found, properties: LoggingProperties) -> None:
        if found.existed:
            self.group.keep_for(found.retention_days)
            self._take_key_off(properties)
            self.group.forget()
        else:
            self.group.delete()

    def _take_key_off(self, properties: LoggingProperties) -> None:
        self.group.encrypt_with(None, owner=self.owner, ours=_keys(properties))


def _keys(*properties: LoggingProperties) -> set[str]:
    return {each.encryption_key_arn for each in properties if each.encryption_key_arn is not None}
