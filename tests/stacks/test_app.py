"""The CDK app: what it synthesizes, and its errors in one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from iot_jitr import app as shipped
from iot_jitr.bundling import BundlingError, FunctionBundle
from tests.support.ca_certificates import FACTORY
from tests.support.examples import WITHOUT_BUNDLING, run

ROOT = Path(__file__).parents[2]


def context() -> dict[str, Any]:
    ca = {
        "name": "Factory",
        "certificate": "ca.pem",
        "signer": {"type": "secret", "secret": "factory-ca-key"},
        "revocation": "none",
    }
    return {"jitr": {"cas": [ca], "stack_name": "fleet"}, **WITHOUT_BUNDLING}


def synthesize(folder: Path, context: dict[str, Any], command: list[str]) -> subprocess.CompletedProcess[str]:
    return run(folder, [sys.executable, *command], context=context)


@pytest.mark.parametrize(
    "command", [["-m", "iot_jitr.app"], [str(ROOT / "app.py")]], ids=["module", "app.py"]
)
def test_the_app_writes_a_cloud_assembly_for_the_cdk(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "ca.pem").write_text(FACTORY)

    done = synthesize(tmp_path, context(), command)

    assert done.returncode == 0, done.stderr
    artifacts = json.loads((tmp_path / "cdk.out" / "manifest.json").read_text())["artifacts"]
    assert artifacts["Jitr"]["properties"]["stackName"] == "fleet"


def test_a_missing_ca_is_one_line_with_the_command_that_creates_a_ca(tmp_path: Path) -> None:
    done = synthesize(tmp_path, context(), ["-m", "iot_jitr.app"])

    (line,) = (line for line in done.stderr.splitlines() if "!!" not in line)
    assert done.returncode == 1
    assert line.startswith("iot-jitr: jitr.cas[0].certificate: found '")
    assert "ca.pem', no such file or directory" in line
    assert "make a development CA with: jitr pki ca " in line
    assert not (tmp_path / "cdk.out" / "manifest.json").exists()


def test_a_context_that_is_not_json_is_one_line(tmp_path: Path) -> None:
    context = {"jitr": {"activations_per_second": float("nan")}}

    done = synthesize(tmp_path, context, ["-m", "iot_jitr.app"])

    (line,) = (line for line in done.stderr.splitlines() if "!!" not in line)
    assert done.returncode == 1
    assert line.startswith("iot-jitr: CDK_CONTEXT_JSON: found text that is not JSON")
    assert "NaN" in line


def test_a_missing_setup_is_one_line_with_the_setup_command(tmp_path: Path) -> None:
    done = synthesize(tmp_path, {}, ["-S", str(ROOT / "app.py")])

    assert done.returncode == 1
    assert done.stderr == f"iot-jitr: {sys.executable} has no package 'iot_jitr'; run: make setup\n"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> cdk.App:
    """The app that `main` will make, in this process."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ca.pem").write_text(FACTORY)
    made = cdk.App(context=context(), outdir=str(tmp_path / "cdk.out"))
    monkeypatch.setattr(shipped.cdk, "App", lambda: made)
    return made


@pytest.mark.usefixtures("app")
def test_main_synthesizes(tmp_path: Path) -> None:
    assert shipped.main() == 0
    assert (tmp_path / "cdk.out" / "Jitr.template.json").exists()


@pytest.mark.usefixtures("app")
def test_main_exits_with_one_line_if_the_asset_cannot_be_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_bundle: FunctionBundle) -> None:
        raise BundlingError("no pip")

    monkeypatch.setattr(FunctionBundle, "code", fail)

    assert shipped.main() == 1
    assert capsys.readouterr().err == "iot-jitr: no pip\n"


def test_the_configuration_of_the_repository_is_valid(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.pem").write_text(FACTORY)
    shipped_context = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(context={**shipped_context, **WITHOUT_BUNDLING}, outdir=str(tmp_path / "cdk.out"))

    stack = shipped.build(app, tmp_path)

    assert list(stack.pipeline.cas) == ["Factory"]
