"""What a synthesis writes to standard error: only the warnings of the app.

Without the feature flag `annotationsInValidationReport` the CDK puts a line such as
`../tmpb73vqt4u/lib/program.js:1:5591` before a Python app's warning: it names the
place in jsii's runtime that made the call instead of the place in the app.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_cli.lab.cdk import find_cdk
from iot_jitr_cli.lab.environment import TEMPORARY, child_environment
from iot_jitr_cli.lab.project import default_configuration, write_project
from tests.support.ca_certificates import FACTORY
from tests.support.examples import WITHOUT_BUNDLING, run
from tests.support.stacks import DEFAULTS, local_template_of, of_type, template_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """The files of the repository that the app needs: `cdk.json`, `app.py`, the virtual environment, a CA."""
    for name in ("app.py", "cdk.json"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.pem").write_text(FACTORY)
    return tmp_path


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """The project that the lab deploys."""
    (tmp_path / "ca.pem").write_text(FACTORY)
    write_project(tmp_path, default_configuration(tmp_path / "ca.pem"))
    return tmp_path


def test_the_app_warns_and_writes_nothing_else(shipped: Path) -> None:
    content = json.loads((shipped / "cdk.json").read_text())
    context = {**content["context"], **WITHOUT_BUNDLING}

    done = quietly(shipped, ["sh", "-c", content["app"]], context, CDK_VALIDATION="false")

    assert done.returncode == 0, done.stderr
    *warning, empty, copy = done.stderr.splitlines()
    assert_only_the_missing_revocation_check(warning, "Factory")
    assert empty == ""
    assert copy.endswith(": cdk.out/validation-report.json")


def test_cdk_synth_warns_and_writes_nothing_else(shipped: Path) -> None:
    pretend_that_the_asset_is_built(shipped, template_of(DEFAULTS))

    done = quietly(shipped, [*find_cdk().command, "synth", "--quiet", "--no-notices"])

    assert done.returncode == 0, done.stderr
    assert_only_the_missing_revocation_check(done.stderr.splitlines(), "Factory")


def test_cdk_synth_of_the_project_of_a_lab_warns_and_writes_nothing_else(lab: Path) -> None:
    pretend_that_the_asset_is_built(lab, local_template_of(DEFAULTS))

    done = quietly(lab, [*find_cdk().command, "synth", "--quiet", "--no-notices"], CDK_VALIDATION="false")

    assert done.returncode == 0, done.stderr
    assert_only_the_missing_revocation_check(done.stderr.splitlines(), "Lab")


def quietly(
    folder: Path, command: list[str], context: dict[str, Any] | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with an environment in which the CDK itself writes nothing to standard error."""
    environment = {
        "CDK_HOME": str(folder / "cdk-home"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
        **variables,
    }
    (folder / TEMPORARY).mkdir()
    return run(folder, command, context=context, environment=child_environment(folder, environment))


def pretend_that_the_asset_is_built(folder: Path, template: dict[str, Any]) -> None:
    """The CDK builds no asset that is in the assembly already; `tests/packaging` builds it."""
    for function in of_type(template, "AWS::Lambda::Function").values():
        asset = str(function["Properties"]["Code"]["S3Key"]).removesuffix(".zip")
        (folder / "cdk.out" / f"asset.{asset}").mkdir(parents=True, exist_ok=True)


def assert_only_the_missing_revocation_check(lines: list[str], ca: str) -> None:
    warning, construct, acknowledgement = lines
    assert warning.startswith(f"WARNING CA '{ca}' has revocation: none")
    assert construct.strip().startswith("Jitr/Jitr")
    assert acknowledgement.strip().startswith("Acknowledge with ")
