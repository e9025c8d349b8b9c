"""One deadline that every step checks."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from iot_jitr_runtime.deadline import Deadline
from tests.support.clock import Clock


def test_there_is_time_for_a_step_that_ends_before_the_deadline() -> None:
    clock = Clock()
    deadline = Deadline(clock() + timedelta(seconds=10), clock)

    assert deadline.allows()
    assert deadline.allows(timedelta(seconds=9))
    assert not deadline.allows(timedelta(seconds=10))
    clock.pass_time(seconds=10)
    assert not deadline.allows()


def test_unused_time_of_a_step_is_shared_by_the_later_steps() -> None:
    clock = Clock()
    begun = clock()
    deadline = Deadline(begun + timedelta(seconds=90), clock)

    assert deadline.share(1 / 3).at == begun + timedelta(seconds=30)
    clock.pass_time(seconds=10)
    assert deadline.share(1 / 2).at == begun + timedelta(seconds=50)
    assert deadline.share(1).at == deadline.at


def test_an_invocation_keeps_time_for_its_last_step() -> None:
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)

    left = Deadline.of_invocation(context, reserved=timedelta(seconds=20)).at - datetime.now(UTC)

    assert timedelta(seconds=39) < left <= timedelta(seconds=40)
