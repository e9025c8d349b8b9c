"""`jitr lab` on a real MiniStack, with a stand-in for the CDK command line."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner, Result

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.lab import ministack
from iot_jitr_cli.lab.files import LabFiles
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.lab.process import stop_processes
from iot_jitr_cli.main import jitr
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.waiting import wait_until
from tests.support.cdk_stand_in import DEPLOYS, FAILS, replace_cdk
from tests.support.limits import LONGEST_WAIT
from tests.support.processes import processes_in

pytestmark = pytest.mark.timing

Run = Callable[..., Result]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "a lab's folder"
    yield folder
    stop_processes(folder)


@pytest.fixture
def run(directory: Path) -> Run:
    return lambda *arguments: CliRunner().invoke(jitr, ["lab", *arguments, "--directory", str(directory)])


@pytest.fixture
def cdk(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Choose the stand-in for the CDK command line; by default it deploys nothing, with success."""
    replace_cdk(monkeypatch, DEPLOYS)
    return partial(replace_cdk, monkeypatch)


@pytest.mark.usefixtures("cdk")
def test_up_status_env_down(run: Run, directory: Path) -> None:
    up = run("up")
    assert (up.exit_code, Lab.find(directory) is not None) == (0, True), up.output
    assert "local cloud     ok" in up.stdout
    assert "deploying the stack" in up.stderr
    process = Lab.attach(directory).ministack.process
    # Without this process's id as its last argument it runs on when this process ends.
    assert psutil.Process(process.pid).cmdline()[-1] == str(LabFiles(directory).requests)

    status = run("status")
    assert status.exit_code == 0
    assert "stack           iot-jitr gone" in status.stdout

    environment = run("env")
    shell = subprocess.run(
        [
            "sh",
            "-c",
            'eval "$1"; printf "%s\\n" "$AWS_ENDPOINT_URL" "$JITR_MQTT_CAFILE"',
            "sh",
            environment.stdout,
        ],
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=True,
    )
    assert shell.stdout.splitlines() == [
        Lab.attach(directory).ministack.url,
        str(directory / "broker-ca.pem"),
    ]

    assert json.loads(run("env", "--json").stdout)["JITR_MQTT_HOST"] == "localhost"

    down = run("down", "--json")
    assert (down.exit_code, process.is_running(), directory.exists()) == (0, False, False)
    assert json.loads(down.stdout) == {"stopped": True, "directory": str(directory)}
    again = run("down")
    assert (again.exit_code, again.stdout) == (0, f"no lab was running in {directory}\n")


@pytest.mark.usefixtures("cdk")
def test_up_twice_keeps_the_local_cloud_and_the_development_ca_and_deploys_again(
    run: Run, directory: Path
) -> None:
    run("up")
    first, certificate = Lab.attach(directory).ministack, (directory / "ca" / "ca.pem").read_text()

    second = run("up", "--json")

    assert second.exit_code == 0
    assert json.loads(second.stdout)["pid"] == first.process.pid
    assert Lab.attach(directory).ministack == first
    assert "running already" in second.stderr
    assert (directory / "ca" / "ca.pem").read_text() == certificate
    assert (directory / "ca" / "ca.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.usefixtures("cdk")
def test_a_given_ca_is_deployed_and_its_key_is_stored_only_in_the_secret(
    run: Run, directory: Path, tmp_path: Path
) -> None:
    certificate_file, key_file = DevelopmentCa.create("own").save(tmp_path / "own")

    result = run("up", "--ca-cert", str(certificate_file), "--ca-key", str(key_file))

    assert result.exit_code == 0, result.output
    lab = Lab.attach(directory)
    assert lab.deployed is not None
    assert lab.deployed.ca_certificate == str(certificate_file)
    secret = lab.client("secretsmanager").get_secret_value(SecretId="iot-jitr/lab/ca-key")["SecretString"]
    assert secret == key_file.read_text()
    written = b"".join(path.read_bytes() for path in directory.rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in written


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (["--ca-cert", "own/ca.pem"], "needs both"),
        (["--ca-key", "own/ca.key"], "needs both"),
        (["--ca-cert", "own/ca.pem", "--ca-key", "other/ca.key"], "is not the private key"),
    ],
    ids=["without the key", "without the certificate", "with another key"],
)
def test_a_ca_without_its_key_is_wrong_use_and_starts_nothing(
    run: Run, directory: Path, tmp_path: Path, given: list[str], error: str
) -> None:
    for name in ("own", "other"):
        DevelopmentCa.create(name).save(tmp_path / name)

    result = run("up", *(str(tmp_path / each) if "/" in each else each for each in given))

    assert result.exit_code == ExitCode.WRONG_USE
    assert error in result.stderr
    assert not directory.exists()


def test_a_deployment_that_fails_is_one_line_and_stops_what_was_started(
    run: Run, directory: Path, cdk: Callable[[str], None]
) -> None:
    cdk(FAILS)

    result = run("up")

    assert result.exit_code == 3
    error = result.stderr.splitlines()[-1]
    assert error.startswith("error: 'cdk deploy' failed: no such thing (log:")
    assert Lab.find(directory) is None
    assert processes_in(directory) == []
    assert LabFiles(directory).cdk_log.read_text() == "no such thing\n"
    assert run("down").exit_code == 0
    assert not directory.exists()


def test_a_second_deployment_that_fails_leaves_the_local_cloud_running(
    run: Run, directory: Path, cdk: Callable[[str], None]
) -> None:
    run("up")
    cdk(FAILS)

    assert run("up").exit_code == ExitCode.UNDETERMINED
    assert Lab.find(directory) is not None


def test_without_a_lab_status_exits_1_and_env_is_an_error(run: Run, directory: Path) -> None:
    status, environment = run("status"), run("env")

    assert status.exit_code == ExitCode.NO
    assert "start it with: jitr lab up" in status.stdout
    assert json.loads(run("status", "--json").stdout)["health"] == "not running"
    assert (environment.exit_code, environment.stdout) == (ExitCode.UNDETERMINED, "")
    assert "jitr lab up" in environment.stderr
    assert not directory.exists()


@pytest.mark.usefixtures("cdk")
def test_the_status_of_a_lab_that_does_not_respond_is_undetermined(
    run: Run, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("up")
    lab = Lab.attach(directory)
    psutil.Process(lab.ministack.process.pid).suspend()
    monkeypatch.setattr(ministack, "_REQUEST_LIMIT", 0.5)
    try:
        result = run("status", "--json")
        shown = run("status").output
    finally:
        psutil.Process(lab.ministack.process.pid).resume()

    assert result.exit_code == 3
    assert json.loads(result.stdout)["health"] == "not answering"
    assert "None" not in shown


@pytest.mark.usefixtures("cdk")
def test_down_ends_no_process_that_it_did_not_start(run: Run, directory: Path) -> None:
    """The state names another process, as if the system had reused the process id."""
    run("up")
    files = LabFiles(directory)
    process = Lab.attach(directory).ministack.process
    state = json.loads(files.state.read_text())
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        state["ministack"]["process"] = {"pid": bystander.pid, "started": process.started}
        files.state.write_text(json.dumps(state))

        result = run("down")

        assert (result.exit_code, bystander.poll(), process.is_running()) == (0, None, False)
        assert not directory.exists()
    finally:
        bystander.kill()
        bystander.wait()


UP = """
import sys
from pathlib import Path
from iot_jitr_cli.lab import lab
from iot_jitr_cli.lab.cdk import Cdk
from iot_jitr_cli.main import main
hangs = "import time; print('deploying', flush=True); time.sleep(600)"
lab.find_cdk = lambda: Cdk((sys.executable, "-c", hangs), {})
main(["lab", "up", "--directory", sys.argv[1]])
"""


@pytest.fixture
def deploying(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """`jitr lab up` in a process of its own, in the middle of `cdk deploy`."""
    command = subprocess.Popen(
        [sys.executable, "-c", UP, str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = LabFiles(directory).cdk_log
    assert wait_until(lambda: log.is_file() and "deploying" in log.read_text(), limit=LONGEST_WAIT)
    with command:
        yield command
        command.kill()
    stop_processes(directory)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=str)
def test_up_that_receives_a_signal_leaves_no_process(
    deploying: subprocess.Popen[str], directory: Path, number: signal.Signals
) -> None:
    deploying.send_signal(number)
    output, _ = deploying.communicate(timeout=LONGEST_WAIT)

    assert deploying.returncode == ExitCode.INTERRUPTED
    assert output.endswith("interrupted\n")
    assert processes_in(directory) == []


@pytest.mark.usefixtures("cdk")
def test_down_ends_the_processes_of_a_killed_up_and_up_starts_again(
    deploying: subprocess.Popen[str], run: Run, directory: Path
) -> None:
    deploying.kill()
    deploying.wait()
    assert len(processes_in(directory)) >= 2

    down = run("down")

    assert (down.exit_code, processes_in(directory), directory.exists()) == (0, [], False)
    assert run("up").exit_code == ExitCode.OK


@pytest.mark.usefixtures("cdk")
def test_up_after_a_killed_up_ends_its_deployment_and_keeps_its_local_cloud(
    deploying: subprocess.Popen[str], run: Run, directory: Path
) -> None:
    deploying.kill()
    deploying.wait()
    local_cloud = Lab.attach(directory).ministack.process

    up = run("up")

    assert up.exit_code == ExitCode.OK, up.output
    assert processes_in(directory) == [local_cloud.pid]


@pytest.mark.usefixtures("cdk")
def test_down_ends_a_lab_whose_folder_was_removed_by_hand_or_whose_state_is_damaged(
    run: Run, directory: Path
) -> None:
    run("up")
    LabFiles(directory).state.write_text("{")
    assert "stopped" in run("down").stdout
    run("up")
    process = Lab.attach(directory).ministack.process
    shutil.rmtree(directory)

    down = run("down")

    assert (down.exit_code, process.is_running(), directory.exists()) == (0, False, False)
    assert "stopped" in down.stdout


def test_a_local_cloud_that_ends_during_the_deployment_is_named_at_once(
    run: Run, directory: Path, cdk: Callable[[str], None]
) -> None:
    """The stand-in for the CDK kills MiniStack and runs for ten minutes; the real CDK runs for one."""
    cdk(
        "import json, os, signal, time; "
        "state = json.load(open('../lab.json')); "
        "os.kill(state['ministack']['process']['pid'], signal.SIGKILL); time.sleep(600)"
    )

    result = run("up")

    assert result.exit_code == ExitCode.UNDETERMINED
    error = result.stderr.splitlines()[-1]
    log = LabFiles(directory).ministack_log
    last = [line for line in log.read_text().splitlines() if line.strip()][-1].strip()
    assert error == f"error: the local cloud, MiniStack, has ended; last line of {log}: {last!r}"
    assert processes_in(directory) == []
