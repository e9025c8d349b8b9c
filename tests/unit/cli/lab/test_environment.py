"""What a child process of the lab gets of the caller's environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab import node
from iot_jitr_cli.lab.environment import child_environment, download_environment
from iot_jitr_cli.lab.node import node_directory, npx_command
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing


def test_nothing_of_the_callers_aws_or_of_ministacks_own_settings_reaches_a_child(
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


def test_the_aws_sdk_in_a_child_finds_no_configuration_and_asks_no_instance(tmp_path: Path) -> None:
    environment = child_environment(tmp_path, {})

    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert environment["AWS_EC2_METADATA_DISABLED"] == "true"


def test_temporary_files_of_a_child_stay_in_the_labs_folder(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    environment = child_environment(tmp_path, {})

    answer = subprocess.run(
        [sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=True,
    )

    assert Path(answer.stdout.strip()) == tmp_path / "tmp"


def test_node_in_a_child_is_the_one_of_the_virtual_environment(tmp_path: Path) -> None:
    environment = child_environment(tmp_path, {})

    found = shutil.which("node", path=environment["PATH"])

    assert found is not None
    assert Path(found).parent == node_directory()
    version = subprocess.run(
        [found, "--version"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=True,
    )
    assert version.stdout.startswith("v24.")


def test_a_download_goes_through_the_callers_proxy_but_the_local_cloud_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("npm_config_registry", "https://npm.example/")

    environment = download_environment()

    assert environment["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert environment["npm_config_registry"] == "https://npm.example/"
    assert environment["NO_PROXY"] == "127.0.0.1,localhost"


def test_without_the_wheel_node_is_taken_from_the_search_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "node"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node.importlib.util, "find_spec", lambda _name: None)

    assert node_directory() == tmp_path


def test_without_node_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node.importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(CliError, match=r"pip install 'iot-jitr\[lab\]'"):
        node_directory()


def test_the_virtual_environments_npx_runs() -> None:
    command = npx_command()

    assert command is not None
    answer = subprocess.run(
        [*command, "--version"], capture_output=True, text=True, timeout=LONGEST_WAIT, check=True
    )
    assert answer.stdout.split(".")[0].isdigit()


def test_a_node_without_npm_beside_it_uses_the_npx_on_the_search_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("node", "npx"):
        installed = tmp_path / "bin" / name
        installed.parent.mkdir(exist_ok=True)
        installed.write_text("#!/bin/sh\n")
        installed.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(node.importlib.util, "find_spec", lambda _name: None)

    assert npx_command() == (str(tmp_path / "bin" / "npx"),)
