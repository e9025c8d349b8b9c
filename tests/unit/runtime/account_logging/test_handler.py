"""The custom resource's answers to CloudFormation."""

import importlib
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.account_logging.handler import PHYSICAL_ID, respond
from tests.support.account_log import GROUP_ARN, MANAGE, AccountLog
from tests.support.ca_resource import STACK_ID, on_the_wire
from tests.support.lambda_function import context

if TYPE_CHECKING:
    import pytest


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "StackId": STACK_ID.format("mine"),
        "LogicalResourceId": "AccountLogging",
        "ResourceProperties": on_the_wire(MANAGE.to_cloudformation()),
        **more,
    }


def test_each_request_returns_the_log_group_and_the_same_physical_id(account: AccountLog) -> None:
    old = {"OldResourceProperties": MANAGE.to_cloudformation()}

    answers = [
        respond(event(kind, **more), account.iot, account.logs, GROUP_ARN)
        for kind, more in (("Create", {}), ("Update", old), ("Delete", {}))
    ]

    assert answers == [{"PhysicalResourceId": PHYSICAL_ID, "Data": {"LogGroup": "AWSIotLogsV2"}}] * 3
    assert [setting["defaultLogLevel"] for setting in account.settings] == ["ERROR", "ERROR", "DISABLED"]


def test_the_handler_uses_clients_of_its_own_region(
    account: AccountLog, monkeypatch: "pytest.MonkeyPatch"
) -> None:
    module = importlib.import_module("iot_jitr_runtime.account_logging.handler")
    clients = {"iot": account.iot, "logs": account.logs}
    monkeypatch.setattr(module.boto3, "client", lambda name, **_: clients[name])

    answer = module.handle(event("Create"), context("account_logging"))

    assert answer["PhysicalResourceId"] == PHYSICAL_ID
    tags = account.log_group()["tags"]
    assert (tags["jitr:stack"], tags["jitr:logical-id"]) == ("mine", "AccountLogging")
