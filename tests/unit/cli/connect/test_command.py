from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from iot_jitr_cli import session
from iot_jitr_cli.connect import command as command_module
from iot_jitr_cli.connect import device as device_module
from iot_jitr_cli.connect.backoff import Backoff
from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.deployment import Deployment, NoDeploymentError
from iot_jitr_cli.pki.device import DeviceFiles
from iot_jitr_runtime.stack_outputs import Output
from tests.support.aws_clients import aws_client
from tests.support.command_line import CommandResult, run_jitr
from tests.support.identities import device
from tests.support.limits import LONGEST_WAIT
from tests.support.mqtt_broker import Act, Broker, broker

pytestmark = pytest.mark.timing


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeviceFiles:
    """A device's files, in an environment without a local cloud, where attempts follow one another fast."""
    for name in ("JITR_MQTT_HOST", "JITR_MQTT_PORT", "JITR_MQTT_CAFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Backoff, "wait_after", lambda _self, _attempt: 0.01)
    # An answer is waited for, however slow the machine.
    monkeypatch.setattr(device_module, "LAST_ATTEMPT_TIMEOUT", LONGEST_WAIT)
    return device().save(tmp_path)


@pytest.fixture
def served() -> Iterator[Broker]:
    with broker(Act.HANG_UP_ON_CONNECT, Act.ACCEPT) as running:
        yield running


def connect(files: DeviceFiles, served: Broker, *more: object) -> CommandResult:
    options = ("--endpoint", served.endpoint, "--ca-file", served.endpoint.ca_file)
    return run_jitr("connect", files.chain, "--key", files.key, *options, *more)


def test_the_timeline_is_printed_line_by_line_with_the_result(files: DeviceFiles, served: Broker) -> None:
    answer = connect(files, served)

    lines = answer.out.splitlines()
    assert answer.exit_code == ExitCode.OK
    assert [line.split()[2] for line in lines[:-1]] == [
        *("connecting", "refused", "waiting"),
        *("connecting", "connected", "subscribed", "published", "received"),
    ]
    assert lines[-1] == "connected and published after 2 attempts"


def test_json_is_the_whole_timeline(files: DeviceFiles, served: Broker) -> None:
    answer = connect(files, served, "--json", "--client-id", "other")

    assert answer.exit_code == ExitCode.OK
    assert answer.json["client_id"] == "other"
    assert answer.json["ending"] == "published"
    assert answer.json["endpoint"] == str(served.endpoint)
    refused = answer.json["events"][1]
    assert refused["step"] == "refused"
    assert refused["cause"] == "closed_without_connack"
    assert refused["attempt"] == 1
    assert set(refused) == {"step", "at", "elapsed", "attempt", "detail", "cause"}
    assert served.client_ids == ["other", "other"]


def test_the_variables_of_the_local_cloud_are_sufficient(
    files: DeviceFiles, served: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JITR_MQTT_HOST", "127.0.0.1")
    monkeypatch.setenv("JITR_MQTT_PORT", str(served.endpoint.port))
    monkeypatch.setenv("JITR_MQTT_CAFILE", str(served.endpoint.ca_file))

    assert run_jitr("connect", files.chain, "--key", files.key).exit_code == ExitCode.OK


def test_without_these_variables_the_endpoint_of_the_account_is_used(
    files: DeviceFiles, served: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    iot = aws_client("iot")
    monkeypatch.setattr(session, "aws_session", lambda: SimpleNamespace(client={"iot": iot}.get))
    monkeypatch.setattr(command_module, "find_deployment", Mock(side_effect=[NO_STACK]))

    with Stubber(iot) as stubber:
        stubber.add_response("describe_endpoint", {"endpointAddress": str(served.endpoint)})
        answer = run_jitr("connect", files.chain, "--key", files.key, "--ca-file", served.endpoint.ca_file)

    assert answer.exit_code == ExitCode.OK


NO_STACK = NoDeploymentError("no stack")
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeStacks")
BROKEN = ClientError({"Error": {"Code": "InternalFailure", "Message": "no"}}, "DescribeStacks")
GUARDED = Deployment("s", "eu-west-1", {Output.CONNECT_GUARD_DOMAIN_CONFIGURATION: "guarded"})


@pytest.mark.parametrize(
    ("found", "name"),
    [(NO_STACK, None), (DENIED, None), (GUARDED, "guarded"), (BROKEN, ClientError)],
    ids=["no stack", "denied", "guarded", "broken"],
)
def test_the_guarded_domain_is_read_from_the_stack_if_it_exists(
    monkeypatch: pytest.MonkeyPatch, found: object, name: Any
) -> None:
    monkeypatch.setattr(command_module, "find_deployment", Mock(side_effect=[found]))

    with pytest.raises(name) if name is ClientError else nullcontext():
        assert command_module._guarded_domain(Mock(), "iot-jitr") == name


def test_a_device_that_is_refused_exits_1_and_the_next_step_is_the_doctor(files: DeviceFiles) -> None:
    with broker(Act.ANSWER_NOT_AUTHORIZED) as served:
        answer = connect(files, served, "--timeout", 1)

    assert answer.exit_code == ExitCode.NO
    assert answer.out.splitlines()[-1].endswith(f"next: jitr doctor {files.chain}")


def test_an_untrusted_server_exits_3(files: DeviceFiles, served: Broker) -> None:
    answer = run_jitr("connect", files.chain, "--key", files.key, "--endpoint", served.endpoint)

    assert answer.exit_code == ExitCode.UNDETERMINED
    assert "--ca-file" in answer.out
    assert answer.out.splitlines()[-1].startswith("could not tell")
    assert answer.out.endswith("after 1 attempt\n")


@pytest.mark.parametrize(
    "more",
    [
        ["--endpoint", "mqtts://there"],
        ["--endpoint", "there", "--topic", "a/#"],
        ["--endpoint", "there", "--timeout", "0"],
        ["--endpoint", "there", "--ca-file", "no-such-file"],
    ],
)
def test_wrong_use_exits_2(files: DeviceFiles, more: list[str]) -> None:
    assert run_jitr("connect", files.chain, "--key", files.key, *more).exit_code == ExitCode.WRONG_USE


def test_a_wrong_key_exits_2_before_any_connect(files: DeviceFiles, tmp_path: Path) -> None:
    other = device("sensor-2").save(tmp_path)

    answer = run_jitr("connect", files.chain, "--key", other.key, "--endpoint", "127.0.0.1:1")

    assert answer.exit_code == ExitCode.WRONG_USE
    assert "jitr chain check" in answer.err
