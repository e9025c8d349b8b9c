"""The benchmark of the connect guard runs, and the page has its tables."""

import json
from pathlib import Path

import pytest

from bench.connect_guard import RESULTS, arithmetic, measure, report, starting
from tools.cost import guard_environments

PERFORMANCE = (Path(__file__).parents[3] / "docs" / "performance.md").read_text()


def test_it_measures_answers_and_cold_starts(tmp_path: Path) -> None:
    """With a small index and few connects; the handler itself counts that half of them are refused."""
    measured = measure(tmp_path, entries=2_000, count=400, starts=1)

    assert 0 < measured["handler"]["p50_cpu_ms"] <= measured["handler"]["p99_cpu_ms"]
    assert set(measured["starts"]) == set(json.loads(RESULTS.read_text())["starts"])
    assert report(measured).count("\n") > 10


def test_the_page_has_the_saved_results() -> None:
    kept = json.loads(RESULTS.read_text())
    answers, _, starts = report(kept).partition("\n\nindex ")

    assert answers in PERFORMANCE
    for line in starts.splitlines()[4:]:
        assert line.split("|", 2)[2] in PERFORMANCE


def test_the_page_has_the_arithmetic_of_a_storm() -> None:
    kept = json.loads(RESULTS.read_text())

    assert arithmetic(kept["starts"]["guard, a million"]["elapsed_seconds"]) in PERFORMANCE


@pytest.mark.parametrize(("rate", "needed"), [(1, 1), (500, 50), (3_000, 300)])
def test_lambdas_quota_needs_more_environments_than_the_duration(rate: int, needed: int) -> None:
    assert guard_environments(rate) == needed


def test_a_storm_starts_an_environment_for_each_connect_before_the_first_is_ready() -> None:
    assert starting(500, 0.8) == 400
