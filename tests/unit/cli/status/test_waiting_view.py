"""`jitr doctor --all` in a described account: the devices that are not active, by cause."""

from dataclasses import replace
from typing import Any

import pytest

from iot_jitr_cli.doctor.causes import Cause
from tests.support.doctor_account import DiagnosedDevice, ledger_row
from tests.support.sdk_session import DENIED

EMPTY = DiagnosedDevice(fleet=[ledger_row(1, state="activated", inFleet=True)])
SOME = EMPTY.but(
    fleet=[
        *(ledger_row(n, state="refused", reason="not_listed") for n in range(30)),
        *(ledger_row(n, state="deferred", reason="crl_stale", commonName="a\x1b[2J") for n in range(30, 77)),
    ],
    figures={"Activated": 2820.0},
    waiting=47,
)


def every(account: DiagnosedDevice, *arguments: object) -> dict[str, Any]:
    """What `jitr doctor --all --json` prints."""
    return dict(account.jitr("doctor", "--all", "--json", *arguments).json)


def test_each_cause_is_shown_with_its_count_its_fix_an_example_and_a_time() -> None:
    result = SOME.jitr("doctor", "--all")

    lines = result.out.splitlines()
    assert result.exit_code == 1
    assert lines[0].startswith("47  ")
    assert "[crl_stale]" in lines[0]
    assert lines[1].strip().startswith("→ ")
    assert "a\ufffd[2J" in lines[2]
    assert "jitr doctor --certificate-id " in lines[2]
    assert "takes 5 s" in lines[3]
    assert lines[4].startswith("30  ")
    assert "47 messages in the activation queue: empty in 5 s (at 9.4 a second, as now)" in result.out
    assert "77 rows of the ledger were read (all)" in result.out


def test_json_has_the_same() -> None:
    document = every(replace(SOME, dead_letters=[{}, {}]))

    assert [(each["cause"], each["certificates"]) for each in document["clusters"]] == [
        ("crl_stale", 47),
        ("not_listed", 30),
        ("dead_lettered", 2),
    ]
    first, _, dead_letters = document["clusters"]
    assert (first["title"], first["seconds"]) == (Cause.CRL_STALE.headline, 5.0)
    assert (dead_letters["example"], dead_letters["reasons"]) == (None, {})
    assert all(each["fix"] for each in document["clusters"])
    assert document["conclusion"] == "cause_found"
    assert (document["rows"], document["complete"], document["per_second"]) == (77, True, 9.4)


def test_reasons_with_one_cause_are_one_cluster() -> None:
    rows = [("deferred", "rate_limited"), ("deferred", "throttled"), ("deferred", "rate_limited")]
    rows += [("activating", "expired"), ("refused", "of a newer version")]
    fleet = [ledger_row(n, state=state, reason=reason) for n, (state, reason) in enumerate(rows)]

    throttled, other = every(EMPTY.but(fleet=[*fleet, ledger_row(9, state="activating")]))["clusters"]

    assert sorted((each["cause"], each["certificates"]) for each in (throttled, other)) == [
        ("being_decided", 3),
        ("throttled", 3),
    ]
    assert {"rate_limited": 2, "throttled": 1} in (throttled["reasons"], other["reasons"])
    assert {"expired": 1, "refused": 1, "activating": 1} in (
        throttled["reasons"],
        other["reasons"],
    )


def test_the_example_is_the_last_decided_and_since_is_the_first_seen() -> None:
    times = [(0, 5), (30, 50), (20, 40)]
    account = EMPTY.but(
        fleet=[
            ledger_row(
                n, state="refused", reason="expired", firstSeenAt=seen, decidedAt=at, serialNumber=f"a{n}"
            )
            for n, (seen, at) in enumerate(times)
        ]
    )

    (found,) = every(account)["clusters"]

    assert (found["example"]["serial_number"], found["example"]["decided_at"]) == ("a1", 50)
    assert found["first_seen_at"] == 20


def test_without_a_waiting_or_refused_device_there_is_no_cause() -> None:
    result = EMPTY.jitr("doctor", "--all")

    assert result.exit_code == 0, result.err
    assert result.out.startswith("no device is waiting or refused")
    assert every(EMPTY)["conclusion"] == "fine"


@pytest.mark.parametrize(
    ("account", "arguments", "shown"),
    [
        (EMPTY.responding(dynamodb_Scan=DENIED), [], "? the permission dynamodb:Scan is missing"),
        (EMPTY.but(waiting=None), [], "? a queue of the stack is missing"),
        (EMPTY.but(fleet=EMPTY.fleet * 2), ["--rows", 1], "there are more: see --rows"),
    ],
)
def test_without_a_cause_an_unreadable_part_makes_the_result_undetermined(
    account: DiagnosedDevice, arguments: list[object], shown: str
) -> None:
    result = account.jitr("doctor", "--all", *arguments)

    assert result.exit_code == 3
    assert "undetermined" in result.out
    assert shown in result.out
    assert every(account, *arguments)["conclusion"] == "undetermined"


@pytest.mark.parametrize(
    ("account", "arguments"),
    [(SOME, ["--rows", 1]), (EMPTY.but(dead_letters=[{}]), [])],
    ids=["rows", "dead"],
)
def test_with_a_cause_an_unreadable_part_does_not_change_the_exit_code(
    account: DiagnosedDevice, arguments: list[object]
) -> None:
    assert account.jitr("doctor", "--all", *arguments).exit_code == 1


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (SOME.but(figures={}), "(at 10 a second, the highest allowed)"),
        (SOME.responding(cloudwatch_GetMetricData=DENIED), "(at 10 a second, the highest allowed)"),
        (
            SOME.but(figures={}, environment={"JITR_ACTIVATIONS_PER_SECOND": ""}),
            "empty in an unknown time (at an unknown rate)",
        ),
    ],
)
def test_without_activations_times_use_the_configured_rate(account: DiagnosedDevice, expected: str) -> None:
    assert expected in account.jitr("doctor", "--all").out


def test_doctor_all_makes_only_the_calls_that_it_needs() -> None:
    account = SOME.but(figures={})
    account.jitr("doctor", "--all")

    assert set(account.calls) == {
        "cloudformation:DescribeStacks",
        "cloudwatch:GetMetricData",
        "dynamodb:Scan",
        "lambda:GetFunctionConfiguration",
        "sqs:GetQueueAttributes",
    }
