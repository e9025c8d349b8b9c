"""The behaviour of devices that wait: the times of their next connects."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from iot_jitr_cli.connect.backoff import Backoff

SPREAD = 0.05
"""Clocks differ: the interval of a rude device is up to this much longer."""


@dataclass(frozen=True)
class Behaviour:
    """The time until a refused device connects again."""

    name: str
    wait_after: Callable[[int], float]
    """Seconds to wait after attempt number n, counted from 1."""


def _every_second(attempt: int) -> float:
    del attempt
    return random.uniform(1.0, 1.0 + SPREAD)


RUDE = Behaviour("rude", _every_second)
"""Connects every second until it is admitted."""
POLITE = Behaviour("polite", Backoff(longest=15.0).wait_after)
"""Connects again as `jitr connect` does: random delays of at most 15 s."""

BEHAVIOURS = {behaviour.name: behaviour for behaviour in (RUDE, POLITE)}
