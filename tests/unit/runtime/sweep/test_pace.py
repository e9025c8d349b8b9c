"""How fast the sweep goes."""

from typing import Any

import pytest

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
