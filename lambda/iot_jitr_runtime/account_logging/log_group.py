"""The log group of AWS IoT's own log: retention, and the tags that remember what was found."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.account_logging.options import Options
from iot_jitr_runtime.account_logging.properties import LOG_GROUP

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

OWNER = "jitr:logging-owner"
OPTIONS_FOUND = "jitr:options-found"
GROUP_FOUND = "jitr:log-group-found"
_TAGS = (OWNER, OPTIONS_FOUND, GROUP_FOUND)
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
        answer = self._logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)
        for group in answer["logGroups"]:
            if group.get("logGroupName") == LOG_GROUP:
                return Found(options, existed=True, retention_days=group.get("retentionInDays"))
        return Found(options, existed=False)

    def remembered(self, owner: str) -> Found | None:
        """What `owner` found when it switched logging on; None where it never did."""
        try:
            tags = self._logs.list_tags_for_resource(resourceArn=self._arn)["tags"]
        except self._logs.exceptions.ResourceNotFoundException:
            return None
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

    def forget(self) -> None:
        """Take our tags off."""
        self._logs.untag_resource(resourceArn=self._arn, tagKeys=[*_TAGS])

    def delete(self) -> None:
        """Delete the log group with its logs; that it is gone already is fine."""
        try:
            self._logs.delete_log_group(logGroupName=LOG_GROUP)
        except self._logs.exceptions.ResourceNotFoundException:
            return
