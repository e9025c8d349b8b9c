"""Groups a certificate's device by its row in the ledger, for example as in service or refused."""

from collections.abc import Mapping
from enum import StrEnum

from iot_jitr_runtime.ledger import Row, State


class Group(StrEnum):
    """The state of a device, by the row of its certificate."""

    IN_SERVICE = "in_service"
    """Its certificate is ACTIVE."""
    WAITING = "waiting"
    """Not decided yet, or being activated."""
    REFUSED = "refused"
    """A check failed."""
    REVOKED = "revoked"
    """The device was in service; its certificate is revoked, on hold, or replaced by a newer one."""
    OTHER = "other"
    """Not ACTIVE, and not because of this pipeline."""


_GROUPS: Mapping[State | None, Group] = {
    State.ACTIVATING: Group.WAITING,
    State.DEFERRED: Group.WAITING,
    State.REFUSED: Group.REFUSED,
    State.SUSPENDED: Group.REVOKED,
    State.REVOKED: Group.REVOKED,
    State.RETIRED: Group.REVOKED,
}
WITH_CAUSE = frozenset({Group.WAITING, Group.REFUSED})
"""Groups whose devices have a cause for not being active."""


def group_of(row: Row) -> Group:
    """The group of a certificate."""
    return Group.IN_SERVICE if row.in_fleet else _GROUPS.get(row.state, Group.OTHER)
