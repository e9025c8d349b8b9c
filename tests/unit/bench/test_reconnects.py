"""The page has what the run of revoked devices that reconnect has left."""

import json
from pathlib import Path

from bench.reconnects import RESULTS, report

KEPT = json.loads(RESULTS.read_text())
REVOCATION = (Path(__file__).parents[3] / "docs" / "revocation.md").read_text()


def test_the_page_has_the_table_of_the_run() -> None:
    assert report(KEPT) in REVOCATION


def test_the_saved_run_is_the_one_on_the_page() -> None:
    assert (KEPT["revoked"], KEPT["calls_a_second"], len(KEPT["reconnects"])) == (2_000, 10, 500)
    assert KEPT["admitted_before"]
    assert f"{KEPT['still_active_at_the_end']} certificates were still `ACTIVE`" in REVOCATION


def test_the_guard_admitted_none_and_many_were_admitted_without_it() -> None:
    assert not any(each["guarded"] for each in KEPT["reconnects"])
    assert sum(each["unguarded"] for each in KEPT["reconnects"]) > 200
