"""Exclusive use of one item, until it is released or expires."""

import pytest

from iot_jitr_runtime.dynamodb import ConditionFailedError
from iot_jitr_runtime.ledger.lease import Lease, LeaseLostError
from tests.support.account import Account

KEY = "#item"
NOW = 1_800_000_000_000


def acquire(aws: Account, now: int = NOW, holder: str | None = None) -> Lease:
    return Lease.acquire(aws.ledger.items, KEY, now=now, expires_at=now + 1000, holder=holder)


def test_one_worker_holds_it(aws: Account) -> None:
    acquire(aws)

    with pytest.raises(ConditionFailedError, match=KEY):
        acquire(aws, NOW + 1000)


def test_it_can_be_acquired_again_once_it_is_released_or_has_expired(aws: Account) -> None:
    acquire(aws).release()
    acquire(aws)
    acquire(aws, NOW + 1001)


def test_the_holder_changes_the_item_and_the_next_one_reads_it(aws: Account) -> None:
    lease = acquire(aws)

    changed = lease.update({"cursor": "here"})
    lease.release()

    assert changed["cursor"] == acquire(aws).item["cursor"] == "here"


def test_a_worker_whose_lease_has_expired_changes_nothing_any_more(aws: Account) -> None:
    late = acquire(aws)
    other = acquire(aws, NOW + 1001)

    with pytest.raises(LeaseLostError, match=KEY):
        late.update({"marker": "late"})
    late.release()

    assert "marker" not in other.update({"marker2": "in time"})


def test_an_earlier_lease_of_the_same_holder_does_not_stand_in_the_way(aws: Account) -> None:
    acquire(aws, holder="certificate")

    assert acquire(aws, holder="certificate").item["expiresAt"] == NOW // 1000 + 86_400
    with pytest.raises(ConditionFailedError):
        acquire(aws, holder="another certificate")
