"""The text output of `jitr status`."""

from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from iot_jitr_cli.durations import format_time, in_words
from iot_jitr_cli.status.figures import DecisionCounts
from iot_jitr_cli.status.fleet import OVERVIEW, Fleet, Unknown
from iot_jitr_cli.status.ledger import LedgerCounts
from iot_jitr_cli.status.parts import QueueCounts
from iot_jitr_cli.status.view import view
from tests.support.crls import NO_END
from tests.support.fleet_page import certificate, fleet

HEALTHY = fleet([certificate(number) for number in range(1203)])


def shown(found: Fleet) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123  thrown away
    console.print(view(found))
    return console.export_text()


def test_the_view_shows_every_part() -> None:
    text = shown(HEALTHY.but(queues=QueueCounts(12, 3, 0, 95.0, 0)))

    for part in (
        "factory-fleet in eu-central-1, 2026-06-01 12:00:00Z",
        "no alarm is active",
        "1,203 certificates in the ledger (all rows)",
        "now 9.4 of 10 activations a second",
        "12 waiting, 3 in flight, 0 delayed, the oldest 1 min 35 s",
        "dead letters: 0",
        "903 in service",
        "expires in 2915 d",
        "expires in 41 d ← soon",
        "number 118",
        "21,904 entries",
        "issued 3 h ago",
        "next in 21 h",
        "STALE",
        "none in the last 15 minutes (/log/activator)",
    ):
        assert part in text


def test_problems_are_marked() -> None:
    text = shown(
        HEALTHY.but(
            alarms=("Dead letters. What to do: …",),
            ledger=LedgerCounts(rows=10_000),
            queues=QueueCounts(0, 0, 0, None, 2),
            quota_per_second=None,
            errors={"/log": "boom\x07\x1b[2J"},
        )
    )

    assert "✗ Dead letters" in text
    assert "the first 10,000 rows, there are more" in text
    assert "dead letters: 2" in text
    assert "/log: boom��[2J" in text
    assert "\x1b" not in text


def test_certificates_and_crls_without_end_are_shown() -> None:
    cas, crls = ([replace(each, **{end: NO_END}) for each in found] for found, end in (
        (HEALTHY.cas, "not_after"), (HEALTHY.crls, "next_update")
    ))  # fmt: skip

    assert shown(HEALTHY.but(cas=cas, crls=crls)).count("without an end") == 4


def test_each_unknown_part_is_shown_with_its_reason() -> None:
    unknown = dict.fromkeys(OVERVIEW, Unknown("the permission a:b is missing", "a:b"))

    assert shown(HEALTHY.but(**unknown)).count("? the permission a:b is missing") == len(OVERVIEW)


def test_without_figures_and_crls_the_view_explains_why() -> None:
    text = shown(HEALTHY.but(decisions=DecisionCounts(24, {}, {}, 0), crls=()))

    assert "no figures in 24 hours" in text
    assert "every CA was declared to have no CRL" in text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59, "59 s"), (3661, "1 h 1 min"), (86_400, "1 d"), (-90, "-1 min 30 s")],
)
def test_durations_have_two_units(seconds: int, expected: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == expected


def test_a_time_stamp_of_0_is_unknown() -> None:
    assert (format_time(1000), format_time(0)) == ("1970-01-01 00:00:01Z", "unknown")
