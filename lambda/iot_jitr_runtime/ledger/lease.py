"""Leases: exclusive use of one item of the ledger's table until it is released or expires.

A claim on a certificate is the lease on its row. Each of the holder's writes is conditional on the lease's
token. So if its lease has expired and another worker has acquired it, the former holder cannot change the
item.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from boto3.dynamodb.conditions import Attr, ConditionBase

from iot_jitr_runtime.dynamodb import ConditionFailedError, Item, Table, Update
from iot_jitr_runtime.ledger.rows import LEASE_EXPIRES_AT, LEASE_TOKEN
from iot_jitr_runtime.ledger_table import TTL_ATTRIBUTE
from iot_jitr_runtime.outcomes import DeferredError, Reason

RELEASED = {LEASE_TOKEN: None, LEASE_EXPIRES_AT: None}
"""The attributes that release the lease of an item."""
_HOLDER = "leaseHolder"
_UNUSED_SECONDS = 86_400


class LeaseLostError(DeferredError):
    """The lease has expired and another worker holds it: this one must stop."""

    def __init__(self, key: str) -> None:
        super().__init__(Reason.CLAIMED_ELSEWHERE, f"another worker holds the lease on {key} now")


def is_free(now: int) -> ConditionBase:
    """Return the condition that no worker holds the lease on an item at `now`."""
    return Attr(LEASE_TOKEN).not_exists() | Attr(LEASE_EXPIRES_AT).lt(now)


@dataclass(frozen=True)
class Lease:
    """A lease that was acquired; botocore's errors propagate."""

    table: Table = field(repr=False)
    key: str
    token: str
    item: Item = field(repr=False)
    """The item as it was when the lease was acquired."""

    @classmethod
    def acquire(  # noqa: PLR0913  each of them is written
        cls,
        table: Table,
        key: str,
        *,
        now: int,
        expires_at: int,
        holder: str | None = None,
        only_if: ConditionBase | None = None,
        defaults: Mapping[str, object] | None = None,
        adds: Mapping[str, int] | None = None,
    ) -> "Lease":
        """Acquire the lease on an item, which is created if it is missing.

        Args:
            table: The ledger's table.
            key: The item's key: a certificate's id, or a key that begins with `#`, which no certificate id
                has.
            now: This moment, in milliseconds since the epoch.
            expires_at: A time after the latest time at which the caller is stopped.
            holder: Only for items that contain nothing but the lease: the name of the holder. A lease that
                the same holder acquired earlier does not prevent this one. The item expires a day later.
            only_if: A further condition that the item must meet.
            defaults: Initial values of attributes that the item does not have yet.
            adds: Values to add to the item's numbers in the same write.

        Raises:
            ConditionFailedError: Another worker holds it, or `only_if` is not met.
        """
        token = secrets.token_hex(8)
        sets: dict[str, object] = {LEASE_TOKEN: token, LEASE_EXPIRES_AT: expires_at}
        # The item has this token already if botocore repeats a call whose response was lost.
        condition: ConditionBase = is_free(now) | Attr(LEASE_TOKEN).eq(token)
        if holder is not None:
            sets |= {_HOLDER: holder, TTL_ATTRIBUTE: now // 1000 + _UNUSED_SECONDS}
            condition |= Attr(_HOLDER).eq(holder)
        if only_if is not None:
            condition &= only_if
        item = table.update(Update(key, sets, defaults or {}, adds or {}, condition=condition))
        return cls(table, key, token, item)

    @property
    def is_held(self) -> ConditionBase:
        """The condition of each write: no other worker has acquired the lease."""
        return Attr(LEASE_TOKEN).eq(self.token)

    def update(self, sets: Mapping[str, object]) -> Item:
        """Change the item; return all of it afterwards.

        Raises:
            LeaseLostError: Another worker holds the lease now.
        """
        try:
            return self.table.update(Update(self.key, sets, condition=self.is_held))
        except ConditionFailedError as error:
            raise LeaseLostError(self.key) from error

    def release(self) -> None:
        """Release the lease, unless another worker holds it by now."""
        try:
            self.update(RELEASED)
        except LeaseLostError:
            return
