"""A deployment with an allow list, in an account of moto."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from iot_jitr_cli.allow import command
from iot_jitr_cli.deployment import Deployment
from iot_jitr_runtime.admission.keys import TABLE_KEY
from tests.support.account import make_allow_list
from tests.support.command_line import CommandResult, run_jitr

TABLE = "expected-devices"


@dataclass
class AllowListAccount:
    """The account that the commands use."""

    dynamodb: Any
    folder: Path
    outputs: dict[str, str]

    def stack(self, key: str, *cas: str) -> None:
        self.outputs |= {"AllowListTable": TABLE, "AllowListKey": key}
        self.outputs |= {f"Ca{number}CaCertificateId": ca for number, ca in enumerate(cas)}

    def items(self) -> dict[str, dict[str, str]]:
        found = {}
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        for item in (each for page in pages for each in page["Items"]):
            attributes = item.get("thingAttributes", {"M": {}})["M"]
            found[item[TABLE_KEY]["S"]] = {name: value["S"] for name, value in attributes.items()}
        return found

    def file(self, *lines: str, name: str = "devices.csv") -> Path:
        """Write a file of devices."""
        path = self.folder / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def run(self, *arguments: object) -> CommandResult:
        return run_jitr("allow", *arguments)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AllowListAccount]:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        dynamodb = boto3.client("dynamodb", region_name="eu-central-1")
        make_allow_list(dynamodb, TABLE)
        account = AllowListAccount(dynamodb, tmp_path, {})
        deployment = Deployment("iot-jitr", "eu-central-1", account.outputs)
        monkeypatch.setattr(command, "find_deployment", lambda _session, _stack: deployment)
        yield account
