"""How long to wait before a deferred message is tried again, and a device that is decided looked at again."""

import random
from datetime import timedelta
from typing import NamedTuple

from iot_jitr_runtime.outcomes import Reason

ON_THEIR_WAY = timedelta(seconds=5)
"""Events sent this long after an activation still belong to the connects before it."""

MEMORY = timedelta(seconds=60)
"""How long any other decision answers the device's further events, unless its reason says otherwise."""

_LASTING = timedelta(days=1)
_MEMORY_OF = {
    # Nothing that a device or an operator does makes these pass: the certificate stays what it is.
    Reason.EXPIRED: _LASTING,
    Reason.BAD_SIGNATURE: _LASTING,
    Reason.ISSUER_MISMATCH: _LASTING,
    Reason.UNPARSABLE_CERTIFICATE: _LASTING,
    Reason.UNSUPPORTED_KEY: _LASTING,
    Reason.UNSUPPORTED_KEY_USAGE: _LASTING,
    # A letter that is redriven is a new event, and what it died of must not answer it.
    Reason.FOREIGN_CA: timedelta(0),
}


class _BackOff(NamedTuple):
    first: int
    """Seconds before the second try; doubled for each further one."""
    longest: int
    """Seconds that are never exceeded."""


LONGEST_WAIT_SECONDS = 900
"""With `maxReceiveCount` 1000 a message stays in play for up to 10 days, below the 14 days of retention."""

_BACK_OFF_OF = {
    Reason.CLAIMED_ELSEWHERE: _BackOff(5, 60),
    Reason.NOT_VISIBLE_YET: _BackOff(2, 30),
    Reason.OUT_OF_TIME: _BackOff(1, 30),
    Reason.THROTTLED: _BackOff(2, LONGEST_WAIT_SECONDS),
    Reason.SERVICE_ERROR: _BackOff(2, LONGEST_WAIT_SECONDS),
    Reason.ADMISSION_FAILED: _BackOff(5, LONGEST_WAIT_SECONDS),
    Reason.CRL_MISSING: _BackOff(10, 300),
    Reason.CRL_STALE: _BackOff(10, 300),
    Reason.CRL_PARTITION_MISSING: _BackOff(10, 300),
}
_SOMEBODY_MUST_ACT = _BackOff(30, LONGEST_WAIT_SECONDS)


def remembered_for(reason: Reason) -> timedelta:
    """Return for how long a decision answers events that are sent after it; a deferral has `retry_delay`."""
    return _MEMORY_OF.get(reason, MEMORY)


def retry_delay(reason: Reason, receive_count: int) -> int:
    """Return after how many seconds a deferred message is tried again: exponential, with equal jitter.

    Half of the delay is random, so that messages deferred together do not come back together.
    """
    back_off = _BACK_OFF_OF.get(reason, _SOMEBODY_MUST_ACT)
    delay = min(back_off.first * 2 ** min(receive_count - 1, 16), back_off.longest)
    return max(1, round(random.uniform(delay / 2, delay)))  # noqa: S311 - jitter, not a secret
