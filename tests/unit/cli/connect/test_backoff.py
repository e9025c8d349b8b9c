"""The range of the random delay between two attempts."""

import random

import pytest

from iot_jitr_cli.connect.backoff import Backoff


@pytest.mark.parametrize(
    ("backoff", "attempt", "longest"),
    [
        (Backoff(), 1, 2.0),
        (Backoff(), 2, 4.0),
        (Backoff(), 3, 8.0),
        (Backoff(), 4, 15.0),
        (Backoff(), 10**9, 15.0),
        (Backoff(0.25, 0.75), 1, 0.5),
        (Backoff(0.25, 0.75), 2, 0.75),
    ],
)
def test_the_range_doubles_with_each_attempt_up_to_the_longest(
    monkeypatch: pytest.MonkeyPatch, backoff: Backoff, attempt: int, longest: float
) -> None:
    monkeypatch.setattr(random, "uniform", lambda *limits: limits)

    assert backoff.wait_after(attempt) == (backoff.shortest, longest)


@pytest.mark.parametrize(("shortest", "longest"), [(0, 1), (-1, 1), (2, 1)])
def test_an_invalid_range_of_waits_is_refused(shortest: float, longest: float) -> None:
    with pytest.raises(ValueError, match="shortest"):
        Backoff(shortest, longest)
