"""`jitr doctor --all`: what it prints and how it exits."""

import json
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.doctor import command
from iot_jitr_cli.main import jitr
from iot_jitr_cli.status.collect import waiting
from iot_jitr_cli.status.ledger import LedgerCounts
from iot_jitr_cli.status.snapshot import QueueCounts, Unknown, Waiting
from tests.support.doctor_cloud import NOW, Cloud, configuration, stack
from tests.support.fleet_page import certificate, fleet

EMPTY = fleet([certificate(1)]).snapshot.waiting
SOME = fleet(
    [
        *(certificate(number, "refused", "not_listed") for number in range(30)),
        *(certificate(number, "deferred", "crl_stale", common_name="a\x1b[2J") for number in range(30, 77)),
    ]
).snapshot.waiting


def run(monkeypatch: pytest.MonkeyPatch, found: Waiting, *arguments: str) -> Result:
    monkeypatch.setattr(command, "aws_session", lambda: None)
    monkeypatch.setattr(command, "waiting", lambda *_: found)
    return CliRunner().invoke(jitr, ["doctor", "--all", *arguments])


def letters(found: Waiting, count: int) -> Waiting:
    assert isinstance(found.queues, QueueCounts)
    return replace(found, queues=replace(found.queues, dead_letters=count))


def incomplete(found: Waiting) -> Waiting:
    assert isinstance(found.ledger, LedgerCounts)
    return replace(found, ledger=replace(found.ledger, complete=False))


def test_each_cause_is_shown_with_its_count_its_fix_an_example_and_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = run(monkeypatch, SOME)

    lines = result.output.splitlines()
    assert result.exit_code == 1
    assert lines[0].startswith("47  ")
    assert "[crl_stale]" in lines[0]
    assert lines[1].strip().startswith("→ ")
    assert "a\ufffd[2J" in lines[2]
    assert "jitr doctor --certificate-id " in lines[2]
    assert "takes 5 s" in lines[3]
    assert lines[4].startswith("30  ")
    assert "47 messages in the activation queue: empty in 5 s (at 9.4 a second, as now)" in result.output
    assert "77 rows of the ledger were read (all)" in result.output


def test_json_has_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = json.loads(run(monkeypatch, letters(SOME, 2), "--json").output)

    assert [(each["cause"], each["certificates"]) for each in answer["clusters"]] == [
        ("crl_stale", 47),
        ("not_listed", 30),
        ("dead_lettered", 2),
    ]
    first = answer["clusters"][0]
    assert {"title", "fix", "reasons", "first_seen_at"} < first.keys()
    assert first["seconds"] == 5.0
    assert len(first["example"]["certificate_id"]) == 64
    assert answer["conclusion"] == "cause_found"
    assert (answer["rows"], answer["complete"], answer["per_second"]) == (77, True, 9.4)


def test_no_device_is_kept_out(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, EMPTY)

    assert result.exit_code == 0
    assert result.output.startswith("no device is kept out")
    assert json.loads(run(monkeypatch, EMPTY, "--json").output)["conclusion"] == "fine"


@pytest.mark.parametrize(
    "found",
    [
        replace(EMPTY, ledger=Unknown("the permission dynamodb:Scan is missing", "dynamodb:Scan")),
        replace(EMPTY, queues=Unknown("no answer")),
        incomplete(EMPTY),
    ],
)
def test_without_a_cause_what_could_not_be_read_leaves_it_undetermined(
    monkeypatch: pytest.MonkeyPatch, found: Waiting
) -> None:
    result = run(monkeypatch, found)

    assert result.exit_code == 3
    assert "undetermined" in result.output
    for each in found.unknown:
        assert f"? {each.why}" in result.output
    assert json.loads(run(monkeypatch, found, "--json").output)["conclusion"] == "undetermined"


def test_a_cause_is_an_answer_though_something_could_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, incomplete(SOME)).exit_code == ExitCode.NO
    assert run(monkeypatch, letters(EMPTY, 1)).exit_code == ExitCode.NO


@pytest.mark.parametrize(
    ("now", "limit", "expected"),
    [
        (0.0, 10.0, "(at 10 a second, the highest allowed)"),
        (Unknown("no"), 10.0, "(at 10 a second, the highest allowed)"),
        (0.0, None, "empty in an unknown time (at an unknown rate)"),
    ],
)
def test_without_activations_times_are_reckoned_at_the_limit(
    monkeypatch: pytest.MonkeyPatch, now: float | Unknown, limit: float | None, expected: str
) -> None:
    found = replace(SOME, activated_per_second=now, quota_per_second=limit)

    assert expected in run(monkeypatch, found).output


@pytest.mark.parametrize("more", [["--certificate-id", "a" * 64], []])
def test_all_or_one_device(monkeypatch: pytest.MonkeyPatch, more: list[str]) -> None:
    monkeypatch.setattr(command, "waiting", lambda *_: EMPTY)

    result = CliRunner().invoke(jitr, ["doctor", *(["--all", *more] if more else [])])

    assert result.exit_code == 2
    assert "--all" in result.output


def test_only_what_it_shows_is_read(cloud: Cloud) -> None:
    for _ in range(2):
        cloud.answers("cloudformation", "describe_stacks", stack(MetricsNamespace="N", ServiceName="s"))
    refused: dict[str, Any] = {
        "certificateId": {"S": "ab" * 32},
        "state": {"S": "refused"},
        "reason": {"S": "expired"},
    }
    cloud.answers("dynamodb", "scan", {"Items": [refused], "Count": 1, "ScannedCount": 1})
    for _ in range(2):
        cloud.answers("sqs", "get_queue_attributes", {"Attributes": {"QueueArn": "arn:q"}})
    rates = [{"Id": "oldest_message_seconds", "Values": []}]
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": rates})
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": [{"Id": "m0", "Values": [600.0]}]})
    cloud.answers("lambda", "get_function_configuration", configuration(JITR_ACTIVATIONS_PER_SECOND="10"))

    found = waiting(cloud, "stack", now=NOW)  # type: ignore[arg-type]

    assert [each.cause for each in found.clusters] == ["expired"]
    assert (found.per_second, found.quota_per_second, found.unknown) == (2.0, 10.0, ())
