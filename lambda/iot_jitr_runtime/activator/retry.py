"""The result of a failed step: its verdict, the delay of the retry, and the decision TTL."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple, ParamSpec, TypeVar

from iot_jitr_runtime.aws_errors import AwsError, deferral
from iot_jitr_runtime.outcomes import DecisionError, Reason, Verdict

AFTER_ACTIVATION = timedelta(seconds=5)
"""Decision TTL of an activation: events sent this long after it still belong to connects before it."""

DECISION_TTL = timedelta(seconds=60)
"""Decision TTL of any other decision, unless its reason has its own TTL."""

_DAY = timedelta(days=1)
_TTL_OF = {
    # The reason is in the certificate itself, so it is permanent.
    Reason.EXPIRED: _DAY,
    Reason.BAD_SIGNATURE: _DAY,
    Reason.ISSUER_MISMATCH: _DAY,
    Reason.UNPARSABLE_CERTIFICATE: _DAY,
    Reason.UNSUPPORTED_KEY: _DAY,
    Reason.UNSUPPORTED_KEY_USAGE: _DAY,
    # A redriven message counts as a new event: the old decision does not apply to it.
    Reason.FOREIGN_CA: timedelta(0),
}

LONGEST_DELAY_SECONDS = 900
"""With `maxReceiveCount` 1000 a message is retried for 10 days at most; the queue keeps it for 14 days."""


class _Backoff(NamedTuple):
    first: int
    """Seconds before the first retry; doubled for each further one."""
    longest: int
    """Seconds that are never exceeded."""


_BACKOFF_OF = {
    Reason.CLAIMED_ELSEWHERE: _Backoff(5, 60),
    Reason.NOT_VISIBLE_YET: _Backoff(2, 30),
    Reason.OUT_OF_TIME: _Backoff(1, 30),
    Reason.THROTTLED: _Backoff(2, LONGEST_DELAY_SECONDS),
    Reason.SERVICE_ERROR: _Backoff(2, LONGEST_DELAY_SECONDS),
    Reason.ADMISSION_FAILED: _Backoff(5, LONGEST_DELAY_SECONDS),
    Reason.CRL_MISSING: _Backoff(10, 300),
    Reason.CRL_STALE: _Backoff(10, 300),
    Reason.CRL_PARTITION_MISSING: _Backoff(10, 300),
}
_OPERATOR_MUST_ACT = _Backoff(30, LONGEST_DELAY_SECONDS)

P = ParamSpec("P")
T = TypeVar("T")


def attempt(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Verdict:
    """Return the result of `step`, or the verdict for its exception.

    This is the only place in the activator that turns an exception into an outcome and a reason. An unknown
    exception is a defect of this software: the message is deferred, so a defect delays a device and never
    refuses it.
    """
    try:
        return step(*args, **kwargs)
    except DecisionError as error:
        return error.verdict
    except AwsError as error:
        return deferral(error)
    except Exception as defect:  # noqa: BLE001 - see above
        return Verdict(Reason.INTERNAL_ERROR, f"{type(defect).__name__}: {defect}", defect)


def decision_ttl(reason: Reason) -> timedelta:
    """Return how long a decision applies to later events of its certificate; a deferral has `retry_delay`."""
    return _TTL_OF.get(reason, DECISION_TTL)


def retry_delay(reason: Reason, receive_count: int) -> int:
    """Return after how many seconds a deferred message is retried: exponential, with equal jitter.

    Half of the delay is random, so that messages that were deferred together are not retried together.
    """
    backoff = _BACKOFF_OF.get(reason, _OPERATOR_MUST_ACT)
    delay = min(backoff.first * 2 ** min(receive_count - 1, 16), backoff.longest)
    return max(1, round(random.uniform(delay / 2, delay)))  # noqa: S311 - jitter, not a secret
