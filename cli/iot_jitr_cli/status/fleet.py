"""A deployment at one moment, for `jitr status` and `jitr doctor --all`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.pipeline import Activator, Pipeline
from iot_jitr_cli.doctor.reading import UndeterminedError
from iot_jitr_cli.status import figures, parts
from iot_jitr_cli.status.ledger import Cluster, LedgerCounts, count
from iot_jitr_cli.status.quotas import quotas
from iot_jitr_runtime.ledger import Row

if TYPE_CHECKING:
    import boto3

T = TypeVar("T")

ROWS = 10_000
"""Default maximum of rows that are read of the ledger: about 5 MB, a fraction of a cent."""
ALL_ROWS = 100_000
"""The maximum if every certificate is needed: about 50 MB, a tenth of a cent, less than a minute."""
OVERVIEW = ("ledger", "decisions", "queues", "cas", "crls", "alarms", "errors")
"""The parts that `jitr status` shows."""
WAITING = ("ledger", "queues", "activated_per_second")
"""The parts with the devices that are not active, the causes, and the rate of activations."""


@dataclass(frozen=True)
class Unknown:
    """A part that could not be read."""

    why: str
    permission: str | None = None
    """The missing IAM action, if that is the reason."""


def _known(read: Callable[[], T]) -> T | Unknown:
    try:
        return read()
    except UndeterminedError as error:
        return Unknown(str(error), error.permission)


def _part(read: Callable[[Pipeline], T]) -> "cached_property[T | Unknown]":
    """A part of a fleet: it is read at its first use and stored; `Unknown` if it cannot be read."""
    return cached_property(lambda fleet: _known(lambda: read(fleet.pipeline)))


class Fleet:
    """A deployment and its devices. Each part is read separately: a missing permission affects one part."""

    def __init__(
        self,
        session: "boto3.Session",
        stack_name: str,
        rows: int,
        seen: Callable[[Row], object] = lambda _: None,
    ) -> None:
        """Find the deployment.

        Args:
            session: The caller's AWS.
            stack_name: Name of its stack.
            rows: How many rows of the ledger to read at most.
            seen: Called with each row of the ledger.

        Raises:
            UndeterminedError: There is no deployment to read.
        """
        self.pipeline = Pipeline(session, stack_name, datetime.now(UTC))
        self._rows, self._seen = rows, seen
        self.stack, self.taken_at = stack_name, self.pipeline.now
        self.region = self.pipeline.deployment.region
        self.log_groups = parts.log_groups(self.pipeline.deployment)

    alarms = _part(parts.active_alarms)
    cas = _part(parts.cas)
    crls = _part(parts.crls)
    errors = _part(parts.errors)
    queues = _part(parts.queues)
    decisions = _part(figures.decisions)
    history = _part(figures.history)
    quotas = _part(quotas)
    activated_per_second = _part(lambda pipeline: pipeline.activated_per_second)

    @cached_property
    def ledger(self) -> LedgerCounts | Unknown:
        """The number of certificates in each state."""
        return _known(lambda: count(self.pipeline, self._rows, self._seen))

    @cached_property
    def quota_per_second(self) -> float | None:
        """The configuration's `activations_per_second`; None if it cannot be read."""
        activator = _known(lambda: self.pipeline.activator)
        return activator.activations_per_second if isinstance(activator, Activator) else None

    def unknown(self, *names: str) -> list[Unknown]:
        """The parts of `names` that could not be read."""
        return [part for name in names if isinstance(part := getattr(self, name), Unknown)]

    @property
    def clusters(self) -> list[Cluster]:
        """The causes with their numbers of devices, the largest first; dead letters are a cause."""
        found = [] if isinstance(self.ledger, Unknown) else [*self.ledger.clusters]
        messages = 0 if isinstance(self.queues, Unknown) else self.queues.dead_letters
        if messages:
            found.append(Cluster(Cause.DEAD_LETTERED, messages))
        return sorted(found, key=lambda cluster: (-cluster.certificates, cluster.cause))

    @property
    def per_second(self) -> float | None:
        """The rate for computing times: the present one, or the highest allowed if that is 0 or unknown."""
        now = self.activated_per_second
        return self.quota_per_second if isinstance(now, Unknown) or not now else now

    def seconds(self, certificates: int) -> float | None:
        """Duration of the activation of `certificates` at that rate; None if the rate is unknown."""
        return certificates / self.per_second if self.per_second else None

    @property
    def seconds_until_empty(self) -> float | None:
        """Time until the activation queue is empty at that rate; None if it is unknown."""
        return None if isinstance(self.queues, Unknown) else self.seconds(self.queues.messages)
