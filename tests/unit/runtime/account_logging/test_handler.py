"""The custom resource's answers to CloudFormation."""

import importlib
from dataclasses import replace
from typing import Any

import pytest

from iot_jitr_runtime.account_logging.handler import PHYSICAL_ID, respond
from iot_jitr_runtime.account_logging.properties import LoggingProperties, Mode
from iot_jitr_runtime.custom_resource import MalformedPropertiesError
from tests.support.account_log import GROUP_ARN, AccountLog
from tests.support.lambda_function import context

PROPERTIES = LoggingProperties(Mode.MANAGE, "arn:aws:iam::1:role/ours", 90)
STACK = "arn:aws:cloudformation:eu-central-1:123456789012:stack/mine/uuid"


def event(kind: str, **more: Any) -> dict[str, Any]:
    # CloudFormation makes a text of every value.
    properties = {key: str(value) for key, value in PROPERTIES.to_cloudformation().items()}
    return {
        "RequestType": kind,
        "StackId": STACK,
        "LogicalResourceId": "AccountLogging",
        "ResourceProperties": properties,
        **more,
    }


def test_each_request_answers_with_the_log_group_under_one_physical_id(account: AccountLog) -> None:
    old = {"OldResourceProperties": PROPERTIES.to_cloudformation()}

    answers = [
        respond(event(kind, **more), account.iot, account.logs, GROUP_ARN)
        for kind, more in (("Create", {}), ("Update", old), ("Delete", {}))
    ]

    assert answers == [{"PhysicalResourceId": PHYSICAL_ID, "Data": {"LogGroup": "AWSIotLogsV2"}}] * 3
    assert [setting["defaultLogLevel"] for setting in account.settings] == ["ERROR", "ERROR", "DISABLED"]


def test_the_log_group_names_its_owner(account: AccountLog) -> None:
    respond(event("Create"), account.iot, account.logs, GROUP_ARN)

    group = account.log_group()
    assert group is not None
    assert group["tags"]["jitr:stack"] == "mine"
    assert group["tags"]["jitr:logical-id"] == "AccountLogging"


@pytest.mark.parametrize("key", [None, "arn:aws:kms:eu-central-1:1:key/ours"])
def test_properties_survive_cloudformation(key: str | None) -> None:
    properties = replace(PROPERTIES, encryption_key_arn=key)
    plain = {name: str(value) for name, value in properties.to_cloudformation().items()}

    assert LoggingProperties.from_cloudformation(plain) == properties


@pytest.mark.parametrize("broken", [{}, {"Mode": "perhaps"}, {"RetentionDays": "long"}])
def test_properties_of_another_version_are_refused(broken: dict[str, Any]) -> None:
    properties = PROPERTIES.to_cloudformation() | broken if broken else {}

    with pytest.raises(MalformedPropertiesError, match="same version"):
        LoggingProperties.from_cloudformation(properties)


def test_lambda_calls_it_with_clients_of_its_own_region(
    account: AccountLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = importlib.import_module("iot_jitr_runtime.account_logging.handler")
    clients = {"iot": account.iot, "logs": account.logs}
    monkeypatch.setattr(module.boto3, "client", lambda name, **_: clients[name])
    answer = module.handle(event("Create"), context("account_logging"))

    assert answer["PhysicalResourceId"] == PHYSICAL_ID
    assert account.log_group() is not None
