import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.activator.retry import (
    DECISION_TTL,
    LONGEST_DELAY_SECONDS,
    decision_ttl,
    retry_delay,
)
from iot_jitr_runtime.outcomes import Outcome, Reason

DEFERRALS = [reason for reason in Reason if reason.outcome is Outcome.DEFERRED]
SQS_RETENTION = timedelta(days=14)
MAX_RECEIVE_COUNT = 1000


@given(st.sampled_from(DEFERRALS), st.integers(1, 2_000))
def test_a_retry_delay_is_at_least_a_second_and_at_most_the_longest(reason: Reason, count: int) -> None:
    assert 1 <= retry_delay(reason, count) <= LONGEST_DELAY_SECONDS


@given(st.sampled_from(DEFERRALS))
def test_a_retry_delay_grows(reason: Reason) -> None:
    assert retry_delay(reason, 30) > retry_delay(reason, 1)


@pytest.mark.parametrize(
    ("reason", "receive_count", "shortest", "longest"),
    [
        (Reason.OUT_OF_TIME, 1, 1, 1),
        (Reason.THROTTLED, 1, 1, 2),
        (Reason.THROTTLED, 2, 2, 4),
        (Reason.THROTTLED, 5, 16, 32),
        (Reason.THROTTLED, 1000, 450, 900),
    ],
)
def test_a_retry_delay_doubles_up_to_its_limit_and_half_of_it_is_random(
    monkeypatch: pytest.MonkeyPatch, reason: Reason, receive_count: int, shortest: int, longest: int
) -> None:
    for bound, expected in ((min, shortest), (max, longest)):
        monkeypatch.setattr(random, "uniform", bound)
        assert retry_delay(reason, receive_count) == expected


def test_a_message_is_dead_lettered_before_its_retention_ends() -> None:
    assert timedelta(seconds=LONGEST_DELAY_SECONDS) * MAX_RECEIVE_COUNT < SQS_RETENTION


def test_the_decision_ttl_is_a_minute_or_a_day_where_the_certificate_is_the_reason() -> None:
    assert decision_ttl(Reason.NOT_LISTED) == DECISION_TTL == timedelta(minutes=1)
    assert decision_ttl(Reason.EXPIRED) == timedelta(days=1)
