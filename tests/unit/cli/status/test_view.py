"""A snapshot as people read it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from rich.console import Console

from iot_jitr_cli.status.figures import DecisionCounts
from iot_jitr_cli.status.ledger import LedgerCounts
from iot_jitr_cli.status.snapshot import CaState, CrlState, QueueCounts, Snapshot, Unknown
from iot_jitr_cli.status.view import in_words, view
from tests.support import doctor_account as dc
from tests.support.crls import NO_END
from tests.support.fleet_page import HEALTHY, NOW


def shown(found: Snapshot) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123  thrown away
    console.print(view(found))
    return console.export_text()


def test_everything_is_shown_at_a_glance() -> None:
    text = shown(HEALTHY)

    for part in (
        "stack in eu-central-1, 2026-06-01 12:00:00Z",
        "no alarm is active",
        "1,203 certificates in the ledger (all rows)",
        "now 9.9 of 10 activations a second",
        "12 waiting, 3 in flight, 0 delayed, the oldest 1 min 35 s",
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
            ledger=LedgerCounts({}, 10_000, complete=False, by_ca={}, clusters=()),
            queues=QueueCounts(0, 0, 0, None, 2),
            quota_per_second=None,
            cas=(CaState("Old", dc.CA_ID, "ACTIVE", "ENABLE", NOW, NOW + timedelta(days=9), 1),),
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


def test_certificates_and_crls_without_end_are_shown() -> None:
    text = shown(
        replace(
            HEALTHY,
            cas=(CaState("Endless", dc.CA_ID, "ACTIVE", "ENABLE", NOW, NO_END, 1),),
            crls=(CrlState("Endless", 1, 0, NOW, NO_END, "https://crl"),),
        )
    )

    assert text.count("without an end") == 2


def test_each_unknown_part_is_shown_with_its_reason() -> None:
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


def test_without_figures_and_crls_the_view_explains_why() -> None:
    text = shown(replace(HEALTHY, decisions=DecisionCounts(24, {}, {}, 0), crls=()))

    assert "no figures in 24 hours" in text
    assert "every CA was declared to have no CRL" in text


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0 s"), (59, "59 s"), (3661, "1 h 1 min"), (86_400, "1 d"), (-90, "-1 min 30 s")],
)
def test_durations_have_two_units(seconds: int, expected: str) -> None:
    assert in_words(timedelta(seconds=seconds)) == expected
