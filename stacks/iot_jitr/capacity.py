"""How fast certificates are activated, and what the queue and its workers are set to for that.

The AWS IoT API is the limit: one activation is at least three calls (DescribeCertificate, AttachPolicy,
UpdateCertificate), and a default account may make 10 DescribeCertificate and 10 UpdateCertificate calls a
second (https://docs.aws.amazon.com/general/latest/gr/iot-core.html), so it activates 10 devices a second at
best. Each activation takes a slot (`iot_jitr_runtime.rate_limiter`), so all workers together keep to the
rate however many they are, and throttling is the exception and not the regulator.

The load is not the devices but their events: a device that waits connects again, and each connect is one
more. `docs/performance.md` has the arithmetic from here to fleets of 10 million.
"""

import math
from datetime import timedelta
from typing import Annotated

from iot_jitr.allowed import whole_number
from iot_jitr.validation import options

DEFAULT_ACTIVATIONS_PER_SECOND = 10
"""The default quota of DescribeCertificate and UpdateCertificate."""
MAXIMUM_ACTIVATIONS_PER_SECOND = 1000
MAXIMUM_RECEIVE_COUNT = 1000
"""SQS's maximum, a backstop only: the code decides which errors are permanent."""
RETENTION_DAYS = 14
"""SQS's maximum: deferred messages wait for days if they must."""

CONNECTS_PER_SECOND = 500
"""The MQTT connects, hence events, that the workers are sized for. AWS's default quota is 3,000 in most
regions and 100 in some (https://docs.aws.amazon.com/general/latest/gr/iot-core.html): where it is more, a
large fleet's duplicates come faster than the workers drop them, and the queue grows until its devices are in.
"""
EVENTS_PER_ACTIVATION = 10
"""For accounts whose quotas were raised: their connect quota grows at least so many times faster."""

_SECONDS_AN_ACTIVATION = 0.4
"""Three IoT calls and three ledger writes, one after the other, with room for a slow one."""
_SECONDS_A_BATCH = 0.05
"""A batch of stale events: the invocation and one BatchGetItem."""
_LEAST_CONCURRENCY = 2
"""The least maximum concurrency that an SQS event source allows."""
_VISIBILITY_FACTOR = 6
"""AWS's advice for queues that feed functions: room for the retries of a throttled invocation
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html)."""


RATE = whole_number(1, MAXIMUM_ACTIVATIONS_PER_SECOND)


@options
class Capacity:
    """What follows from `activations_per_second`; a pipeline's is its attribute `capacity`.

    Raises:
        ConfigurationError: It is not from 1 to 1,000.

    Examples:
        >>> Capacity(10)
        Capacity(activations_per_second=10)
        >>> [Capacity(rate).concurrency for rate in (1, 10, 100, 1000)]
        [3, 7, 45, 450]
    """

    activations_per_second: Annotated[int, RATE] = DEFAULT_ACTIVATIONS_PER_SECOND
    """Certificates a second over all workers, 1 to 1,000.
    https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""

    @property
    def function_timeout(self) -> timedelta:
        """The activator's time-out; a batch takes a fraction of it."""
        return timedelta(seconds=30)

    @property
    def events_per_second(self) -> int:
        """How many events a second, duplicates almost all, the workers must keep up with."""
        return max(CONNECTS_PER_SECOND, EVENTS_PER_ACTIVATION * self.activations_per_second)

    @property
    def concurrency(self) -> int:
        """How many workers run at most at once, at least 2.

        Little's law: 10 activations a second, 0.4 s each, keep 4 workers busy; 500 stale events a second,
        0.05 s for each batch of 10, keep 2.5 more.
        """
        busy = (
            self.activations_per_second * _SECONDS_AN_ACTIVATION
            + self.events_per_second / self.batch_size * _SECONDS_A_BATCH
        )
        return max(_LEAST_CONCURRENCY, math.ceil(busy))

    @property
    def batch_size(self) -> int:
        """Messages a worker takes at once: 10, the most that need no batching window.

        Larger batches would save invocations, the smallest item of the bill, and delay a single device by a
        second.
        """
        return 10

    @property
    def visibility_timeout(self) -> timedelta:
        """How long a message that a worker took is hidden from the others: 6 times the function's time-out.

        With the receive count of 1,000 a message outlives 50 hours in which every invocation fails. A device
        that is waiting does not depend on it: its next connect makes a new event.
        """
        return _VISIBILITY_FACTOR * self.function_timeout
