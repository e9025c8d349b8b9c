"""How devices behave while they wait: when each one connects again."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from iot_jitr_cli.connect.backoff import Backoff

SPREAD = 0.05
"""Clocks differ: a rude device's second is up to so much longer."""


@dataclass(frozen=True)
class Behaviour:
    """When a device that was turned away comes back."""

    name: str
    wait_after: Callable[[int], float]
    """Seconds to wait after attempt number n, counted from 1."""


def _every_second(attempt: int) -> float:
    del attempt
    return random.uniform(1.0, 1.0 + SPREAD)


RUDE = Behaviour("rude", _every_second)
"""Comes back every second for as long as it takes."""
POLITE = Behaviour("polite", Backoff(longest=15.0).wait_after)
"""Comes back as `jitr connect` does: random waits, the longest of them 15 s."""

BEHAVIOURS = {behaviour.name: behaviour for behaviour in (RUDE, POLITE)}
