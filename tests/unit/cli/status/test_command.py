"""`jitr status`: what it prints and how it exits."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from iot_jitr_cli.main import jitr
from iot_jitr_cli.status import command
from iot_jitr_cli.status.snapshot import (
    Snapshot,
    Unknown,
)
from tests.support.status_snapshot import HEALTHY

pytestmark = pytest.mark.timing


def run(monkeypatch: pytest.MonkeyPatch, found: Snapshot, *arguments: str) -> Any:
    monkeypatch.setattr(command, "aws_session", lambda: None)
    monkeypatch.setattr(command, "snapshot", lambda *_: found)
    return CliRunner().invoke(jitr, ["status", *arguments])


def test_a_healthy_deployment_exits_0(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, HEALTHY)

    assert result.exit_code == 0, result.output
    assert "no alarm is active" in result.output


def test_an_alarm_exits_1_and_a_part_unknown_3(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, replace(HEALTHY, alarms=("x",))).exit_code == 1
    assert run(monkeypatch, replace(HEALTHY, ledger=Unknown("x"))).exit_code == 3


def test_json_is_one_document(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = json.loads(run(monkeypatch, HEALTHY, "--json").output)

    assert answer["queues"]["waiting"] == 12
    assert answer["cas"][0]["devices"] == 1200


@pytest.mark.parametrize("more", [["--json"], []])
def test_a_live_view_is_for_terminals(monkeypatch: pytest.MonkeyPatch, more: list[str]) -> None:
    result = run(monkeypatch, HEALTHY, "--watch", *more)

    assert result.exit_code == 2
    assert "--watch is for a terminal" in result.output


def test_the_live_view_looks_again_until_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    looks: list[int] = []

    def pause(_seconds: float) -> None:
        looks.append(1)
        if len(looks) == 3:
            raise KeyboardInterrupt

    with (tmp_path / "screen").open("w") as screen:
        monkeypatch.setattr(command, "out", Console(force_terminal=True, file=screen, width=120))
        monkeypatch.setattr(command, "time", SimpleNamespace(sleep=pause))
        result = run(monkeypatch, HEALTHY, "--watch", "--every", "2")

    assert result.exit_code == 130
    assert len(looks) == 3
    assert "no alarm is active" in (tmp_path / "screen").read_text()
