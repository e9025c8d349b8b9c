"""How fast the sweep goes, and what it does not do without a person."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.sweep.catch import DEFAULT_MINIMUM, DEFAULT_SHARE, SafetyCatch
from iot_jitr_runtime.sweep.pace import Pace
from tests.support.clock import Clock


class Line:
    """Turns that are free so many milliseconds from now."""

    per_second = 10.0

    def __init__(self, clock: Clock, *delays: int) -> None:
        self.clock = clock
        self.delays = list(delays)
        self.reserved = 0

    def reserve(self, count: int, *, now: int, within: int | None = None) -> list[int]:
        assert (count, within) == (1, None)
        self.reserved += 1
        return [now + self.delays.pop(0)]


@pytest.mark.parametrize(
    ("turn_in", "slept"),
    [(0, 0), (103, 0.103), (500, 0.5), (600_000, 0.5), (-50, 0)],
    ids=["idle", "alone", "just so long", "behind a fleet", "late"],
)
def test_the_sweep_waits_its_turn_but_not_behind_a_fleet(turn_in: int, slept: float) -> None:
    clock = Clock()
    slept_for: list[float] = []
    line: Any = Line(clock, turn_in)

    Pace(line, clock, slept_for.append).wait()

    assert slept_for == [slept]
    assert line.reserved == 1, "the turn is taken all the same"


def test_by_default_a_tenth_of_the_fleet_and_at_least_50_devices_wait_for_a_person() -> None:
    catch = SafetyCatch()

    assert (DEFAULT_SHARE, DEFAULT_MINIMUM) == (0.1, 50)
    assert not catch.holds(49, fleet=49)
    assert catch.holds(50, fleet=499)
    assert not catch.holds(50, fleet=500)
    assert not catch.holds(1_000, fleet=10_000)
    assert catch.holds(1_001, fleet=10_000)
    assert catch.holds(50, fleet=0)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0.001, 0.999), st.integers(1, 1000))
def test_what_is_let_through_is_few_devices_or_a_small_share(
    devices: int, fleet: int, share: float, minimum: int
) -> None:
    if not SafetyCatch(share, minimum).holds(devices, fleet):
        assert devices < minimum or devices <= share * fleet


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_at_a_share_of_1_the_catch_never_holds(devices: int, fleet: int) -> None:
    assert not SafetyCatch(share=1, minimum=1).holds(devices, fleet)
