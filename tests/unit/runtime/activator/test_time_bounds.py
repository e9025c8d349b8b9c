"""The time limits that the documentation names: the longest activation, and the earliest dead letter."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from iot_jitr.capacity import MAXIMUM_RECEIVE_COUNT
from iot_jitr_runtime.activator.activate import TIME_FOR_ONE
from iot_jitr_runtime.activator.retry import retry_delay
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    import pytest

ARCHITECTURE = (Path(__file__).parents[4] / "docs" / "architecture.md").read_text()
RETRY_AFTER_SECONDS = 5
"""What botocore adds to a pause at most where a service requests it (`x-amz-retry-after`)."""


def longest_call_seconds() -> int:
    """A call that uses all its attempts, by the clients' settings and botocore's standard retry mode."""
    attempts = CLIENT_CONFIG.retries["total_max_attempts"]
    pauses = [2**number + RETRY_AFTER_SECONDS for number in range(attempts - 1)]
    return int(attempts * (CLIENT_CONFIG.connect_timeout + CLIENT_CONFIG.read_timeout) + sum(pauses))


def test_the_documented_time_bound_follows_from_the_settings() -> None:
    bound = int(TIME_FOR_ONE.total_seconds()) + longest_call_seconds()

    assert re.findall(r"at worst (\d+) s", ARCHITECTURE) == [str(bound)]


def test_the_documented_earliest_dead_letter_follows_from_the_delays(
    monkeypatch: "pytest.MonkeyPatch",
) -> None:
    monkeypatch.setattr("random.uniform", min)
    seconds = sum(retry_delay(Reason.CRL_MISSING, count) for count in range(1, MAXIMUM_RECEIVE_COUNT))

    assert re.findall(r"after (\d+) hours of a missing CRL", ARCHITECTURE) == [str(seconds // 3600)]
