"""The devices that are not in, by the doctor's cause: how many, what to do, and an example.

A cause is what the ledger has recorded last: what has changed since is seen at the device's next connect.
`jitr doctor --certificate-id` checks one device thoroughly.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from iot_jitr_cli.doctor import ledger_causes
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.status.certificate import Certificate
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason


@dataclass(frozen=True)
class Cluster:
    """The devices that one cause keeps out."""

    cause: Cause
    title: str
    """The cause in one line."""
    fix: str
    certificates: int
    reasons: Mapping[str, int]
    """The ledger's reasons (or states, where there is none) → certificates."""
    example: "Certificate | None"
    """The one that was decided about last; None where only messages are counted."""
    first_seen_at: int
    """When the first of them connected for the first time, in milliseconds since the epoch; 0: unknown."""


@dataclass
class _Open:
    """A cluster that is still being counted."""

    example: "Certificate"
    first_seen_at: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, certificate: "Certificate") -> None:
        self.reasons[certificate.reason or certificate.state] += 1
        if certificate.decided_at > self.example.decided_at:
            self.example = certificate
        known = [time for time in (self.first_seen_at, certificate.first_seen_at) if time]
        self.first_seen_at = min(known, default=0)


class Clusters:
    """Sorts certificates that are waiting or refused by their cause."""

    def __init__(self) -> None:
        self._open: dict[Cause, _Open] = {}

    def add(self, certificate: "Certificate") -> None:
        """Count a certificate."""
        cause = cause_of(certificate.state, certificate.reason)
        self._open.setdefault(cause, _Open(certificate)).add(certificate)

    def found(self) -> tuple[Cluster, ...]:
        """The clusters, the largest first."""
        return largest_first(
            Cluster(
                cause=cause,
                title=cause.headline,
                fix=cause.fix,
                certificates=each.reasons.total(),
                reasons=dict(each.reasons.most_common()),
                example=each.example,
                first_seen_at=each.first_seen_at,
            )
            for cause, each in self._open.items()
        )


def dead_letters(messages: int) -> Cluster:
    """The registration events that were given up: the dead-letter queue counts messages, not devices."""
    cause = Cause.DEAD_LETTERED
    return Cluster(cause, cause.headline, cause.fix, messages, {}, None, 0)


def largest_first(clusters: Iterable[Cluster]) -> tuple[Cluster, ...]:
    """Sort clusters, those with most certificates first."""
    return tuple(sorted(clusters, key=lambda cluster: (-cluster.certificates, cluster.cause)))


@cache
def cause_of(state: str, reason: str | None) -> Cause:
    """The doctor's cause for a row that is waiting or refused.

    Where the row says nothing, or what only a newer version knows, it is being decided.
    """
    known_state = next((each for each in State if each == state), None)
    known_reason = next((each for each in Reason if each == reason), None)
    return ledger_causes.cause_of(known_state, known_reason) or Cause.BEING_DECIDED
