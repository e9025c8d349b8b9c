"""MiniStack as the lab starts it: really started."""

import contextlib
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab import ministack
from iot_jitr_cli.lab.endpoint import Endpoint
from iot_jitr_cli.lab.files import LabFiles
from iot_jitr_cli.lab.ministack import (
    Ports,
    UnreachableError,
    fetch,
    health,
    start,
)
from iot_jitr_cli.lab.process import ProcessIdentity, spawn, stop_processes, this_process
from tests.support.ports import reserved_port

pytestmark = pytest.mark.timing


def lab_files(folder: Path) -> LabFiles:
    files = LabFiles(folder)
    files.create()
    return files


@contextlib.contextmanager
def started(folder: Path, ports: Ports | None = None) -> Iterator[Endpoint]:
    endpoint = start(lab_files(folder), ports or Ports(), this_process())
    try:
        yield endpoint
    finally:
        stop_processes(folder)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """One MiniStack for the tests of this module that only look at it."""
    with started(tmp_path_factory.mktemp("ministack") / "a") as running:
        yield running


def test_it_listens_on_loopback_and_on_nothing_else(endpoint: Endpoint) -> None:
    family = [
        psutil.Process(endpoint.process.pid),
        *psutil.Process(endpoint.process.pid).children(recursive=True),
    ]
    listening = [
        connection.laddr
        for process in family
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    ]

    assert {(at.ip, at.port) for at in listening} == {
        ("127.0.0.1", endpoint.gateway_port),
        ("127.0.0.1", endpoint.mqtt_port),
    }


def test_iam_is_enforced(endpoint: Endpoint) -> None:
    assert health(endpoint)["auth"] == "enabled"
    iam = endpoint.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    nobody = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")

    with pytest.raises(ClientError, match="AccessDenied"):
        nobody.client("iot", endpoint_url=endpoint.url).list_things()


def test_credentials_of_another_account_are_refused(endpoint: Endpoint) -> None:
    foreign = boto3.Session("AKIAIOSFODNN7EXAMPLE", "secret", region_name="us-east-1")

    with pytest.raises(ClientError, match="security token"):
        foreign.client("iot", endpoint_url=endpoint.url).list_things()


def test_its_client_ignores_the_callers_aws_configuration(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://203.0.113.1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")

    identity = endpoint.client("sts").get_caller_identity()

    assert identity["Arn"] == "arn:aws:iam::000000000000:root"


def test_two_run_side_by_side_and_one_does_not_take_the_others_credentials(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    with started(tmp_path / "b") as other:
        assert {other.gateway_port, other.mqtt_port}.isdisjoint({endpoint.gateway_port, endpoint.mqtt_port})
        crossed = Endpoint(
            other.process,
            other.gateway_port,
            other.mqtt_port,
            endpoint.access_key_id,
            endpoint.secret_access_key,
        )
        with pytest.raises(ClientError, match="security token"):
            crossed.client("sts").get_caller_identity()


def test_nothing_of_the_callers_environment_leaks_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the caller's")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "the caller's")
    monkeypatch.setenv("SERVICES", "the caller's")

    with started(tmp_path / "a") as running:
        environment = psutil.Process(running.process.pid).environ()

    assert "the caller's" not in environment.values()


def test_it_takes_the_ports_that_were_asked_for(tmp_path: Path) -> None:
    with (
        reserved_port() as gateway,
        reserved_port() as mqtt,
        started(tmp_path / "a", Ports(gateway, mqtt)) as running,
    ):
        assert (running.gateway_port, running.mqtt_port) == (gateway, mqtt)


@pytest.mark.parametrize("name", ["gateway", "mqtt"])
def test_a_taken_port_is_named_with_the_option_that_chooses_another(tmp_path: Path, name: str) -> None:
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", 0))
        occupant.listen()
        port = occupant.getsockname()[1]

        with pytest.raises(CliError, match=rf"127\.0\.0\.1:{port} .*--{name}-port"):
            start(lab_files(tmp_path / "lab"), Ports(**{name: port}))


def test_without_the_package_the_error_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ministack.importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(CliError, match=r"pip install 'iot-jitr\[lab\]'"):
        start(lab_files(tmp_path / "lab"), Ports())


def test_a_process_that_ends_at_once_is_reported_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no module named anything'\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))

    with pytest.raises(CliError, match=r"ended; last line: 'no module named anything'"):
        start(lab_files(tmp_path / "lab"), Ports())


def test_a_process_that_never_answers_is_ended_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexec sleep 600\n")
    silent.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(silent))
    monkeypatch.setattr(ministack, "_START_LIMIT", 0.1)
    spawned: list[ProcessIdentity] = []

    def noted(*arguments: Any, **options: Any) -> ProcessIdentity:
        spawned.append(spawn(*arguments, **options))
        return spawned[-1]

    monkeypatch.setattr(ministack, "spawn", noted)

    with pytest.raises(CliError, match="did not answer"):
        start(lab_files(tmp_path / "lab"), Ports())

    assert [each.is_running() for each in spawned] == [False]


def test_an_interruption_while_it_starts_leaves_no_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_endpoint: Endpoint) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ministack, "health", interrupt)
    files = lab_files(tmp_path / "lab")

    with pytest.raises(KeyboardInterrupt):
        start(files, Ports())

    assert not [each for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(files.folder)]


def test_its_pages_are_read_and_an_unknown_one_is_an_error(endpoint: Endpoint) -> None:
    assert fetch(endpoint, "/_ministack/iot/ca.pem").startswith(b"-----BEGIN CERTIFICATE-----")
    with pytest.raises(UnreachableError, match="expected 200"):
        fetch(endpoint, "/_ministack/no-such-page")


def test_a_gateway_that_does_not_answer_is_an_error_with_a_remedy() -> None:
    with reserved_port() as port, pytest.raises(UnreachableError, match="jitr lab down"):
        health(Endpoint(ProcessIdentity(1, 0.0), port, 1, "key", "secret"))


def test_the_secret_key_is_not_in_the_endpoints_representation(endpoint: Endpoint) -> None:
    assert endpoint.secret_access_key not in repr(endpoint)
