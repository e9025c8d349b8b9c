"""AWS IoT's V2 logging options, which no emulator knows: answered in the client, validated by its model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from moto import mock_aws

from iot_jitr_runtime.account_logging.log_group import LogGroup
from iot_jitr_runtime.account_logging.properties import LOG_GROUP

REGION = "eu-central-1"
GROUP_ARN = f"arn:aws:logs:{REGION}:123456789012:log-group:{LOG_GROUP}"


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

    @property
    def group(self) -> LogGroup:
        return LogGroup(self.logs, GROUP_ARN)

    def log_group(self) -> dict[str, Any] | None:
        """The log group with retention and tags, without what changes by itself."""
        found = [
            group
            for group in self.logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"]
            if group["logGroupName"] == LOG_GROUP
        ]
        if not found:
            return None
        tags = self.logs.list_tags_for_resource(resourceArn=GROUP_ARN)["tags"]
        return {"retention": found[0].get("retentionInDays"), "tags": tags}

    def state(self) -> tuple[Any, Any]:
        """All that account logging is made of."""
        return (dict(self.options) if self.options is not None else None, self.log_group())

    def get(self, **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        if self.options is None:
            return _answer(404, {"Error": {"Code": "NotConfiguredException", "Message": "none"}})
        return _answer(200, dict(self.options))

    def set(self, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        if self.roles_refused:
            self.roles_refused -= 1
            return _answer(400, {"Error": {"Code": "InvalidRequestException", "Message": "role"}})
        import json

        body = json.loads(params["body"])
        self.settings.append(body)
        self.options = {"roleArn": "", "disableAllLogs": False, **(self.options or {}), **body}
        return _answer(200, {})


def _answer(status: int, parsed: dict[str, Any]) -> tuple[AWSResponse, dict[str, Any]]:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": {}}
    return AWSResponse("http://stub", status, {}, None), {"ResponseMetadata": metadata, **parsed}


@contextmanager
def account_log() -> Iterator[AccountLog]:
    """Open a fresh account."""
    with mock_aws():
        iot, logs = (
            boto3.client(name, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")  # type: ignore[call-overload]
            for name in ("iot", "logs")
        )
        account = AccountLog(iot, logs)
        iot.meta.events.register("before-call.iot.GetV2LoggingOptions", account.get)
        iot.meta.events.register("before-call.iot.SetV2LoggingOptions", account.set)
        yield account
