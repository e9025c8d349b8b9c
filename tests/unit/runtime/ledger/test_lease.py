"""Exclusive use of one item, until it is released or expires."""

import pytest

from iot_jitr_runtime.dynamodb import ConditionFailedError
from iot_jitr_runtime.ledger.lease import Lease, LeaseLostError
from tests.support.account import Account

KEY = "#item"
NOW = 1_800_000_000_000


def acquire(aws: Account, now: int = NOW, holder: str | None = None) -> Lease:
    return Lease.acquire(aws.ledger.items, KEY, now=now, expires_at=now + 1000, holder=holder)


def test_only_one_worker_can_hold_the_lease(aws: Account) -> None:
    acquire(aws)

    with pytest.raises(ConditionFailedError, match=KEY):
        acquire(aws, NOW + 1000)


def test_a_released_or_expired_lease_can_be_acquired(aws: Account) -> None:
    acquire(aws).release()
    acquire(aws)
    acquire(aws, NOW + 1001)


def test_the_next_holder_reads_the_changes_of_the_last_one(aws: Account) -> None:
    lease = acquire(aws)

    changed = lease.update({"cursor": "here"})
    lease.release()

    assert changed["cursor"] == acquire(aws).item["cursor"] == "here"


def test_a_worker_with_an_expired_lease_cannot_change_the_item(aws: Account) -> None:
    late = acquire(aws)
    other = acquire(aws, NOW + 1001)

    with pytest.raises(LeaseLostError, match=KEY):
        late.update({"marker": "late"})
    late.release()

    assert "marker" not in other.update({"marker2": "in time"})


def test_the_same_holder_can_acquire_its_lease_again(aws: Account) -> None:
    acquire(aws, holder="certificate")

    assert acquire(aws, holder="certificate").item["expiresAt"] == NOW // 1000 + 86_400
    with pytest.raises(ConditionFailedError):
        acquire(aws, holder="another certificate")
