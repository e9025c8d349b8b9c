"""A real MiniStack, started by the lab."""

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab import ministack as module
from iot_jitr_cli.lab.files import LabFiles
from iot_jitr_cli.lab.ministack import MiniStack, UnreachableError, start
from iot_jitr_cli.lab.process import ProcessIdentity, stop_processes
from tests.support.limits import LONGEST_WAIT
from tests.support.ports import reserved_port, silent_port
from tests.support.processes import processes_in

pytestmark = pytest.mark.timing

CALLERS = ("AWS_PROFILE", "AWS_ENDPOINT_URL", "SERVICES")


def lab_files(folder: Path) -> LabFiles:
    files = LabFiles(folder)
    files.create()
    return files


@contextlib.contextmanager
def started(folder: Path, ports: tuple[int, int] = (0, 0)) -> Iterator[MiniStack]:
    ministack = start(lab_files(folder), ports)
    try:
        yield ministack
    finally:
        stop_processes(folder)


@pytest.fixture(scope="module")
def ports() -> Iterator[tuple[int, int]]:
    with reserved_port() as gateway, reserved_port() as mqtt:
        yield gateway, mqtt


@pytest.fixture(scope="module")
def ministack(tmp_path_factory: pytest.TempPathFactory, ports: tuple[int, int]) -> Iterator[MiniStack]:
    """One MiniStack on chosen ports, started by a caller with AWS variables of its own."""
    with contextlib.ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLERS:
                patch.setenv(name, "the caller's")
            running = stack.enter_context(started(tmp_path_factory.mktemp("ministack") / "a", ports))
        yield running


def test_ministack_listens_only_on_the_chosen_loopback_ports(
    ministack: MiniStack, ports: tuple[int, int]
) -> None:
    family = [
        psutil.Process(ministack.process.pid),
        *psutil.Process(ministack.process.pid).children(recursive=True),
    ]
    listening = [
        connection.laddr
        for process in family
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]

    assert {(at.ip, at.port) for at in listening} == {("127.0.0.1", port) for port in ports}
    assert (ministack.gateway_port, ministack.mqtt_port) == ports


def test_iam_is_enforced_and_the_secret_key_is_not_in_the_representation(ministack: MiniStack) -> None:
    assert ministack.health()["auth"] == "enabled"
    assert ministack.secret_access_key not in repr(ministack)
    iam = ministack.session.client("iam")
    iam.create_user(UserName="without-policies")
    key = iam.create_access_key(UserName="without-policies")["AccessKey"]
    user = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")

    with pytest.raises(ClientError, match="AccessDenied"):
        user.client("iot", endpoint_url=ministack.url).list_things()


def test_the_client_ignores_the_aws_configuration_of_the_caller(
    ministack: MiniStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://203.0.113.1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")

    # Another boto3 session than in the tests before.
    identity = replace(ministack, mqtt_port=0).session.client("sts").get_caller_identity()

    assert identity["Arn"] == "arn:aws:iam::000000000000:root"


def test_two_ministacks_run_in_parallel_with_different_credentials(
    ministack: MiniStack, tmp_path: Path
) -> None:
    with started(tmp_path / "b") as other:
        assert {other.gateway_port, other.mqtt_port}.isdisjoint({ministack.gateway_port, ministack.mqtt_port})
        crossed = replace(ministack, gateway_port=other.gateway_port)
        with pytest.raises(ClientError, match="security token"):
            crossed.session.client("sts").get_caller_identity()


def test_ministack_inherits_no_variable_of_the_caller(ministack: MiniStack) -> None:
    assert "the caller's" not in psutil.Process(ministack.process.pid).environ().values()


@pytest.mark.parametrize("name", ["gateway", "mqtt"])
def test_a_taken_port_is_named_with_the_option_that_chooses_another(tmp_path: Path, name: str) -> None:
    with (
        silent_port() as port,
        pytest.raises(CliError, match=rf"127\.0\.0\.1:{port} .*--{name}-port"),
    ):
        start(lab_files(tmp_path / "lab"), (port, 0) if name == "gateway" else (0, port))


def test_without_the_package_the_error_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(CliError, match=r"pip install 'iot-jitr\[lab\]'"):
        start(lab_files(tmp_path / "lab"), (0, 0))


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("echo 'no module named anything'; exit 1", r"ended; last line: 'no module named anything'"),
        ("exec sleep 600", "did not answer"),
    ],
    ids=["ends at once", "never answers"],
)
def test_a_process_that_does_not_start_is_ended_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, error: str
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\n{program}\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(stand_in))
    monkeypatch.setattr(module, "_START_LIMIT", LONGEST_WAIT if "exit" in program else 0.1)
    files = lab_files(tmp_path / "lab")

    with pytest.raises(CliError, match=error):
        start(files, (0, 0))

    assert processes_in(files.folder) == []


def test_an_interruption_while_it_starts_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_ministack: MiniStack) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(MiniStack, "health", interrupt)
    files = lab_files(tmp_path / "lab")

    with pytest.raises(KeyboardInterrupt):
        start(files, (0, 0))

    assert processes_in(files.folder) == []


def test_the_pages_of_ministack_are_read_and_an_unknown_one_is_an_error(ministack: MiniStack) -> None:
    assert ministack.fetch("/_ministack/iot/ca.pem").startswith(b"-----BEGIN CERTIFICATE-----")
    with pytest.raises(UnreachableError, match="404"):
        ministack.fetch("/_ministack/no-such-page")


def test_a_gateway_that_does_not_respond_is_an_error_with_a_remedy() -> None:
    with reserved_port() as port, pytest.raises(UnreachableError, match="jitr lab down"):
        MiniStack(ProcessIdentity(1, 0.0), port, 1, "key", "secret").health()
