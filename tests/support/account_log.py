"""AWS IoT's V2 logging options, which no emulator has: answered in the client, validated by its model."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.logs.models import logs_backends

from iot_jitr_runtime.account_logging.lifecycle import AccountLogging
from iot_jitr_runtime.account_logging.properties import LOG_GROUP, LoggingProperties, Mode
from iot_jitr_runtime.ownership import Owner
from tests.support.aws_clients import REGION, aws_client
from tests.support.aws_response import aws_response

ACCOUNT = "123456789012"
GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{LOG_GROUP}"

OURS = f"arn:aws:iam::{ACCOUNT}:role/ours"
THEIRS = f"arn:aws:iam::{ACCOUNT}:role/theirs"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ours"
THEIR_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/theirs"
MANAGE = LoggingProperties(Mode.MANAGE, OURS, 30)
UNDER_KEY = replace(MANAGE, encryption_key_arn=KEY)
ON = {"roleArn": OURS, "defaultLogLevel": "ERROR", "disableAllLogs": False}
THEIR_LOGGING = {"roleArn": THEIRS, "defaultLogLevel": "INFO", "disableAllLogs": False}
SWITCHED_OFF = {"roleArn": THEIRS, "defaultLogLevel": "WARN", "disableAllLogs": True}


def is_off(options: dict[str, Any] | None) -> bool:
    """Whether these options turn logging off; None stands for options that were never set."""
    silent = {"disableAllLogs": True, "defaultLogLevel": "DISABLED", "roleArn": ""}
    return options is None or any(options[key] == value for key, value in silent.items())


class CutOffError(Exception):
    """The function was ended before a call."""


@dataclass
class AccountLog:
    """An account with its log group (moto) and its logging options."""

    iot: Any
    logs: Any
    options: dict[str, Any] | None = None
    """None: never configured."""
    roles_refused: int = 0
    """How many of the next settings are refused, as while a role is not known everywhere."""
    settings: list[dict[str, Any]] = field(default_factory=list)
    calls_left: int | None = None
    """How many calls are answered before the function is cut off; None: all."""

    def logging(self, stack: str = "fleet") -> AccountLogging:
        """The account's logging, as the custom resource of a stack manages it."""
        return AccountLogging(self.iot, self.logs, GROUP_ARN, Owner(stack, "AccountLogging"))

    def delete_group(self) -> None:
        """Delete the log group, where there is one."""
        with suppress(self.logs.exceptions.ResourceNotFoundException):
            self.logs.delete_log_group(logGroupName=LOG_GROUP)

    def forget(self) -> None:
        """Remove all tags of the log group."""
        tags = self.logs.list_tags_for_resource(resourceArn=GROUP_ARN)["tags"]
        self.logs.untag_resource(resourceArn=GROUP_ARN, tagKeys=[*tags])

    def make_group(self, key: str | None = None, retention: int | None = None) -> None:
        """Make the log group as another owner did."""
        self.logs.create_log_group(logGroupName=LOG_GROUP, tags={"team": "iot"})
        if key is not None:
            self.logs.associate_kms_key(logGroupName=LOG_GROUP, kmsKeyId=key)
        if retention is not None:
            self.logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=retention)

    def log_group(self) -> Any:
        """The log group with retention, key and tags; None where there is none."""
        for group in self.logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]:
            if group["logGroupName"] == LOG_GROUP:
                tags = self.logs.list_tags_for_resource(resourceArn=GROUP_ARN)["tags"]
                return {"retention": group.get("retentionInDays"), "key": group.get("kmsKeyId"), "tags": tags}
        return None

    def state(self) -> tuple[Any, Any]:
        """The whole state of account logging."""
        return (dict(self.options) if self.options is not None else None, self.log_group())

    def reset(self, options: dict[str, Any] | None = None) -> None:
        """Set these options and delete the log group."""
        self.options, self.calls_left, self.roles_refused = dict(options) if options else None, None, 0
        self.settings.clear()
        self.delete_group()

    @property
    def is_off(self) -> bool:
        """Whether nothing is logged."""
        return is_off(self.options)

    def cut_off(self, **_: Any) -> None:
        """Count a call, or end the function before it, as a time-out does."""
        if self.calls_left is not None:
            if not self.calls_left:
                raise CutOffError
            self.calls_left -= 1

    def delete_tags(self, **_: Any) -> None:
        """On AWS, a log group's tags go with it; moto keeps them for the next one of that name."""
        logs_backends[ACCOUNT][REGION].tagger.delete_all_tags_for_resource(GROUP_ARN)

    def list_tags(self, **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        """On AWS, a log group that is missing has no tags to list; in moto, it has none."""
        if LOG_GROUP in logs_backends[ACCOUNT][REGION].groups:
            return None
        return _parsed(400, {"Error": {"Code": "ResourceNotFoundException", "Message": "none"}})

    def associate_key(self, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        """Moto does not have these calls."""
        body = json.loads(params["body"])
        logs_backends[ACCOUNT][REGION].groups[body["logGroupName"]].kms_key_id = body.get("kmsKeyId")
        return _parsed(200, {})

    def get(self, **_: Any) -> AWSResponse:
        if self.options is None:
            return aws_response(404, {"message": "none"}, "NotConfiguredException")
        return aws_response(200, self.options)

    def set(self, request: Any, **_: Any) -> AWSResponse:
        if self.roles_refused:
            self.roles_refused -= 1
            return aws_response(400, {"message": "role"}, "InvalidRequestException")
        body = json.loads(request.body)
        self.settings.append(body)
        self.options = {"roleArn": "", "disableAllLogs": False, **(self.options or {}), **body}
        return aws_response(200, {})


def _parsed(status: int, body: dict[str, Any]) -> tuple[AWSResponse, dict[str, Any]]:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    return AWSResponse("http://stub", status, {}, None), {"ResponseMetadata": metadata, **body}


@contextmanager
def account_log() -> Iterator[AccountLog]:
    """Open a fresh account."""
    with mock_aws(config={"core": {"passthrough": {"services": ["iot"]}}}):
        iot, logs = aws_client("iot"), aws_client("logs")
        account = AccountLog(iot, logs)
        for client in (iot, logs):
            client.meta.events.register("before-parameter-build", account.cut_off)
        logs.meta.events.register("after-call.cloudwatch-logs.DeleteLogGroup", account.delete_tags)
        logs.meta.events.register("before-call.cloudwatch-logs.ListTagsForResource", account.list_tags)
        for call in ("AssociateKmsKey", "DisassociateKmsKey"):
            logs.meta.events.register(f"before-call.cloudwatch-logs.{call}", account.associate_key)
        iot.meta.events.register_first("before-send.iot.GetV2LoggingOptions", account.get)
        iot.meta.events.register_first("before-send.iot.SetV2LoggingOptions", account.set)
        yield account
