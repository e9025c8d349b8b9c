"""A deployment at one moment, as `jitr status` and `jitr doctor --all` show it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, wraps
from typing import TYPE_CHECKING, TypeVar

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.doctor.reading import CannotTellError
from iot_jitr_cli.status import figures, ledger, parts
from iot_jitr_cli.status.certificate import Certificate
from iot_jitr_cli.status.clusters import Cluster, largest_first
from iot_jitr_cli.status.history import History, history
from iot_jitr_cli.status.quotas import ApiQuota, quotas

if TYPE_CHECKING:
    import boto3

T = TypeVar("T")

ROWS = 10_000
"""Rows of the ledger that are read at most, by default: some 5 MB, a fraction of a cent."""
ALL_ROWS = 100_000
"""The same where each certificate counts: some 50 MB, a tenth of a cent, less than a minute."""
OVERVIEW = ("ledger", "decisions", "queues", "cas", "crls", "alarms", "errors")
"""The parts that `jitr status` shows."""
WAITING = ("ledger", "queues", "activated_per_second")
"""The parts that say which devices are not active, why, and how fast others are activated."""


@dataclass(frozen=True)
class Unknown:
    """A part that could not be read."""

    why: str
    permission: str | None = None
    """The IAM action that is missing, where that is why."""


def _part(read: Callable[["Fleet"], T]) -> "cached_property[T | Unknown]":
    """Make a method a part: it is read at its first use and kept; `Unknown` where it cannot be read."""

    @wraps(read)
    def read_part(fleet: "Fleet") -> T | Unknown:
        try:
            return read(fleet)
        except CannotTellError as error:
            return Unknown(str(error), error.permission)

    return cached_property(read_part)


class Fleet:
    """A deployment and its devices. Each part is read alone: a permission that is missing costs one part."""

    def __init__(
        self,
        session: "boto3.Session",
        stack_name: str,
        rows: int,
        seen: Callable[[Certificate], object] = lambda _: None,
    ) -> None:
        """Find the deployment.

        Args:
            session: The caller's AWS.
            stack_name: Name of its stack.
            rows: How many rows of the ledger to read at most.
            seen: Called with each certificate of the ledger.

        Raises:
            CannotTellError: There is no deployment to read.
        """
        self._pipeline = Pipeline(session, stack_name, datetime.now(UTC))
        self._rows, self._seen = rows, seen
        self.stack, self.taken_at = stack_name, self._pipeline.now
        self.region = self._pipeline.deployment.region
        self.log_groups = parts.log_groups(self._pipeline.deployment)

    @cached_property
    def quota_per_second(self) -> float | None:
        """The configuration's `activations_per_second`, None where it cannot be read."""
        try:
            activator = self._pipeline.activator
        except CannotTellError:
            return None
        return activator.activations_per_second if activator else None

    @_part
    def ledger(self) -> ledger.LedgerCounts:
        """How many certificates are in which state."""
        pipeline = self._pipeline
        return ledger.count(pipeline.session, pipeline.deployment, self._rows, self._seen)

    @_part
    def decisions(self) -> figures.DecisionCounts:
        """How the messages of the last day ended."""
        return figures.decisions(self._pipeline)

    @_part
    def activated_per_second(self) -> float:
        """In the last five minutes."""
        return self._pipeline.activated_per_second

    @_part
    def queues(self) -> parts.QueueCounts:
        """The activation queue and the dead-letter queue."""
        return parts.queues(self._pipeline)

    @_part
    def cas(self) -> tuple[parts.CaState, ...]:
        """The CAs of the deployment."""
        return parts.cas(self._pipeline)

    @_part
    def crls(self) -> tuple[parts.CrlState, ...]:
        """The CRLs in force."""
        return parts.crls(self._pipeline)

    @_part
    def alarms(self) -> tuple[str, ...]:
        """The texts of the active alarms."""
        return parts.active_alarms(self._pipeline)

    @_part
    def errors(self) -> dict[str, str]:
        """Last errors: log group → line."""
        return parts.errors(self._pipeline)

    @_part
    def history(self) -> History:
        """The last 24 hours."""
        return history(self._pipeline)

    @_part
    def quotas(self) -> tuple[ApiQuota, ...]:
        """AWS's quotas, only to compare with: a local cloud has none."""
        return quotas(self._pipeline.session)

    def unknown(self, *names: str) -> list[Unknown]:
        """Those of these parts that could not be read."""
        return [part for name in names if isinstance(part := getattr(self, name), Unknown)]

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The causes with the number of devices, the largest first; dead letters are a cause."""
        found = () if isinstance(self.ledger, Unknown) else self.ledger.clusters
        messages = 0 if isinstance(self.queues, Unknown) else self.queues.dead_letters
        return largest_first((*found, *([Cluster(Cause.DEAD_LETTERED, messages)] if messages else [])))

    @property
    def per_second(self) -> float | None:
        """The rate for computing times: the present one, or the highest allowed if that is 0 or unknown."""
        now = self.activated_per_second
        return self.quota_per_second if isinstance(now, Unknown) or not now else now

    def seconds(self, certificates: int) -> float | None:
        """How long the activation of so many certificates takes at that rate, None where it is unknown."""
        return certificates / self.per_second if self.per_second else None

    @property
    def seconds_until_empty(self) -> float | None:
        """How long the activation queue takes at that rate, None where that is unknown."""
        return None if isinstance(self.queues, Unknown) else self.seconds(self.queues.messages)
