"""The environment of a child process of the lab, and its version of Node."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab import environment as module
from iot_jitr_cli.lab.environment import child_environment, download_environment, node_directory, npx_command
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing


def output(*command: str | Path, environment: dict[str, str] | None = None) -> str:
    answer = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LONGEST_WAIT, check=True
    )
    return answer.stdout.strip()


def test_a_child_inherits_no_aws_or_ministack_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    strangers = (
        *("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
        *("AWS_CA_BUNDLE", "CDK_DEFAULT_ACCOUNT", "CDK_OUTDIR", "SERVICES", "PERSIST_STATE", "USE_SSL"),
        *("EDGE_PORT", "IOT_MTLS_ENABLED", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "HTTPS_PROXY"),
    )
    for name in strangers:
        monkeypatch.setenv(name, "the caller's")

    environment = child_environment(tmp_path, {"AWS_REGION": "us-east-1"})

    assert "the caller's" not in environment.values()
    assert environment["AWS_REGION"] == "us-east-1"
    # The AWS SDK reads no configuration file and no instance metadata.
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"


def test_a_child_keeps_temporary_files_in_the_labs_folder_and_runs_the_virtual_environments_node(
    tmp_path: Path,
) -> None:
    (tmp_path / "tmp").mkdir()
    environment = child_environment(tmp_path, {})

    folder = output(
        sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())", environment=environment
    )
    node = shutil.which("node", path=environment["PATH"])

    assert Path(folder) == tmp_path / "tmp"
    assert node is not None
    assert Path(node).parent == node_directory()
    assert output(node, "--version", environment=environment).startswith("v24.")


def test_a_download_uses_the_proxy_but_the_local_cloud_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("npm_config_registry", "https://npm.example/")

    environment = download_environment()

    assert environment["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert environment["npm_config_registry"] == "https://npm.example/"
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"


def test_the_virtual_environments_npx_runs() -> None:
    command = npx_command()

    assert command is not None
    assert output(*command, "--version").split(".")[0].isdigit()


def test_without_the_wheel_node_and_npx_are_taken_from_the_search_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CliError, match=r"pip install 'iot-jitr\[lab\]'"):
        node_directory()

    for name in ("node", "npx"):
        installed = tmp_path / name
        installed.write_text("#!/bin/sh\n")
        installed.chmod(0o755)

    assert node_directory() == tmp_path
    assert npx_command() == (str(tmp_path / "npx"),)
