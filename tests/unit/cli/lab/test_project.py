"""The CDK project that a lab deploys."""

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from iot_jitr.configuration import JitrConfiguration
from iot_jitr_cli.lab.project import CA_KEY_SECRET, default_configuration, write_project
from iot_jitr_cli.pki import DevelopmentCa
from iot_jitr_runtime.ca_registration.signers import SecretSigner

if TYPE_CHECKING:
    import pytest


def test_the_apps_own_parser_accepts_the_default_configuration_which_has_no_private_key(
    tmp_path: Path,
) -> None:
    ca = DevelopmentCa.create()
    certificate_file, _ = ca.save(tmp_path / "ca")

    write_project(tmp_path / "project", default_configuration(certificate_file))

    written = (tmp_path / "project" / "cdk.json").read_text()
    parsed = JitrConfiguration.parse(json.loads(written)["context"]["jitr"], tmp_path)
    assert [known.certificate_pem for known in parsed.cas] == [ca.certificate.pem]
    assert parsed.cas[0].signer == SecretSigner(CA_KEY_SECRET)
    assert "PRIVATE KEY" not in written


def test_the_local_cloud_has_no_log_of_aws_iot(tmp_path: Path) -> None:
    write_project(tmp_path, {"account_logging": "manage", "removal": "destroy"})

    context = json.loads((tmp_path / "cdk.json").read_text())["context"]["jitr"]
    assert context == {"account_logging": "none", "removal": "destroy"}


def test_the_app_runs_in_the_current_interpreter(tmp_path: Path, monkeypatch: "pytest.MonkeyPatch") -> None:
    monkeypatch.setattr(sys, "executable", "/with space/python")

    write_project(tmp_path, {})

    app = json.loads((tmp_path / "cdk.json").read_text())["app"]
    assert shlex.split(app) == ["/with space/python", "-m", "iot_jitr_cli.lab.app"]
