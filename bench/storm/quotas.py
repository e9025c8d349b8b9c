"""The default quotas of AWS IoT Core as token buckets.

https://docs.aws.amazon.com/general/latest/gr/iot-core.html, per account and region. AWS does not say how
large its buckets are; here the size of each bucket is the rate of one second.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

CALLS_PER_SECOND = {
    "DescribeCertificate": 10,
    "UpdateCertificate": 10,
    "CreatePolicy": 10,
    "RegisterThing": 10,
    "ListCertificatesByCA": 10,
    "RegisterCACertificate": 10,
    "UpdateCACertificate": 10,
    "DescribeCACertificate": 10,
    "GetRegistrationCode": 10,
    "AttachPolicy": 15,
    "DetachPolicy": 15,
    "ListAttachedPolicies": 15,
    "CreateThing": 100,
    "AttachThingPrincipal": 100,
    "AddThingToThingGroup": 100,
}
OTHERS_PER_SECOND = 10
"""Quota of an operation that is not in the table."""
CONNECTS_PER_SECOND = 500
"""MQTT CONNECTs of the account. A CONNECT above the quota is refused without a registration event."""


@dataclass
class TokenBucket:
    """A bucket with `rate` new tokens a second, and at most `rate` tokens."""

    rate: float
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _filled: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._filled = self.rate, self.clock()

    def take(self) -> bool:
        """Take a token if there is one."""
        now = self.clock()
        self._tokens = min(self.rate, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Quotas:
    """One bucket for each operation, and the counts of allowed and throttled calls."""

    def __init__(
        self,
        calls_per_second: Mapping[str, float] = CALLS_PER_SECOND,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rates = calls_per_second
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}
        self.served: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()

    def allow(self, operation: str) -> bool:
        """Return whether a call of `operation` is within the quota, and count the call."""
        if operation not in self._buckets:
            rate = self._rates.get(operation, OTHERS_PER_SECOND)
            self._buckets[operation] = TokenBucket(rate, self._clock)
        allowed = self._buckets[operation].take()
        (self.served if allowed else self.throttled)[operation] += 1
        return allowed
