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
from iot_jitr_cli.status.certificate import Certificate
from iot_jitr_cli.status.snapshot import Fleet, Snapshot, Unknown
from tests.support.doctor_cloud import Cloud, stack
from tests.support.fleet_page import certificates, fleet
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


def write_page(
    monkeypatch: pytest.MonkeyPatch,
    found: Fleet,
    certificates: list[Certificate],
    file: Path,
    *arguments: str,
) -> Any:
    """Call the command with a fleet in place of AWS; it shows the certificates of the ledger one by one."""

    def read(_session: Any, _stack: str, _rows: int, *, seen: Any) -> Fleet:
        for each in certificates:
            seen(each)
        return found

    monkeypatch.setattr(command, "aws_session", lambda: None)
    monkeypatch.setattr(command, "fleet", read)
    return CliRunner().invoke(jitr, ["status", "--html", str(file), *arguments])


def test_a_page_is_written_for_its_owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found, file = certificates(7), tmp_path / "fleet.html"

    result = write_page(monkeypatch, fleet(found), found, file)

    assert result.exit_code == 0, result.output
    assert result.output == f"{file}: 7 certificates\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("<!doctype html>")


def test_a_page_without_all_certificates_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = write_page(monkeypatch, fleet(certificates(7)), certificates(5), tmp_path / "x")

    assert result.output.endswith("5 certificates, not all: see --rows\n")


def test_a_page_exits_as_the_overview_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    some = fleet([])
    ringing = replace(some, snapshot=replace(some.snapshot, alarms=("x",)))
    answers = [
        write_page(monkeypatch, each, [], tmp_path / "page", "--json")
        for each in (ringing, replace(some, history=Unknown("x")), replace(some, quotas=Unknown("local")))
    ]

    assert [each.exit_code for each in answers] == [1, 3, 0]
    assert json.loads(answers[2].output) == {
        "file": str(tmp_path / "page"),
        "certificates": 0,
        "complete": True,
    }


def test_a_page_is_not_watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert run(monkeypatch, HEALTHY, "--watch", "--html", str(tmp_path / "x")).exit_code == 2


def test_the_least_policy_is_printed(monkeypatch: pytest.MonkeyPatch, cloud: Cloud) -> None:
    cloud.get_partition_for_region = lambda _: "aws-us-gov"  # type: ignore[attr-defined]
    cloud.answers("cloudformation", "describe_stacks", stack())
    cloud.answers(
        "sts",
        "get_caller_identity",
        {"Account": "210987654321", "ResponseMetadata": {"HTTPHeaders": {}}},
    )
    monkeypatch.setattr(command, "aws_session", lambda: cloud)

    document = json.loads(CliRunner().invoke(jitr, ["status", "--iam-policy", "--stack", "stack"]).output)

    assert "arn:aws-us-gov:dynamodb:eu-central-1:210987654321:table/ledger" in str(document)
