"""The CDK project that a lab deploys."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from iot_jitr.configuration import JitrConfiguration
from iot_jitr_cli.lab.ca import development_ca
from iot_jitr_cli.lab.project import CA_KEY_SECRET, default_configuration, write_project
from iot_jitr_runtime.ca_registration.signers import SecretSigner
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing


def test_the_apps_own_parser_accepts_the_default_configuration(tmp_path: Path) -> None:
    ca = development_ca(tmp_path / "ca")

    write_project(tmp_path, default_configuration(ca.certificate_file))
    context = json.loads((tmp_path / "cdk.json").read_text())["context"]["jitr"]
    parsed = JitrConfiguration.parse(context, tmp_path)

    assert [known.certificate_pem for known in parsed.cas] == [ca.authority.certificate.pem]
    assert parsed.cas[0].signer == SecretSigner(CA_KEY_SECRET)


def test_the_private_key_is_not_in_the_project(tmp_path: Path) -> None:
    ca = development_ca(tmp_path / "ca")

    write_project(tmp_path / "project", default_configuration(ca.certificate_file))

    written = "".join(path.read_text() for path in (tmp_path / "project").rglob("*") if path.is_file())
    assert "PRIVATE KEY" not in written


def test_the_local_cloud_has_no_log_of_aws_iot(tmp_path: Path) -> None:
    write_project(tmp_path, {"account_logging": "manage", "removal": "destroy"})

    context = json.loads((tmp_path / "cdk.json").read_text())["context"]["jitr"]
    assert context == {"account_logging": "none", "removal": "destroy"}


def test_the_app_runs_in_this_very_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/with space/python")

    write_project(tmp_path, {})

    app = json.loads((tmp_path / "cdk.json").read_text())["app"]
    echoed = subprocess.run(
        ["sh", "-c", f'printf "%s\\n" {app}'],
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=True,
    )
    assert echoed.stdout.splitlines() == ["/with space/python", "-m", "iot_jitr_cli.lab.app"]
    assert shlex.split(app)[0] == "/with space/python"
