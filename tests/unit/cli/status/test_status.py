"""`jitr status`: each part by itself, bounded, and shown as people read it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import ANY
from click.testing import CliRunner
from rich.console import Console

from iot_jitr_cli.deployment import Deployment, NoSuchStackError
from iot_jitr_cli.doctor.asking import CannotTellError, MissingPermissionError, NoAnswerError
from iot_jitr_cli.doctor.facts.function import FunctionFacts
from iot_jitr_cli.doctor.facts.pipeline import PipelineFacts
from iot_jitr_cli.main import jitr
from iot_jitr_cli.status import command, figures, parts
from iot_jitr_cli.status.collect import _quota, snapshot
from iot_jitr_cli.status.snapshot import (
    CaState,
    CrlState,
    Decisions,
    Ledger,
    Queues,
    Snapshot,
    Unknown,
    learned,
)
from iot_jitr_cli.status.view import spoken, view
from iot_jitr_runtime.revocation.index import DamagedIndexError
from iot_jitr_runtime.revocation.store import IndexMissingError
from tests.support import doctor_case as dc
from tests.support.doctor_cloud import NOW, Cloud, configuration, stack

OUTPUTS = {**dc.OUTPUTS, "MetricsNamespace": "IotJitr", "ServiceName": "stack/Jitr"}
DEPLOYMENT = Deployment("stack", dc.REGION, OUTPUTS)
HEALTHY = Snapshot(
    stack="stack",
    region=dc.REGION,
    taken_at=NOW,
    quota_per_second=10,
    ledger=Ledger({"activated": 1200, "refused: expired": 3}, rows=1210, complete=True),
    decisions=Decisions(24, {"Activated": 1200, "Refused": 3}, {"expired": 3}, 9.87),
    queues=Queues(12, 3, 0, 95.0, 0),
    cas=(CaState("Factory", dc.CA_ID, "ACTIVE", "ENABLE", NOW + timedelta(days=900), 1200),),
    crls=(
        CrlState("Factory", 7, 1_000_000, NOW - timedelta(hours=2), NOW + timedelta(hours=5), "https://crl"),
    ),
    alarms=(),
    errors={},
    log_groups=("/log/activator",),
)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    fresh = Cloud()
    yield fresh
    fresh.check()


def shown(found: Snapshot) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123  thrown away
    console.print(view(found))
    return console.export_text()


# figures


def metric_answer(**sums: float) -> dict[str, Any]:
    names = ["Activated", "Refused", "Deferred", "DeadLettered", "Stale"]
    results = [
        {"Id": f"m{number}", "Values": [sums[name]] if name in sums else []}
        for number, name in enumerate(names)
    ]
    return {"MetricDataResults": results}


def test_decisions_are_counted_by_outcome_and_reason_and_the_rate_is_that_of_five_minutes(
    cloud: Cloud,
) -> None:
    reason = {"Id": "m5", "Values": [2.0, 1.0]}
    day = metric_answer(Activated=100, Refused=3)
    day["MetricDataResults"].append(reason)
    cloud.answers(
        "cloudwatch", "get_metric_data", day, {"MetricDataQueries": ANY, "StartTime": ANY, "EndTime": NOW}
    )
    cloud.answers("cloudwatch", "get_metric_data", metric_answer(Activated=600))

    found = figures.decisions(cloud, DEPLOYMENT, NOW)  # type: ignore[arg-type]

    assert found.outcomes == {"Activated": 100, "Refused": 3}
    assert list(found.reasons.values()) == [3]
    assert found.activated_per_second == 2.0


def test_no_figures_are_a_quiet_day(cloud: Cloud) -> None:
    for _ in range(2):
        cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})

    found = figures.decisions(cloud, DEPLOYMENT, NOW)  # type: ignore[arg-type]

    assert (found.outcomes, found.activated_per_second) == ({}, 0)


def test_a_stack_that_does_not_say_where_its_metrics_are_is_told(cloud: Cloud) -> None:
    with pytest.raises(CannotTellError, match="deploy it again"):
        figures.decisions(cloud, Deployment("stack", dc.REGION, dc.OUTPUTS), NOW)  # type: ignore[arg-type]


def _page(count: int, *, more: bool, **item: str) -> dict[str, Any]:
    items = [{"certificateId": {"S": str(n)}, **{k: {"S": v} for k, v in item.items()}} for n in range(count)]
    key = {"LastEvaluatedKey": {"certificateId": {"S": "x"}}} if more else {}
    return {"Items": items, "Count": count, "ScannedCount": count, **key}


def test_the_ledger_is_read_up_to_a_limit_and_says_so(cloud: Cloud) -> None:
    cloud.answers("dynamodb", "scan", _page(1000, more=True, state="activated"))
    cloud.answers("dynamodb", "scan", _page(500, more=True, state="refused", reason="expired"))

    found = figures.ledger(cloud, DEPLOYMENT, 1500)  # type: ignore[arg-type]

    assert found == Ledger({"activated": 1000, "refused: expired": 500}, 1500, complete=False)


def test_a_small_ledger_is_read_whole_and_counters_are_no_certificates(cloud: Cloud) -> None:
    cloud.answers("dynamodb", "scan", _page(2, more=False, state="activated", reason="expired"))
    assert figures.ledger(cloud, DEPLOYMENT, 10_000).states == {"activated": 2}  # type: ignore[arg-type]

    cloud.answers("dynamodb", "scan", _page(2, more=False))
    assert figures.ledger(cloud, DEPLOYMENT, 10_000) == Ledger({}, 2, complete=True)  # type: ignore[arg-type]


def test_no_row_may_be_asked_for(cloud: Cloud) -> None:
    assert figures.ledger(cloud, DEPLOYMENT, 0) == Ledger({}, 0, complete=False)  # type: ignore[arg-type]


# parts


def facts(**values: Any) -> Any:
    return SimpleNamespace(**values)


def queue(messages: int) -> Any:
    return facts(visible=messages, in_flight=1, delayed=2, messages=messages + 3)


def test_queues_are_counted_with_the_age_of_the_oldest() -> None:
    pipeline = facts(activation_queue=queue(4), dead_letter_queue=queue(0))

    found = parts.queues(pipeline, facts(recent={"oldest_message_seconds": 9.0}))

    assert found == Queues(4, 1, 2, 9.0, 3)


def test_an_age_that_may_not_be_asked_is_left_out() -> None:
    class Denied:
        @property
        def recent(self) -> Any:
            raise MissingPermissionError("cloudwatch:GetMetricData")

    found = parts.queues(facts(activation_queue=queue(0), dead_letter_queue=queue(0)), Denied())  # type: ignore[arg-type]

    assert found.oldest_seconds is None


def test_a_missing_queue_is_told() -> None:
    with pytest.raises(CannotTellError, match="jitr doctor"):
        parts.queues(facts(activation_queue=None, dead_letter_queue=queue(0)), facts(recent={}))


def _ca_answer() -> dict[str, Any]:
    return {
        "certificateDescription": {
            "certificateArn": "arn:ca",
            "certificateId": dc.CA_ID,
            "status": "ACTIVE",
            "autoRegistrationStatus": "DISABLE",
            "certificatePem": dc.ca().certificate.pem,
        }
    }


def test_a_ca_is_shown_with_its_devices_in_service(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_ca_certificate", _ca_answer())
    counters = [{"certificateId": {"S": f"#{n}"}, "devices": {"N": "21"}} for n in range(2)]
    cloud.answers("dynamodb", "batch_get_item", {"Responses": {"ledger": counters}, "UnprocessedKeys": {}})

    (found,) = parts.cas(cloud, DEPLOYMENT)  # type: ignore[arg-type]

    assert (found.name, found.status, found.auto_registration, found.devices) == (
        "Factory",
        "ACTIVE",
        "DISABLE",
        42,
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("ResourceNotFoundException", CannotTellError),
        ("UnauthorizedException", MissingPermissionError),
        ("InternalFailureException", NoAnswerError),
    ],
)
def test_a_ca_that_cannot_be_looked_at_is_told(cloud: Cloud, code: str, expected: type[Exception]) -> None:
    cloud.refuses("iot", "describe_ca_certificate", code)

    with pytest.raises(expected):
        parts.cas(cloud, DEPLOYMENT)  # type: ignore[arg-type]


def activator(**variables: str) -> Any:
    cas = {dc.CA_ID: {"revocation": "crl"}}
    told = {"JITR_CAS": json.dumps(cas), "JITR_REVOCATION_BUCKET": "indexes", **variables}
    healthy = dc.Patient().facts()["activator"]
    return facts(activator=replace(healthy, environment=told))


class _Index:
    """An index with one CRL."""

    max_age = None

    def __init__(self) -> None:
        self.closed = False
        record = facts(
            number=7,
            entries=3,
            this_update=NOW,
            origin=facts(location="https://crl"),
            usable_until=lambda _age: NOW + timedelta(hours=1),
        )
        self.crls = [record]

    def close(self) -> None:
        self.closed = True


def test_crls_are_read_from_the_index(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    index = _Index()
    monkeypatch.setattr(parts.IndexStore, "download", lambda *_: None)
    monkeypatch.setattr(parts.Index, "open", lambda _path: index)

    (found,) = parts.crls(cloud, DEPLOYMENT, activator())  # type: ignore[arg-type]

    assert (found.ca, found.number, found.entries, found.location) == ("Factory", 7, 3, "https://crl")
    assert index.closed


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (IndexMissingError("none published"), "none published"),
        (DamagedIndexError("half"), "is damaged: half"),
    ],
)
def test_an_index_that_cannot_be_read_is_told_with_its_ca(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def download(*_: Any) -> None:
        raise error

    monkeypatch.setattr(parts.IndexStore, "download", download)

    with pytest.raises(CannotTellError, match=f"CA 'Factory'.*{message}"):
        parts.crls(cloud, DEPLOYMENT, activator())  # type: ignore[arg-type]


def test_without_a_bucket_there_are_no_crls(cloud: Cloud) -> None:
    assert parts.crls(cloud, DEPLOYMENT, facts(activator=None)) == ()  # type: ignore[arg-type]


def test_alarms_that_ring_say_what_happened(cloud: Cloud) -> None:
    cloud.answers(
        "cloudwatch",
        "describe_alarms",
        {"MetricAlarms": [{"AlarmName": "a", "AlarmDescription": "Dead letters"}, {"AlarmName": "b"}]},
        {"AlarmNamePrefix": "stack-", "StateValue": "ALARM"},
    )

    assert parts.ringing(cloud, DEPLOYMENT) == ("Dead letters", "b")  # type: ignore[arg-type]


def test_last_errors_are_named_by_their_log_group(cloud: Cloud) -> None:
    event = {"timestamp": 1, "message": "[ERROR] x"}
    cloud.answers("logs", "filter_log_events", {"events": [event]})
    for _ in range(3):
        cloud.answers("logs", "filter_log_events", {"events": []})

    assert parts.errors(cloud, DEPLOYMENT, NOW) == {"/log/activator": "[ERROR] x"}  # type: ignore[arg-type]


# the whole


def test_a_part_that_may_not_be_read_costs_only_itself(cloud: Cloud) -> None:
    for _ in range(2):
        cloud.answers("cloudformation", "describe_stacks", stack(MetricsNamespace="N", ServiceName="s"))
    cloud.answers("lambda", "get_function_configuration", configuration(JITR_ACTIVATIONS_PER_SECOND="10"))
    cloud.refuses("dynamodb", "scan", "AccessDeniedException")
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})
    for _ in range(2):
        cloud.answers("sqs", "get_queue_attributes", {"Attributes": {"QueueArn": "arn:q"}})
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})
    cloud.refuses("iot", "describe_ca_certificate", "UnauthorizedException")
    cloud.answers("cloudwatch", "describe_alarms", {"MetricAlarms": []})
    for _ in range(3):
        cloud.answers("logs", "filter_log_events", {"events": []})

    found = snapshot(cloud, "stack", now=NOW)  # type: ignore[arg-type]

    assert found.quota_per_second == 10
    assert found.queues == Queues(0, 0, 0, None, 0)
    assert {each.permission for each in found.unknown} == {"dynamodb:Scan", "iot:DescribeCACertificate"}


def test_without_the_function_there_is_no_quota_to_compare_with() -> None:
    cloud = Cloud()
    cloud.answers("cloudformation", "describe_stacks", stack())
    cloud.refuses("lambda", "get_function_configuration", "AccessDeniedException")
    pipeline = PipelineFacts(cloud, "stack")  # type: ignore[arg-type]

    assert _quota(FunctionFacts(cloud, pipeline, NOW)) is None  # type: ignore[arg-type]


def test_a_stack_that_is_not_there_is_an_error(cloud: Cloud) -> None:
    cloud.refuses("cloudformation", "describe_stacks", "ValidationError", "Stack x does not exist")

    with pytest.raises(NoSuchStackError):
        snapshot(cloud, "x")  # type: ignore[arg-type]


def test_what_could_not_be_learned_keeps_its_reason() -> None:
    def read() -> int:
        raise MissingPermissionError("a:b")

    assert learned(read) == Unknown("the permission a:b is missing", "a:b")
    assert learned(lambda: 5) == 5


# view


def test_everything_is_shown_at_a_glance() -> None:
    text = shown(HEALTHY)

    for part in (
        "stack in eu-central-1, 2026-06-01 12:00:00Z",
        "no alarm rings",
        "1,203 certificates in the ledger (all rows)",
        "now 9.9 of 10 activations a second",
        "12 waiting, 3 at work or put back, 0 delayed, the oldest 1 min 35 s",
        "1,200 in service",
        "expires in 900 d",
        "number 7",
        "1,000,000 entries",
        "issued 2 h ago",
        "next in 5 h",
        "none in the last 15 minutes (/log/activator)",
    ):
        assert part in text


def test_what_needs_a_person_stands_out() -> None:
    text = shown(
        replace(
            HEALTHY,
            alarms=("Dead letters. What to do: …",),
            ledger=Ledger({}, 10_000, complete=False),
            queues=Queues(0, 0, 0, None, 2),
            quota_per_second=None,
            cas=(CaState("Old", dc.CA_ID, "ACTIVE", "ENABLE", NOW + timedelta(days=9), 1),),
            crls=(CrlState("Old", 1, 0, NOW, NOW - timedelta(1), "x\x1b[2J"),),
            errors={"/log": "boom\x07"},
        )
    )

    assert "✗ Dead letters" in text
    assert "the first 10,000 rows, there are more" in text
    assert "dead letters: 2" in text
    assert "expires in 9 d ← soon" in text
    assert "STALE" in text
    assert "/log: boom�" in text
    assert "\x1b" not in text


def test_what_is_not_there_is_said() -> None:
    unknown = Unknown("the permission a:b is missing", "a:b")
    text = shown(
        replace(
            HEALTHY,
            ledger=unknown,
            decisions=unknown,
            queues=unknown,
            cas=unknown,
            crls=unknown,
            alarms=unknown,
            errors=unknown,
        )
    )

    assert text.count("? the permission a:b is missing") == 7


def test_no_figures_and_no_crls_are_said_in_words() -> None:
    text = shown(replace(HEALTHY, decisions=Decisions(24, {}, {}, 0), crls=()))

    assert "no figures in 24 hours" in text
    assert "every CA was declared to have no CRL" in text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59, "59 s"), (3661, "1 h 1 min"), (86_400, "1 d"), (-90, "-1 min 30 s")],
)
def test_durations_are_said_in_two_units(seconds: int, expected: str) -> None:
    assert spoken(timedelta(seconds=seconds)) == expected


# command


def run(monkeypatch: pytest.MonkeyPatch, found: Snapshot, *arguments: str) -> Any:
    monkeypatch.setattr(command, "aws_session", lambda: None)
    monkeypatch.setattr(command, "snapshot", lambda *_: found)
    return CliRunner().invoke(jitr, ["status", *arguments])


def test_a_healthy_deployment_exits_0(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, HEALTHY)

    assert result.exit_code == 0, result.output
    assert "no alarm rings" in result.output


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
        monkeypatch.setattr(command.time, "sleep", pause)
        result = run(monkeypatch, HEALTHY, "--watch", "--every", "2")

    assert result.exit_code == 130
    assert len(looks) == 3
    assert "no alarm rings" in (tmp_path / "screen").read_text()
