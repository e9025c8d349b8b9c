"""The command `jitr verify`."""

import json
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.least_policy import Resources
from iot_jitr_cli.pki import DevelopmentCa, DeviceSpec
from iot_jitr_cli.verify import command
from iot_jitr_cli.verify.pipeline import Pipeline
from tests.support.account import Account
from tests.support.command_line import run_jitr
from tests.support.verified_pipeline import EmulatedDevice, Harness, certificates


@pytest.fixture
def harness(aws: Account, monkeypatch: pytest.MonkeyPatch) -> Harness:
    """A pipeline that the command finds, and a broker that answers its device."""
    made = Harness(aws)

    def pipeline(*arguments: Any) -> Pipeline:
        return Pipeline(*arguments[:3], 60.0, made.watch, made.sleep)

    monkeypatch.setattr(command, "aws_session", lambda: made.session)
    monkeypatch.setattr(command, "find_deployment", lambda *_: made.deployment)
    monkeypatch.setattr(command, "Pipeline", pipeline)
    monkeypatch.setattr(command, "ThrowAwayDevice", partial(EmulatedDevice, harness=made))
    monkeypatch.setenv("JITR_MQTT_HOST", "127.0.0.1")
    return made


@pytest.fixture
def ca_files(harness: Harness, tmp_path: Path) -> list[object]:
    certificate, key = harness.aws.ca.save(tmp_path / "ca")
    return ["--ca-cert", certificate, "--ca-key", key]


def test_a_sound_pipeline_exits_0_and_writes_all_three_reports(
    harness: Harness, ca_files: list[object], tmp_path: Path
) -> None:
    text = run_jitr("verify", *ca_files, "--junit", tmp_path / "report.xml")
    document = run_jitr("verify", *ca_files, "--json")

    assert (text.exit_code, document.exit_code) == (ExitCode.OK, ExitCode.OK)
    assert "✓  certificate is activated" in text.out
    assert text.out.splitlines()[-1].startswith("'iot-jitr' in eu-central-1: 10 passed, 5 skipped")
    assert document.json["passed"]
    assert document.json["steps"][0].keys() == {"id", "title", "status", "detail", "seconds"}
    suite = ET.parse(tmp_path / "report.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("15", "0")
    assert certificates(harness.aws) == []


def test_a_broken_pipeline_exits_1(harness: Harness, ca_files: list[object]) -> None:
    harness.activator_works = False

    assert run_jitr("verify", *ca_files).exit_code == ExitCode.NO


def test_a_registered_device_is_wrong_use_and_not_changed(harness: Harness, tmp_path: Path) -> None:
    identity = harness.aws.ca.issue(DeviceSpec("in-service"))
    certificate_id = harness.aws.register(identity.certificate.pem, "ACTIVE")
    files = identity.save(tmp_path)

    answer = run_jitr("verify", "--chain", files.chain, "--key", files.key)

    assert (answer.exit_code, "is registered and ACTIVE" in answer.err) == (ExitCode.WRONG_USE, True)
    assert harness.aws.status(certificate_id) == "ACTIVE"


@pytest.mark.usefixtures("harness")
def test_a_ca_of_another_deployment_is_wrong_use(tmp_path: Path) -> None:
    certificate, key = DevelopmentCa.create("elsewhere").save(tmp_path)

    answer = run_jitr("verify", "--ca-cert", certificate, "--ca-key", key)

    assert (answer.exit_code, "which has: Factory" in answer.err) == (ExitCode.WRONG_USE, True)


def test_a_topic_with_a_wildcard_is_wrong_use(harness: Harness, ca_files: list[object]) -> None:
    answer = run_jitr("verify", *ca_files, "--topic", "devices/#")

    assert (answer.exit_code, "expected one topic" in answer.err) == (ExitCode.WRONG_USE, True)
    assert certificates(harness.aws) == []


def test_without_files_verify_is_wrong_use_before_any_aws_call() -> None:
    assert run_jitr("verify").exit_code == ExitCode.WRONG_USE


def test_the_policy_is_printed_without_any_file(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Resources(harness.deployment, "123456789012")
    monkeypatch.setattr(Resources, "find", lambda *_: found)

    answer = run_jitr("verify", "--iam-policy")

    assert json.loads(answer.out)["Version"] == "2012-10-17"
