"""The rate limiter: one rate over all callers, devices first come first served, background tasks beside."""

import heapq
import math
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iot_jitr_runtime.activator.slots import WAIT_IN_FUNCTION
from iot_jitr_runtime.outcomes import DeferredError, Reason
from iot_jitr_runtime.rate_limiter import (
    BACKGROUND_SHARE,
    DISCONNECTS_PER_SECOND,
    NEXT_SLOT,
    RATE_LIMITER_KEY,
    SHORT_QUEUE,
    UTILISATION,
    NoSlotError,
    RateLimiter,
)
from tests.support.account import Account
from tests.support.clock import Clock
from tests.support.faults import Fault, injected

KEY = {"certificateId": {"S": RATE_LIMITER_KEY}}
INTERVAL = 100 / UTILISATION
"""Milliseconds between two slots at 10 a second."""


def limiter(aws: Account, per_second: float = 10) -> RateLimiter:
    return aws.rate_limiter(per_second)


@pytest.mark.parametrize(
    ("reservations", "slots"),
    [
        ([(0, 1)], [0]),
        ([(0, 4)], [int(number * INTERVAL) for number in range(4)]),
        ([(0, 10), (0, 1)], [int(10 * INTERVAL)]),
        ([(0, 10), (60, 1)], [60_000]),
    ],
    ids=["an empty queue", "one interval apart", "behind the last one", "all are in the past"],
)
def test_each_reservation_has_the_next_slots(
    aws: Account, reservations: list[tuple[int, int]], slots: list[int]
) -> None:
    begun, reserved = aws.clock.milliseconds, []
    for seconds, count in reservations:
        aws.clock.pass_time(seconds=seconds)
        reserved = limiter(aws).reserve(count)

    assert [slot - begun for slot in reserved] == slots


def test_two_workers_that_find_an_empty_queue_do_not_reserve_the_same_slots(aws: Account) -> None:
    others: list[int] = []

    def be_faster(**_: object) -> None:
        if not others:
            others.append(-1)
            others[:] = limiter(aws).reserve(3)

    # The first call finds an empty queue; before the second one can restart it, another worker does.
    aws.dynamodb.meta.events.register("after-call.dynamodb.UpdateItem", be_faster)
    mine = limiter(aws).reserve(3)

    assert others + mine == [aws.clock.milliseconds + int(number * INTERVAL) for number in range(6)]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(min_value=0, max_value=3000), st.integers(min_value=1, max_value=10)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from([1, 10, 100, 1000]),
)
def test_no_two_slots_are_closer_than_the_rate_allows(
    aws: Account, arrivals: list[tuple[int, int]], rate: int
) -> None:
    aws.dynamodb.delete_item(TableName=aws.table, Key=KEY)
    slots = []
    for pause, count in arrivals:
        aws.clock.pass_time(milliseconds=pause)
        slots += limiter(aws, rate).reserve(count)

    assert slots == sorted(slots)
    # Slots are whole milliseconds cut from whole microseconds, so a pair may be a millisecond short.
    assert all(after - before >= 1000 / rate - 1 for before, after in pairwise(slots))


def test_a_slot_further_away_than_the_caller_accepts_is_not_reserved(aws: Account) -> None:
    limiter(aws).reserve(100)

    with pytest.raises(NoSlotError, match="asked for one within 5000 ms"):
        limiter(aws).reserve(1, within=SHORT_QUEUE)

    assert limiter(aws).reserve(1) == [aws.clock.milliseconds + int(100 * INTERVAL)]


def test_a_slot_that_is_near_enough_is_reserved(aws: Account) -> None:
    limiter(aws).reserve(10)

    assert limiter(aws).reserve(1, within=SHORT_QUEUE) == [aws.clock.milliseconds + int(10 * INTERVAL)]


def contend(aws: Account) -> None:
    """Between any two calls of a worker another one moves the item: into the past, and into the future."""

    def spoil(**_: object) -> None:
        now = aws.clock.milliseconds * 1000
        item = {**KEY, **aws.dynamodb.get_item(TableName=aws.table, Key=KEY).get("Item", {})}
        for attribute in (NEXT_SLOT, "nextBackgroundSlotAt"):
            free = int(item[attribute]["N"]) if attribute in item else 0
            item[attribute] = {"N": str(0 if free > now else now + 1)}
        aws.dynamodb.put_item(TableName=aws.table, Item=item)

    aws.dynamodb.meta.events.register("after-call.dynamodb.UpdateItem", spoil)


def test_reserve_gives_up_after_four_conflicts(aws: Account) -> None:
    contend(aws)

    with pytest.raises(DeferredError) as deferred:
        limiter(aws).reserve(1)

    assert deferred.value.reason is Reason.THROTTLED


def test_a_background_task_treats_conflicts_as_no_slot(aws: Account) -> None:
    contend(aws)

    with pytest.raises(NoSlotError, match="at once"):
        limiter(aws).wait_for_background_slot(until=aws.clock() + timedelta(minutes=1))


def test_a_reservation_without_a_response_loses_only_its_slot(aws: Account) -> None:
    limiter(aws).reserve(1)
    with injected(aws.dynamodb, "UpdateItem", Fault.TIMEOUT_AFTER), pytest.raises(Exception, match="timeout"):
        limiter(aws).reserve(1)

    assert limiter(aws).reserve(1) == [aws.clock.milliseconds + int(2 * INTERVAL)]


def test_a_worker_sleeps_until_a_slot(aws: Account) -> None:
    begun = aws.clock.milliseconds

    limiter(aws).wait_until(begun + 700)

    assert aws.clock.milliseconds == begun + 700


def test_a_worker_spreads_late_messages_over_time(aws: Account) -> None:
    begun, worker = aws.clock.milliseconds, limiter(aws)

    started = []
    for number in range(4):
        worker.wait_until(begun - 1000 + number)
        started.append(aws.clock.milliseconds - begun)

    assert started == [0, 103, 206, 309]


def wait_in_background(aws: Account, per_second: float = 10, **limit: float) -> float:
    """Return for how many seconds a background task waited."""
    begun = aws.clock()
    limiter(aws, per_second).wait_for_background_slot(until=begun + timedelta(**(limit or {"minutes": 1})))
    return (aws.clock() - begun).total_seconds()


def test_background_tasks_get_the_whole_rate_while_no_device_waits(aws: Account) -> None:
    assert [wait_in_background(aws) for _ in range(4)] == [0, 0.103, 0.103, 0.103]


def test_a_background_task_waits_behind_a_short_queue(aws: Account) -> None:
    limiter(aws).reserve(10)

    assert wait_in_background(aws) == pytest.approx(10 * INTERVAL / 1000, abs=0.001)


def test_background_tasks_keep_their_share_behind_a_long_queue(aws: Account) -> None:
    limiter(aws).reserve(1_000_000)

    waited = [wait_in_background(aws) for _ in range(4)]

    assert waited == [0, *[1 / (10 * BACKGROUND_SHARE)] * 3]


def test_the_share_of_background_tasks_delays_no_device(aws: Account) -> None:
    limiter(aws).reserve(1_000)
    wait_in_background(aws)
    begun = aws.clock.milliseconds

    [slot] = limiter(aws).reserve(1)
    assert slot - begun == pytest.approx(1_000 * INTERVAL, abs=1)
    assert UTILISATION + BACKGROUND_SHARE < 1


def test_a_background_task_reserves_no_slot_beyond_its_time(aws: Account) -> None:
    limiter(aws).reserve(1_000)
    wait_in_background(aws)
    for limit in ({"seconds": 4.9}, {"seconds": 0}, {"seconds": -1}):
        with pytest.raises(NoSlotError):
            wait_in_background(aws, **limit)

    assert wait_in_background(aws, seconds=5.1) == 5


class Simulation:
    """Activator, sweep and reconciler on one clock that jumps from event to event."""

    RATE = 10
    STORM = 600
    END = 150_000

    def __init__(self, aws: Account) -> None:
        self.aws, self.clock = aws, Clock()
        self.begun = self.clock.milliseconds
        self.calls: list[int] = []
        self.done = {"device": 0, "sweep": 0, "reconciler": 0}
        self.slept = 0.0
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0

    @property
    def now(self) -> int:
        return self.clock.milliseconds - self.begun

    def limiter(self) -> RateLimiter:
        """The limiter of one worker. The other workers continue while it sleeps."""

        def sleep(seconds: float) -> None:
            self.slept = seconds

        return RateLimiter(self.aws.ledger.items, self.RATE, self.clock, sleep)

    def at(self, moment: int, action: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (moment, self._number, action))

    def run(self) -> None:
        while self._events and self._events[0][0] <= self.END:
            moment, _, action = heapq.heappop(self._events)
            self.clock.pass_time(milliseconds=moment - self.now)
            action()

    def call(self, name: str) -> int:
        """Count a sequence of AWS IoT calls that begins when the caller has slept; return when it ends."""
        begins = self.now + round(self.slept * 1000)
        self.slept = 0
        self.calls.append(begins)
        self.done[name] += 1
        return begins + 150

    def devices(self, count: int) -> None:
        """A batch of new devices. Its worker uses near slots; other messages sleep in whole seconds."""
        worker = self.limiter()
        messages: dict[int, list[int]] = {}
        for slot in worker.reserve(count):
            wait = timedelta(milliseconds=slot - self.begun - self.now)
            seconds = 0 if wait <= WAIT_IN_FUNCTION else math.ceil(wait.total_seconds())
            messages.setdefault(seconds, []).append(slot)
        for seconds, slots in messages.items():
            another = worker if seconds == 0 else self.limiter()
            self.at(
                self.now + seconds * 1000, lambda worker=another, slots=slots: self.activate(worker, slots)
            )

    def activate(self, worker: RateLimiter, slots: list[int]) -> None:
        worker.wait_until(slots[0])
        ended = self.call("device")
        if slots[1:]:
            self.at(ended, lambda: self.activate(worker, slots[1:]))

    def background(self, name: str, limiter: RateLimiter) -> None:
        """A task with endless work, in runs of a minute."""
        try:
            limiter.wait_for_background_slot(until=self.clock() + timedelta(minutes=1))
        except NoSlotError:
            self.at(self.now + 60_000, lambda: self.background(name, limiter))
        else:
            self.at(self.call(name), lambda: self.background(name, limiter))


def test_all_callers_together_stay_within_the_rate(aws: Account) -> None:
    """Devices alone, with the sweep and the reconciler in a storm, and without devices at the end."""
    simulation = Simulation(aws)
    for number in range(simulation.STORM // 10):
        simulation.at(number * 20, lambda: simulation.devices(10))
    for number in range(20):
        simulation.at(90_000 + 1_000 * number, lambda: simulation.devices(3))
    for name in ("sweep", "reconciler"):
        simulation.at(5_000, lambda name=name: simulation.background(name, simulation.limiter()))
    simulation.run()

    calls = sorted(simulation.calls)
    tokens, filled = 10.0, 0
    for moment in calls:
        # AWS IoT's quota with one second's worth of burst: no call is throttled.
        tokens, filled = min(10.0, tokens + (moment - filled) * simulation.RATE / 1000), moment
        assert tokens >= 1, f"throttled at {moment} ms"
        tokens -= 1
    for first, begins in enumerate(calls):
        for last in range(first, len(calls)):
            if (span := calls[last] - begins) > 90_000:
                assert last - first <= span * simulation.RATE / 1000
    in_storm = [moment for moment in calls if moment < 60_000]
    assert simulation.done["device"] == 660
    assert simulation.done["sweep"] > 100
    assert simulation.done["reconciler"] > 100
    assert len(in_storm) == pytest.approx(60 * 9.7 + 55 * 0.2, abs=10)


# DeleteConnection, which has a quota of its own


def test_disconnects_keep_to_the_accounts_quota_over_all_workers(aws: Account) -> None:
    workers = [limiter(aws) for _ in range(4)]
    began, times = aws.clock(), []
    for number in range(300):
        workers[number % 4].wait_to_disconnect(f"device-{number}", until=began + timedelta(minutes=1))
        times.append((aws.clock() - began).total_seconds())

    per_second = [sum(second <= at < second + 1 for at in times) for second in range(3)]
    assert max(per_second) <= DISCONNECTS_PER_SECOND
    assert min(per_second) >= 0.9 * DISCONNECTS_PER_SECOND


def test_disconnects_take_no_slot_of_the_devices(aws: Account) -> None:
    limiter(aws).wait_to_disconnect("device-1", until=aws.clock() + timedelta(minutes=1))
    [first, second] = limiter(aws).reserve(2)
    limiter(aws).wait_to_disconnect("device-2", until=aws.clock() + timedelta(minutes=1))

    assert first <= aws.clock.milliseconds < second


def test_one_client_id_is_disconnected_once_a_second_and_others_do_not_wait_for_it(aws: Account) -> None:
    worker, until = limiter(aws), aws.clock() + timedelta(minutes=1)
    began = aws.clock()
    worker.wait_to_disconnect("same", until=until)
    worker.wait_to_disconnect("other", until=until)
    assert aws.clock() - began < timedelta(seconds=0.1)
    worker.wait_to_disconnect("same", until=until)

    assert aws.clock() - began >= timedelta(seconds=1)
    aws.clock.pass_time(seconds=5)
    worker.wait_to_disconnect("third", until=until)
    assert set(worker._disconnected) == {"third"}, "it keeps client ids for a second only"


def test_without_a_slot_in_time_no_client_is_disconnected(aws: Account) -> None:
    worker = limiter(aws)
    with pytest.raises(NoSlotError):
        worker.wait_to_disconnect("device", until=aws.clock() - timedelta(seconds=1))
    worker._reserve("nextDisconnectAt", 300, 10_000, None)
    with pytest.raises(NoSlotError):
        worker.wait_to_disconnect("device", until=aws.clock() + timedelta(seconds=1))
