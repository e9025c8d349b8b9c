"""Create, update and delete of the settings of AWS IoT's own log.

The former state is recorded as tags of the log group before anything changes. So a repeated call, or a call
after an interrupted one, can still restore it. Logging that this resource did not turn on is never changed.
"""

import logging
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.account_logging.properties import LOG_GROUP, LoggingProperties, Mode
from iot_jitr_runtime.custom_resource import retry_while_iam_propagates
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.ownership import KEYS, Owner, Ownership, UnreadableOwnershipError

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.literals import LogLevelType
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import LogGroupTypeDef

log = logging.getLogger(__name__)

_OFF: "LogLevelType" = "DISABLED"
_LEVEL: "LogLevelType" = "ERROR"
"""Enough for failures; from INFO on, AWS IoT logs every connect and every message."""


class AccountLoggingError(JitrError):
    """Logging is off and the mode is `adopt`, or AWS IoT refuses the role; nothing has changed."""


@dataclass(frozen=True)
class Options:
    """The account's logging options. The log levels of single event types are not changed.

    https://docs.aws.amazon.com/iot/latest/apireference/API_GetV2LoggingOptions.html
    """

    role_arn: str = ""
    level: "LogLevelType" = _OFF
    disabled: bool = True

    @property
    def is_off(self) -> bool:
        """Whether nothing is logged."""
        return self.disabled or self.level == _OFF


NEVER_CONFIGURED = Options()
"""Options of an account that never had any. No API call removes options; with these, nothing is logged."""


@dataclass(frozen=True)
class FormerState:
    """The state before logging was turned on."""

    options: Options
    retention_days: int | None = None
    """Retention of the log group in days; 0: unlimited; None: there was no log group."""
    has_key: bool = False
    """Whether the log group had a customer managed key; that key is never changed."""

    def to_tag(self) -> str:
        """Return the state as text, in the characters that the value of a tag may have."""
        return "/".join(
            [
                self.options.level,
                "off" if self.options.disabled else "on",
                "missing" if self.retention_days is None else str(self.retention_days),
                "key" if self.has_key else "no-key",
                self.options.role_arn,
            ]
        )

    @classmethod
    def from_tag(cls, text: str) -> "FormerState":
        """Read what `to_tag` wrote.

        Raises:
            ValueError: It is something else.
        """
        level, switch, retention, key, role_arn = text.split("/", 4)
        options = Options(role_arn, level, switch == "off")  # type: ignore[arg-type]  # from AWS IoT itself
        return cls(options, None if retention == "missing" else int(retention), key == "key")


class AccountLogging:
    """The account's logging, managed for one resource of one stack. Each call may be repeated."""

    def __init__(
        self, iot: "IoTClient", logs: "CloudWatchLogsClient", log_group_arn: str, owner: Owner
    ) -> None:
        """Prepare; `log_group_arn` is without `:*` at its end."""
        # AWS IoT refuses a role that IAM has not distributed yet as an invalid request.
        retry_while_iam_propagates(
            iot.meta.events, "needs-retry.iot.SetV2LoggingOptions", {"InvalidRequestException"}
        )
        self._iot = iot
        self._logs = logs
        self._arn = log_group_arn
        self._owner = owner

    def create(self, properties: LoggingProperties) -> None:
        """Turn logging on where it is off, or use what is there.

        Raises:
            AccountLoggingError: Logging is off and `mode` is `adopt`, or AWS IoT refuses the role.
        """
        self._apply(properties, properties)

    def update(self, properties: LoggingProperties, old: LoggingProperties) -> None:
        """Change what this resource manages; leave anything else as it is.

        Raises:
            AccountLoggingError: As `create`.
        """
        if old.mode is Mode.MANAGE and properties.mode is Mode.ADOPT:
            self.delete(old)
        self._apply(properties, old)

    def delete(self, properties: LoggingProperties) -> None:
        """Restore the former state, unless the options were changed after this resource had set them."""
        former, current = self._recorded(), self._read_options()
        if properties.mode is Mode.MANAGE and current.role_arn == properties.role_arn:
            # Logging is turned off also without a record of the former state: the stack deletes the role
            # next.
            self._write_options(former.options if former else NEVER_CONFIGURED)
        elif former is None or not former.options.is_off or current != former.options:
            log.info("another owner has turned the account's logging on: it stays as it is")
            if former is not None:
                self._set_key(None, former, _keys(properties))
                self._forget()
            return
        # An earlier call may have restored the options, and may have stopped before the log group.
        if former is not None:
            self._restore_group(former, properties)

    def _apply(self, properties: LoggingProperties, old: LoggingProperties) -> None:
        current = self._read_options()
        ours = {properties.role_arn, old.role_arn}
        if not current.is_off and current.role_arn not in ours:
            log.info("the account's logging is on already: it is used as it is")
            if self._group() is None:
                # A metric filter needs the log group, and AWS IoT creates the log group only with the first
                # log line.
                self._record(FormerState(current))
            return
        if properties.mode is Mode.ADOPT:
            raise AccountLoggingError(
                "account_logging is 'adopt', but AWS IoT's own log is off in this account and region; turn "
                "it on first, or set account_logging to 'manage'"
            )
        # The role is ours and there is no record: the log group was deleted, with the record of the former
        # options.
        self._turn_on(properties, old, NEVER_CONFIGURED if current.role_arn in ours else current)

    def _turn_on(self, properties: LoggingProperties, old: LoggingProperties, current: Options) -> None:
        recorded, group = self._recorded(), self._group()
        former = recorded or FormerState(current)
        if recorded is None and group is not None:
            former = FormerState(current, group.get("retentionInDays", 0), "kmsKeyId" in group)
        with ExitStack() as undo:
            if recorded is None:
                undo.callback(self._restore_group, former, properties)
                self._record(former)
            self._set_retention(properties.retention_days)
            self._set_key(properties.encryption_key_arn, former, _keys(properties, old))
            self._write_options(Options(properties.role_arn, _LEVEL, disabled=False))
            undo.pop_all()

    def _restore_group(self, former: FormerState, properties: LoggingProperties) -> None:
        if former.retention_days is not None:
            self._set_retention(former.retention_days)
            self._set_key(None, former, _keys(properties))
            self._forget()
            return
        try:
            self._logs.delete_log_group(logGroupName=LOG_GROUP)
        except self._logs.exceptions.ResourceNotFoundException:
            log.info("the log group is gone already")

    # the account's options

    def _read_options(self) -> Options:
        try:
            found = self._iot.get_v2_logging_options()
        except self._iot.exceptions.NotConfiguredException:
            return NEVER_CONFIGURED
        if not found.get("roleArn"):
            # A level without a role logs nothing. If that level were restored while our role is set, it would
            # log.
            return NEVER_CONFIGURED
        return Options(
            found["roleArn"], found.get("defaultLogLevel", _OFF), found.get("disableAllLogs", False)
        )

    def _write_options(self, options: Options) -> None:
        role = {"roleArn": options.role_arn} if options.role_arn else {}
        try:
            self._iot.set_v2_logging_options(
                defaultLogLevel=options.level,
                disableAllLogs=options.disabled,
                **role,  # type: ignore[arg-type]  # given only where there is one
            )
        except self._iot.exceptions.InvalidRequestException as error:
            raise AccountLoggingError(
                f"AWS IoT refuses the logging options with role '{options.role_arn}': {error}; the role must "
                "trust iot.amazonaws.com"
            ) from error

    # the log group, and the record in its tags

    def _group(self) -> "LogGroupTypeDef | None":
        answer = self._logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)
        return next((each for each in answer["logGroups"] if each.get("logGroupName") == LOG_GROUP), None)

    def _recorded(self) -> FormerState | None:
        """The former state that this resource recorded; None where it has recorded none."""
        try:
            ownership = Ownership.from_tags(self._logs.list_tags_for_resource(resourceArn=self._arn)["tags"])
            if ownership is not None and ownership.owner == self._owner:
                return FormerState.from_tag(ownership.former_state)
        except self._logs.exceptions.ResourceNotFoundException:
            return None
        except (UnreadableOwnershipError, ValueError) as error:
            log.warning("the record on log group %s cannot be read: %s", LOG_GROUP, error)
        return None

    def _record(self, former: FormerState) -> None:
        """Record the former state; create the log group where it is missing."""
        tags = Ownership(self._owner, former.to_tag()).to_tags()
        if former.retention_days is None:
            try:
                self._logs.create_log_group(logGroupName=LOG_GROUP, tags=tags)
            except self._logs.exceptions.ResourceAlreadyExistsException:
                log.info("AWS IoT, or a repeated call, has created the log group meanwhile")
            else:
                return
        self._logs.tag_resource(resourceArn=self._arn, tags=tags)

    def _forget(self) -> None:
        self._logs.untag_resource(resourceArn=self._arn, tagKeys=sorted(KEYS))

    def _set_retention(self, days: int) -> None:
        if days:
            self._logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=days)
        else:
            self._logs.delete_retention_policy(logGroupName=LOG_GROUP)

    def _set_key(self, key_arn: str | None, former: FormerState, ours: Collection[str]) -> None:
        """Encrypt new log data with `key_arn`; with None, remove the log group's key if it is one of `ours`.

        Another owner's key is never changed. Existing log data stays encrypted with the earlier key.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_AssociateKmsKey.html
        """
        group = self._group()
        current = group.get("kmsKeyId") if group else None
        theirs = current is not None and (former.has_key or current not in ours)
        if theirs or current == key_arn:
            return
        if key_arn is None:
            self._logs.disassociate_kms_key(logGroupName=LOG_GROUP)
        else:
            self._logs.associate_kms_key(logGroupName=LOG_GROUP, kmsKeyId=key_arn)


def _keys(*properties: LoggingProperties) -> set[str]:
    return {each.encryption_key_arn for each in properties if each.encryption_key_arn is not None}
