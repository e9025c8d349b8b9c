"""The device kit as its user has it: the commands, and the programs of examples/devices."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.lab.environment import node_directory
from iot_jitr_cli.lab.lab import MQTT_HOST
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.waiting import wait_until
from tests.support.cloud import TIME_LIMIT, Cloud
from tests.support.command_line import run_jitr

EXAMPLES = Path(__file__).parents[2] / "examples" / "devices"


@pytest.fixture
def environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `jitr lab env` exports of the MQTT endpoint."""
    monkeypatch.setenv("JITR_MQTT_HOST", MQTT_HOST)
    monkeypatch.setenv("JITR_MQTT_PORT", str(cloud.lab.ministack.mqtt_port))
    monkeypatch.setenv("JITR_MQTT_CAFILE", str(cloud.lab.files.broker_ca))


@pytest.mark.usefixtures("environment")
def test_the_commands_alone_activate_a_new_device(cloud: Cloud, tmp_path: Path) -> None:
    cloud.ca.save(tmp_path)

    made = run_jitr("pki", "device", tmp_path, "kit-commands", "--json").json
    checked = run_jitr("chain", "check", made["chain"], "--key", made["key"])
    connected = run_jitr("connect", made["chain"], "--key", made["key"], "--timeout", TIME_LIMIT, "--json")

    assert checked.exit_code == ExitCode.OK
    assert connected.exit_code == ExitCode.OK
    steps = [event["step"] for event in connected.json["events"]]
    assert steps[:3] == ["connecting", "refused", "waiting"]
    assert steps[-4:] == ["connected", "subscribed", "published", "received"]
    assert cloud.status(made["certificate_id"]) == "ACTIVE"


@pytest.mark.usefixtures("environment")
def test_a_certificate_of_an_unknown_ca_is_recognised(tmp_path: Path) -> None:
    foreign = DevelopmentCa.create("kit foreign CA").issue(DeviceSpec("kit-foreign")).save(tmp_path)

    answer = run_jitr("connect", foreign.chain, "--key", foreign.key, "--timeout", 5, "--json")

    assert answer.exit_code == ExitCode.NO
    assert answer.json["events"][-1]["step"] == "probed"
    assert answer.json["events"][-1]["cause"] == "certificate_rejected"


@pytest.mark.usefixtures("environment")
def test_a_leaf_alone_is_enough_with_sni_only(cloud: Cloud, tmp_path: Path) -> None:
    """Python's TLS sends SNI for a host name, and none for an address."""
    files = cloud.ca.issue(DeviceSpec("kit-leaf")).save(tmp_path)
    port = cloud.lab.ministack.mqtt_port
    arguments = ("--key", files.key, "--json", "--endpoint")

    refused = run_jitr("connect", files.certificate, *arguments, f"127.0.0.1:{port}", "--timeout", 5)
    admitted = run_jitr(
        "connect", files.certificate, *arguments, f"{MQTT_HOST}:{port}", "--timeout", TIME_LIMIT
    )

    assert refused.exit_code == ExitCode.NO
    assert refused.json["events"][-1]["cause"] == "certificate_rejected"
    assert admitted.exit_code == ExitCode.OK


def python(program: Path, _scratch: Path) -> list[str | Path]:
    return [sys.executable, program]


def node(program: Path, _scratch: Path) -> list[str | Path]:
    return [node_directory() / "node", program]


def compiled_c(program: Path, scratch: Path) -> list[str | Path]:
    built = scratch / program.stem
    build("cc", "-Wall", "-Wextra", "-Werror", "-o", built, program, "-lpaho-mqtt3cs")
    return [built]


def compiled_go(program: Path, scratch: Path) -> list[str | Path]:
    """With the libraries of Debian's packages, which need no module proxy."""
    built = scratch / program.stem
    settings = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(scratch / "cache")}
    build("go", "build", "-o", built, program, **settings)
    return [built]


def build(*command: str | Path, **settings: str) -> None:
    done = completed(*command, **settings)
    assert done.returncode == 0, done.stderr


def completed(*command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=2 * TIME_LIMIT,
        check=False,
    )


def arguments_of(cloud: Cloud, device: DeviceIdentity, folder: Path) -> list[str | Path]:
    """Where the programs of the page connect, and as which device."""
    files, (name,) = device.save(folder), device.certificate.common_names
    port = str(cloud.lab.ministack.mqtt_port)
    return [MQTT_HOST, port, files.chain, files.key, name, cloud.lab.files.broker_ca]


@pytest.mark.parametrize(
    ("example", "ready"),
    [
        ("paho_device.py", python),
        ("aws_sdk_device.py", python),
        ("aiomqtt_device.py", python),
        ("mqttjs_device.mjs", node),
        ("aws_sdk_device.mjs", node),
        pytest.param(
            "paho_device.c",
            compiled_c,
            marks=pytest.mark.skipif(
                not Path("/usr/include/MQTTClient.h").exists() or shutil.which("cc") is None,
                reason="Debian's libpaho-mqtt-dev and a C compiler are not installed",
            ),
        ),
        pytest.param(
            "paho_device.go",
            compiled_go,
            marks=[
                pytest.mark.exhaustive,
                pytest.mark.skipif(
                    not Path("/usr/share/gocode/src/github.com/eclipse/paho.mqtt.golang").is_dir(),
                    reason="Debian's golang-github-eclipse-paho.mqtt.golang-dev is not installed",
                ),
            ],
        ),
    ],
    ids=lambda each: str(each) if isinstance(each, str) else "",
)
def test_the_examples_connect_after_the_refused_first_connect(
    cloud: Cloud, tmp_path: Path, example: str, ready: Callable[[Path, Path], list[str | Path]]
) -> None:
    name = f"kit-{example.replace('.', '-')}"
    device = cloud.ca.issue(DeviceSpec(name))
    command = ready(EXAMPLES / example, tmp_path)

    done = completed(*command, *arguments_of(cloud, device, tmp_path))

    assert (done.returncode, done.stdout) == (0, f"received 'hello' from devices/{name}/hello\n"), done.stderr
    assert cloud.status(device.certificate.fingerprint) == "ACTIVE"


@pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None, reason="Debian's mosquitto-clients are not installed"
)
def test_mosquittos_clients_connect_and_listen(cloud: Cloud, tmp_path: Path) -> None:
    """The scripts as the page shows them; messages are sent until the listener receives one."""
    name = "kit-mosquitto"
    device = cloud.ca.issue(DeviceSpec(name))
    arguments = arguments_of(cloud, device, tmp_path)

    came_in = completed("bash", EXAMPLES / "mosquitto_device.sh", *arguments)
    status = cloud.status(device.certificate.fingerprint)
    received = tmp_path / "received"
    with received.open("wb") as out:
        listener = subprocess.Popen(["bash", EXAMPLES / "mosquitto_listener.sh", *arguments], stdout=out)
    try:
        wait_until(lambda: notify(cloud, name, received), limit=TIME_LIMIT, interval=0.5)
    finally:
        listener.terminate()
        listener.wait(timeout=TIME_LIMIT)

    assert came_in.returncode == 0, came_in.stderr
    assert "connection was lost" in came_in.stderr.lower(), "the first connect was not refused"
    assert status == "ACTIVE"
    assert received.read_text().splitlines()[0] == "blink"


def notify(cloud: Cloud, name: str, received: Path) -> bool:
    """Send the device a message; whether one of them has arrived."""
    cloud.client("iot-data").publish(topic=f"devices/{name}/commands", payload=b"blink", qos=1)
    return bool(received.read_bytes())
