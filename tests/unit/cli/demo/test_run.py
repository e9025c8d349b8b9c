"""The local cloud is stopped after an error: real MiniStack, a CDK that fails."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from iot_jitr_cli.console import CliError
from iot_jitr_cli.demo import command, run
from iot_jitr_cli.demo.model import Demo
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.lab.state import DeployedStack
from iot_jitr_cli.main import jitr
from tests.support.cdk_stand_in import FAILS, replace_cdk
from tests.support.processes import processes_in

pytestmark = pytest.mark.timing


def test_a_failed_deployment_stops_the_local_cloud_and_keeps_the_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_cdk(monkeypatch, FAILS)
    folder = tmp_path / "demo"

    with pytest.raises(CliError, match="no such thing"):
        run.run_demo(folder, 1, Demo())

    assert processes_in(folder) == []
    assert (folder / "cdk.log").read_text() == "no such thing\n"


def test_ctrl_c_at_the_first_line_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    folder = tmp_path / "demo"

    def interrupt(line: str | None) -> None:
        if line and line.startswith("local cloud"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run_demo(folder, 2, Demo(on_change=interrupt))

    assert processes_in(folder) == []
    assert not folder.exists()


@pytest.mark.parametrize(("met", "left"), [(True, False), (False, True)])
def test_the_logs_are_kept_only_if_an_expectation_was_not_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, met: bool, left: bool
) -> None:
    def play(_lab: object, _ca: object, _deployment: object, _identities: object, demo: Demo) -> None:
        demo.expect("it went well", met=met)

    monkeypatch.setattr(run, "_play", play)
    monkeypatch.setattr(Lab, "deploy", lambda *_arguments: DeployedStack("iot-jitr", {}, "", 0.0))
    demo, folder = Demo(), tmp_path / "demo"

    run.run_demo(folder, 2, demo)

    assert processes_in(folder) == []
    assert folder.exists() is left
    assert demo.succeeded is met
    assert [step.title for step in demo.preparation] == [
        "local cloud",
        "CA made",
        "stack deployed",
        "2 devices made",
    ]
    assert [step.title for step in demo.clean_up] == ["local cloud stopped"]


@pytest.mark.parametrize(("met", "exit_code"), [(True, 0), (False, 1)])
def test_the_command_exits_0_only_if_every_expectation_was_met(
    monkeypatch: pytest.MonkeyPatch, *, met: bool, exit_code: int
) -> None:
    def run_demo(folder: Path, count: int, demo: Demo, *, connect_guard: bool) -> None:
        assert not connect_guard
        folder.rmdir()
        demo.expect(f"{count} devices", met=met)
        demo.seconds = 1.0

    monkeypatch.setattr(command, "run_demo", run_demo)

    plain = CliRunner().invoke(jitr, ["demo", "--devices", "7"])
    monkeypatch.setattr(command.out, "_force_terminal", True)
    live = CliRunner().invoke(jitr, ["demo"])

    assert (plain.exit_code, live.exit_code) == (exit_code, exit_code)
    assert "7 devices" in plain.stdout
    assert "on the local cloud" in live.stdout
