"""The log group of AWS IoT's own log: retention, key, and the tags that remember what was found."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.account_logging.options import Options
from iot_jitr_runtime.account_logging.properties import LOG_GROUP

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import LogGroupTypeDef

OWNER = "jitr:logging-owner"
OPTIONS_FOUND = "jitr:options-found"
GROUP_FOUND = "jitr:log-group-found"
KEY_OWNER = "jitr:log-group-key-owner"
_TAGS = (OWNER, OPTIONS_FOUND, GROUP_FOUND, KEY_OWNER)
_MISSING = "missing"
_FOR_EVER = "for-ever"


@dataclass(frozen=True)
class Found:
    """What was there before logging was switched on."""

    options: Options
    existed: bool
    """Whether the log group was there."""
    retention_days: int | None = None
    """Of the log group; None: logs were kept for ever."""

    def to_tags(self, owner: str) -> dict[str, str]:
        """The tags that say so."""
        group = (str(self.retention_days) if self.retention_days else _FOR_EVER) if self.existed else _MISSING
        return {OWNER: owner, OPTIONS_FOUND: self.options.to_tag(), GROUP_FOUND: group}

    @classmethod
    def from_tags(cls, tags: dict[str, str]) -> "Found":
        """Read the tags."""
        group = tags[GROUP_FOUND]
        days = int(group) if group.isdigit() else None
        return cls(Options.from_tag(tags[OPTIONS_FOUND]), group != _MISSING, days)


class LogGroup:
    """The one log group that AWS IoT writes to."""

    def __init__(self, logs: "CloudWatchLogsClient", arn: str) -> None:
        """Prepare; `arn` is the log group's, without `:*` at its end."""
        self._logs = logs
        self._arn = arn

    def look(self, options: Options) -> Found:
        """What is there now, together with the account's `options`."""
        group = self._described()
        if group is None:
            return Found(options, existed=False)
        return Found(options, existed=True, retention_days=group.get("retentionInDays"))

    def remembered(self, owner: str) -> Found | None:
        """What `owner` found when it switched logging on; None where it never did."""
        tags = self._tags()
        return Found.from_tags(tags) if tags.get(OWNER) == owner else None

    def remember(self, found: Found, owner: str) -> None:
        """Write down what was found; make the log group where it is missing."""
        tags = found.to_tags(owner)
        if not found.existed:
            try:
                self._logs.create_log_group(logGroupName=LOG_GROUP, tags=tags)
            except self._logs.exceptions.ResourceAlreadyExistsException:
                # AWS IoT, or whoever repeats this call, was faster.
                self._logs.tag_resource(resourceArn=self._arn, tags=tags)
        else:
            self._logs.tag_resource(resourceArn=self._arn, tags=tags)

    def keep_for(self, days: int | None) -> None:
        """Set the retention; None keeps logs for ever."""
        if days is None:
            self._logs.delete_retention_policy(logGroupName=LOG_GROUP)
        else:
            self._logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=days)

    def encrypt_with(self, key_arn: str | None, *, owner: str, ours: Collection[str]) -> None:
        """Encrypt what is written from now on with a KMS key; never touch a key of somebody else.

        What was written under a key stays under it.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_AssociateKmsKey.html

        Args:
            key_arn: The key; None takes off one that `owner` has given it.
            owner: Who gives it.
            ours: The keys that `owner` may have given it.
        """
        group = self._described()
        current = group.get("kmsKeyId") if group else None
        theirs = current is not None and (current not in ours or self._tags().get(KEY_OWNER) != owner)
        if theirs or current == key_arn:
            return
        if key_arn is None:
            self._logs.disassociate_kms_key(logGroupName=LOG_GROUP)
        else:
            # First, or a function that is cut off would take its own key for somebody else's.
            self._logs.tag_resource(resourceArn=self._arn, tags={KEY_OWNER: owner})
            self._logs.associate_kms_key(logGroupName=LOG_GROUP, kmsKeyId=key_arn)

    def forget(self) -> None:
        """Take our tags off."""
        self._logs.untag_resource(resourceArn=self._arn, tagKeys=[*_TAGS])

    def delete(self) -> None:
        """Delete the log group with its logs; that it is gone already is fine."""
        try:
            self._logs.delete_log_group(logGroupName=LOG_GROUP)
        except self._logs.exceptions.ResourceNotFoundException:
            return

    def _described(self) -> "LogGroupTypeDef | None":
        answer = self._logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)
        return next((each for each in answer["logGroups"] if each.get("logGroupName") == LOG_GROUP), None)

    def _tags(self) -> dict[str, str]:
        try:
            return self._logs.list_tags_for_resource(resourceArn=self._arn)["tags"]
        except self._logs.exceptions.ResourceNotFoundException:
            return {}
