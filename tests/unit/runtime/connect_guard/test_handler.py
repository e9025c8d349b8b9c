"""The guard as AWS IoT invokes it: its result, its log, and its permissions."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime import environment
from tests.support.api_calls import calls_of
from tests.support.buckets import simulated_s3
from tests.support.connect_guard import GuardHarness, connect_of
from tests.support.crls import Entry
from tests.support.indexes import CA_ID

HANDLER = "iot_jitr_runtime.connect_guard.handler"
CA = DevelopmentCa.create("Factory CA")
GOOD, LISTED = (CA.issue(DeviceSpec("device", serial_number=each)).certificate for each in (1, 2))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[GuardHarness]:
    with simulated_s3() as s3:
        yield GuardHarness(s3, tmp_path, CA)


def started(monkeypatch: pytest.MonkeyPatch, bucket: str, on_unknown: str = "refuse") -> ModuleType:
    """A new execution environment."""
    settings = {"cas": [CA_ID], "on_unknown": on_unknown, "refresh_seconds": 1}
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "POWERTOOLS_SERVICE_NAME": "jitr",
        environment.REVOCATION_BUCKET: bucket,
        environment.CONNECT_GUARD: json.dumps(settings),
    }.items():
        monkeypatch.setenv(name, value)
    return importlib.reload(importlib.import_module(HANDLER))


def decision(module: ModuleType, event: dict[str, Any]) -> Any:
    return module.handle(event, SimpleNamespace())


def test_the_result_has_the_form_that_aws_iot_expects(
    harness: GuardHarness, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    harness.publish(Entry(2))
    module = started(monkeypatch, harness.store.bucket)

    assert decision(module, connect_of(GOOD)) == {"isAuthenticated": True}
    assert capsys.readouterr().out == ""
    assert decision(module, connect_of(LISTED)) == {"isAuthenticated": False}
    line = json.loads(capsys.readouterr().out)
    assert (line["message"], line["finding"], line["level"]) == ("connect_refused", "revoked", "INFO")
    assert (line["service"], line["principal_id"]) == ("jitr", LISTED.fingerprint)


@pytest.mark.parametrize(("on_unknown", "admitted"), [("admit", True), ("refuse", False)])
def test_without_an_index_the_configuration_decides_and_the_log_warns(
    harness: GuardHarness,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    on_unknown: str,
    *,
    admitted: bool,
) -> None:
    module = started(monkeypatch, harness.store.bucket, on_unknown)

    assert decision(module, connect_of(GOOD)) == {"isAuthenticated": admitted}
    line = json.loads(capsys.readouterr().out)
    assert (line["finding"], line["level"]) == ("unknown", "WARNING")


def test_a_defect_is_raised(harness: GuardHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS IoT continues only with `true`; a failed invocation is counted."""
    harness.publish()
    module = started(monkeypatch, harness.store.bucket, "admit")
    module._guard().cas = None

    with pytest.raises(TypeError):
        decision(module, connect_of(GOOD))


def test_another_value_of_on_unknown_is_refused(
    harness: GuardHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="maybe"):
        started(monkeypatch, harness.store.bucket, "maybe")


def test_the_code_of_the_guard_calls_only_get_object() -> None:
    assert calls_of(f"{HANDLER}.handle") == {("s3:GetObject",)}


def test_the_guard_does_not_import_boto3_powertools_or_pydantic() -> None:
    program = f"import sys, {HANDLER}; print(*sorted({{each.partition('.')[0] for each in sys.modules}}))"
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    )

    assert not {"boto3", "aws_lambda_powertools", "pydantic"} & set(run.stdout.split())
