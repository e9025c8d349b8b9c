import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.pacing import CATCH_UP_SECONDS, Pacer


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_callers_pass_at_the_pace() -> None:
    time = Time()
    pacer = Pacer(5, time, time.sleep)

    passed = []
    for _ in range(5):
        pacer.wait()
        passed.append(round(time.now, 6))

    assert passed == [0, 0.2, 0.4, 0.6, 0.8]


@given(pauses=st.lists(st.floats(0, 3), max_size=60), rate=st.floats(0.5, 100))
def test_in_no_stretch_of_time_do_more_pass_than_the_pace_and_a_short_catch_up(
    pauses: list[float], rate: float
) -> None:
    time = Time()
    pacer = Pacer(rate, time, time.sleep)
    passed = []
    for pause in pauses:
        time.now += pause
        pacer.wait()
        passed.append(time.now)

    for i, start in enumerate(passed):
        for j in range(i, len(passed)):
            assert j - i <= (passed[j] - start + CATCH_UP_SECONDS) * rate + 1 + 1e-6


@pytest.mark.parametrize("rate", [0, -1])
def test_a_pace_that_lets_nothing_through_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        Pacer(rate)
