"""The rate of activations, and the settings of the queue and its workers that follow from it.

The AWS IoT API is the limit: one activation is at least three calls (DescribeCertificate, AttachPolicy,
UpdateCertificate), and a default account may make 10 DescribeCertificate and 10 UpdateCertificate calls a
second (https://docs.aws.amazon.com/general/latest/gr/iot-core.html), so it activates 10 devices a second at
best. Each activation reserves a slot (`iot_jitr_runtime.rate_limiter`), so any number of workers together
keeps to the rate, and AWS IoT throttles calls only in exceptional cases.

The load depends on the number of events, not of devices: a device that waits connects again, and each connect
causes one more event. `docs/performance.md` has the calculation for fleets of up to 10 million devices.
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
"""SQS's maximum, only as a safeguard: the code decides which errors are permanent."""
RETENTION_DAYS = 14
"""SQS's maximum: a deferred message may wait for days."""

CONNECTS_PER_SECOND = 500
"""The MQTT connects a second, and so the events, for which the workers are sized. AWS's default quota is
3,000 in most regions and 100 in some (https://docs.aws.amazon.com/general/latest/gr/iot-core.html): if it is
higher, a large fleet's duplicates arrive faster than the workers drop them, and the queue grows until the
devices are active.
"""
EVENTS_PER_ACTIVATION = 10
"""For accounts with raised quotas: the workers process this many events for each activation."""

_SECONDS_AN_ACTIVATION = 0.4
"""Three IoT calls and three ledger writes, one after the other, with extra time for a slow call."""
_SECONDS_A_BATCH = 0.05
"""A batch of stale events: the invocation and one BatchGetItem."""
_LEAST_CONCURRENCY = 2
"""The lowest maximum concurrency that an SQS event source allows."""
_VISIBILITY_FACTOR = 6
"""AWS's advice for queues that feed functions: room for the retries of a throttled invocation
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html)."""


RATE = whole_number(1, MAXIMUM_ACTIVATIONS_PER_SECOND)


@options
class Capacity:
    """Settings that follow from `activations_per_second`; a pipeline's attribute `capacity` has its own.

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
        """How many events a second the workers must process; almost all of them are duplicates."""
        return max(CONNECTS_PER_SECOND, EVENTS_PER_ACTIVATION * self.activations_per_second)

    @property
    def concurrency(self) -> int:
        """The maximum number of workers at the same time, at least 2.

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
        """Messages in one batch of a worker: 10, the maximum without a batching window.

        Larger batches would save invocations, which are the smallest part of the cost, and would delay a
        single device by a second.
        """
        return 10

    @property
    def visibility_timeout(self) -> timedelta:
        """How long a message that a worker took is hidden from the others: 6 times the function's time-out.

        With a maximum receive count of 1,000, a message is not lost if every invocation fails for 50 hours. A
        waiting device does not depend on its message: its next connect causes a new event.
        """
        return _VISIBILITY_FACTOR * self.function_timeout
