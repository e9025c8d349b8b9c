"""How the bundler fails, in one line, and what it says about compiled files."""

import subprocess
import sys
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.aws_logs import RetentionDays

from iot_jitr.bundling import BundlingError, FunctionBundle, Variant, asset
from iot_jitr.encryption import Encryption
from iot_jitr.functions import FunctionSettings, JitrFunction, LogLevel

SETTINGS = FunctionSettings(
    RetentionDays.ONE_MONTH, LogLevel.INFO, "IotJitr", "service", Encryption(), network=None
)


def make_function(outdir: Path) -> JitrFunction:
    stack = cdk.Stack(cdk.App(outdir=str(outdir)), "Stack")
    return JitrFunction(stack, "F", handler="m.f", description="d", settings=SETTINGS, environment={})


def test_an_unreachable_index_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    with pytest.raises(BundlingError) as caught:
        FunctionBundle(Variant.AWS).build(tmp_path)

    assert "the functions' libraries for the Lambda asset could not be fetched" in str(caught.value)
    assert "No matching distribution found for aws-lambda-powertools" in str(caught.value)
    assert "\n" not in str(caught.value)


def without_pip(monkeypatch: pytest.MonkeyPatch, *, uv: str | None) -> None:
    monkeypatch.setattr(asset, "find_spec", lambda _name: None)
    monkeypatch.setattr(asset.shutil, "which", lambda _name: uv)
    monkeypatch.delenv("UV", raising=False)


def test_a_missing_pip_is_reported_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pip(monkeypatch, uv=None)

    with pytest.raises(BundlingError, match=r"has no pip, .* run 'python -m ensurepip'"):
        FunctionBundle(Variant.AWS).build(tmp_path)


def test_a_slow_index_ends_with_a_time_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(command: list[str], *, timeout: int, **_options: Any) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(asset.subprocess, "run", time_out)

    with pytest.raises(BundlingError, match="within 300 s"):
        FunctionBundle(Variant.AWS).build(tmp_path)


def test_a_changed_library_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "functions.lock"
    lock.write_text(f"typing-extensions==4.16.0 --hash=sha256:{'0' * 64}\n")
    monkeypatch.setattr(asset, "LOCK", lock)

    with pytest.raises(BundlingError, match=r"HASH|[Hh]ash"):
        FunctionBundle(Variant.AWS).build(tmp_path / "bundle")


def test_the_error_reaches_the_stack_as_it_was_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pip(monkeypatch, uv=None)

    with pytest.raises(BundlingError, match="has no pip"):
        make_function(tmp_path / "cdk.out")


def test_other_errors_of_the_cdk_are_not_changed(tmp_path: Path) -> None:
    stack = cdk.Stack(cdk.App(outdir=str(tmp_path)), "Stack")

    with pytest.raises(RuntimeError, match="Function"):
        JitrFunction(
            stack,
            "F",
            handler="m.f",
            description="d" * 300,
            settings=SETTINGS,
            environment={},
        )


def test_the_cdk_bundles_with_this_machines_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendored: list[Path] = []
    monkeypatch.setattr(asset, "_vendor", vendored.append)

    make_function(tmp_path / "cdk.out")

    (staged,) = (tmp_path / "cdk.out").glob("asset.*")
    assert (staged / "iot_jitr_runtime" / "__init__.py").exists()
    assert len(vendored) == 1


def test_compiled_files_are_left_out_where_this_python_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asset, "_vendor", lambda _folder: None)
    monkeypatch.setattr(asset, "PYTHON_VERSION", (3, sys.version_info[1] + 1))

    FunctionBundle(Variant.AWS).build(tmp_path)

    assert list(tmp_path.rglob("*.pyc")) == []
    assert "so the functions ship without compiled files" in capsys.readouterr().err


def test_compiled_files_are_shipped_where_this_python_is_the_functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(asset, "_vendor", lambda _folder: None)
    monkeypatch.setattr(asset, "PYTHON_VERSION", sys.version_info[:2])

    FunctionBundle(Variant.AWS).build(tmp_path)

    compiled = list((tmp_path / "iot_jitr_runtime" / "__pycache__").glob("*.pyc"))
    assert compiled
    for path in compiled:
        content = path.read_bytes()
        flags = int.from_bytes(content[4:8], "little")
        # PEP 552: hash-based, and not checked against the source, whose time stamp Lambda changes.
        assert (content[:4], flags) == (MAGIC_NUMBER, 0b01)
        assert str(tmp_path).encode() not in content
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("WARNING: x\nERROR: first\nERROR: No matching distribution\n", "No matching distribution"),
        ("Traceback\nOSError: disk full\n", "OSError: disk full"),
        ("error: Failed to fetch\n  cause: refused\n  cause: os error\n", "Failed to fetch: refused"),
        ("", "no reason given"),
    ],
)
def test_the_reason_is_found_in_the_output_of_pip(output: str, line: str) -> None:
    assert asset._last_error(output) == line
