"""The arithmetic between `activations_per_second` and the settings of queue and workers."""

import doctest

from hypothesis import given
from hypothesis import strategies as st

from iot_jitr import capacity
from iot_jitr.capacity import MAXIMUM_ACTIVATIONS_PER_SECOND, Capacity

RATES = st.integers(min_value=1, max_value=MAXIMUM_ACTIVATIONS_PER_SECOND)


@given(RATES)
def test_the_concurrency_is_within_the_range_of_an_event_source(rate: int) -> None:
    assert 2 <= Capacity(rate).concurrency <= 1000


@given(RATES)
def test_the_workers_have_four_tenths_of_a_second_for_each_certificate(rate: int) -> None:
    assert Capacity(rate).concurrency / rate >= 0.4


@given(RATES)
def test_the_workers_can_also_process_the_events_of_the_connect_quota(rate: int) -> None:
    capacity = Capacity(rate)

    left_over = capacity.concurrency - 0.4 * rate

    assert left_over * capacity.batch_size / 0.05 >= max(500, 10 * rate)


@given(RATES)
def test_a_full_batch_fits_into_half_of_the_time_out(rate: int) -> None:
    capacity = Capacity(rate)

    assert capacity.batch_size * 0.4 <= capacity.function_timeout.total_seconds() / 2


def test_the_documented_arithmetic_is_right() -> None:
    assert doctest.testmod(capacity).failed == 0
    assert doctest.testmod(capacity).attempted > 0
