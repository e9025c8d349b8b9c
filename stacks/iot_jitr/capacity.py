"""How fast certificates are activated, and what the queue and its workers are set to for that.

The AWS IoT API is the limit: one activation is at least three calls (DescribeCertificate, AttachPolicy,
UpdateCertificate), and a default account may make 10 DescribeCertificate and 10 UpdateCertificate calls a
second (https://docs.aws.amazon.com/general/latest/gr/iot-core.html), so it activates 10 devices a second at
best. The workers pace themselves to that, so that throttling is the exception and not the regulator.
"""

import math
from dataclasses import dataclass

from iot_jitr_runtime.errors import JitrError

DEFAULT_ACTIVATIONS_PER_SECOND = 10
"""The default quota of DescribeCertificate and UpdateCertificate."""
MAXIMUM_ACTIVATIONS_PER_SECOND = 1000
MAXIMUM_RECEIVE_COUNT = 1000
"""SQS's maximum, a backstop only: the code decides what is hopeless."""
RETENTION_DAYS = 14
"""SQS's maximum: deferred messages wait for days if they must."""

_SECONDS_AN_ACTIVATION = 0.4
"""Three IoT calls and three ledger writes, one after the other, with room for a slow one."""
_LEAST_CONCURRENCY = 2
"""The least maximum concurrency that an SQS event source takes."""
_LARGEST_BATCH = 10
"""The largest batch that needs no batching window, so a lone device never waits for company."""
_SHARE_OF_TIMEOUT = 0.5
"""How much of the function's time-out a batch may take at the worker's pace."""
_VISIBILITY_FACTOR = 6
"""AWS's advice for queues that feed functions: room for the retries of a throttled invocation
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html)."""


class RateOutOfRangeError(JitrError, ValueError):
    """`activations_per_second` is not from 1 to 1,000."""


@dataclass(frozen=True)
class Capacity:
    """What follows from `activations_per_second`, from 1 to 1,000.

    Raises:
        RateOutOfRangeError: It is another.

    >>> Capacity(10)
    Capacity(activations_per_second=10, function_timeout_seconds=30)
    >>> Capacity(10).concurrency, Capacity(10).pace, Capacity(10).batch_size
    (4, 2.5, 10)
    >>> Capacity(1).concurrency, Capacity(1).pace, Capacity(1).batch_size
    (2, 0.5, 7)
    >>> Capacity(1000).concurrency
    400
    """

    activations_per_second: int = DEFAULT_ACTIVATIONS_PER_SECOND
    """Certificates a second over all workers."""
    function_timeout_seconds: int = 30

    def __post_init__(self) -> None:
        if not 1 <= self.activations_per_second <= MAXIMUM_ACTIVATIONS_PER_SECOND:
            raise RateOutOfRangeError(
                f"activations_per_second: found {self.activations_per_second} a second, expected a number "
                f"from 1 to {MAXIMUM_ACTIVATIONS_PER_SECOND}"
            )

    @property
    def concurrency(self) -> int:
        """How many workers run at most at once: rate times the time of one activation, at least 2.

        Little's law: 10 a second, 0.4 s each, keep 4 workers busy.
        """
        return max(_LEAST_CONCURRENCY, math.ceil(self.activations_per_second * _SECONDS_AN_ACTIVATION))

    @property
    def pace(self) -> float:
        """Certificates a second of one worker: the rate over the workers, so that all together keep to it."""
        return self.activations_per_second / self.concurrency

    @property
    def batch_size(self) -> int:
        """Messages a worker takes at once: what it can decide in half of its time-out, at most 10.

        At 2.5 a second a batch of 10 takes 4 s of 30; at 0.5 a second (rate 1) 7 messages take 14 s.
        """
        return max(1, min(_LARGEST_BATCH, int(self.pace * self.function_timeout_seconds * _SHARE_OF_TIMEOUT)))

    @property
    def visibility_timeout_seconds(self) -> int:
        """How long a message that a worker took is hidden from the others: 6 times the function's time-out.

        With the receive count of 1,000 a message outlives 50 hours in which every invocation fails. A device
        that is waiting does not depend on it: its next connect makes a new event.
        """
        return _VISIBILITY_FACTOR * self.function_timeout_seconds
