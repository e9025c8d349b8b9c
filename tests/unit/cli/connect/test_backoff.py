import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.connect.backoff import ONE_CONNECT_A_SECOND, Backoff


@given(st.integers(1, 10**9))
def test_the_wait_is_between_a_second_and_the_longest_wait(attempt: int) -> None:
    assert ONE_CONNECT_A_SECOND <= Backoff().wait_after(attempt) <= Backoff().longest


@given(st.integers(1, 20), st.floats(0.001, 10), st.floats(1, 100))
def test_the_range_doubles_with_each_attempt_up_to_the_longest(
    attempt: int, shortest: float, factor: float
) -> None:
    backoff = Backoff(shortest, shortest * factor)

    limit = min(shortest * factor, shortest * 2**attempt)
    assert shortest <= backoff.wait_after(attempt) <= limit * (1 + 1e-9)


def test_waits_grow_on_average() -> None:
    early = [Backoff().wait_after(1) for _ in range(200)]
    late = [Backoff().wait_after(10) for _ in range(200)]

    assert sum(late) > 2 * sum(early)


def test_devices_that_start_together_do_not_reconnect_together() -> None:
    waits = {Backoff().wait_after(1) for _ in range(50)}

    assert len(waits) == 50


@pytest.mark.parametrize(("shortest", "longest"), [(0, 1), (-1, 1), (2, 1)])
def test_an_invalid_range_of_waits_is_refused(shortest: float, longest: float) -> None:
    with pytest.raises(ValueError, match="shortest"):
        Backoff(shortest, longest)
