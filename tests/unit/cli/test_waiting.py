"""Waiting with a limit."""

from iot_jitr_cli.waiting import wait_until
from tests.support.clock import Stopwatch


def test_the_condition_is_checked_until_the_limit_and_once_more() -> None:
    clock, checked_at = Stopwatch(), list[float]()

    def never() -> None:
        checked_at.append(clock.now)

    assert wait_until(never, limit=3, interval=1, clock=clock, sleep=clock.sleep) is None
    assert checked_at == [0, 1, 2, 3, 4]


def test_what_the_condition_returns_is_returned() -> None:
    results = iter(["", "found", "more"])

    assert wait_until(lambda: next(results), limit=60, interval=0) == "found"


def test_a_condition_that_becomes_true_during_a_long_pause_is_accepted() -> None:
    clock = Stopwatch()

    def hold_up(_seconds: float) -> None:
        clock.sleep(3600)

    assert wait_until(lambda: clock.now > 0, limit=1, clock=clock, sleep=hold_up)
