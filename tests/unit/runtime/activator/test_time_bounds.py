"""The longest time between the read of a certificate's status and its change."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from iot_jitr.capacity import MAXIMUM_RECEIVE_COUNT
from iot_jitr_runtime.activator.activate import TIME_FOR_ONE
from iot_jitr_runtime.activator.retry import retry_delay
from iot_jitr_runtime.aws_errors import CLIENT_CONFIG
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore
from tests.support.account import Account
from tests.support.buckets import new_bucket, s3_client
from tests.support.crls import CrlSpec
from tests.support.faults import stepped
from tests.support.indexes import publish_index

if TYPE_CHECKING:
    import pytest

ARCHITECTURE = (Path(__file__).parents[4] / "docs" / "architecture.md").read_text()
RETRY_AFTER_SECONDS = 5
"""What botocore adds to a pause at most where a service requests it (`x-amz-retry-after`)."""


def longest_call_seconds() -> int:
    """A call that uses all its attempts, by the clients' settings and botocore's standard retry mode."""
    attempts = CLIENT_CONFIG.retries["total_max_attempts"]
    pauses = [2**number + RETRY_AFTER_SECONDS for number in range(attempts - 1)]
    return int(attempts * (CLIENT_CONFIG.connect_timeout + CLIENT_CONFIG.read_timeout) + sum(pauses))


def test_the_documented_time_bound_follows_from_the_settings() -> None:
    bound = int(TIME_FOR_ONE.total_seconds()) + longest_call_seconds()

    assert re.findall(r"at worst (\d+) s", ARCHITECTURE) == [str(bound)]


def test_the_documented_earliest_dead_letter_follows_from_the_delays(
    monkeypatch: "pytest.MonkeyPatch",
) -> None:
    monkeypatch.setattr("random.uniform", min)
    seconds = sum(retry_delay(Reason.CRL_MISSING, count) for count in range(1, MAXIMUM_RECEIVE_COUNT))

    assert re.findall(r"after (\d+) hours of a missing CRL", ARCHITECTURE) == [str(seconds // 3600)]


def test_the_revocation_index_is_refreshed_before_the_status_is_read(aws: Account, tmp_path: Path) -> None:
    s3 = s3_client()
    store = IndexStore(s3, new_bucket(s3))
    publish_index(store, tmp_path / "index", aws.ca, CrlSpec(), compiled_at=aws.clock(), ca_id=aws.ca_id)
    aws.parts["revocation"] = IndexedRevocation(store, clock=aws.clock)
    warm = aws.batch()
    aws.process(aws.event(aws.pending()), batch=warm)
    aws.clock.pass_time(minutes=2)
    record = aws.event(aws.pending())

    with stepped(iot=aws.iot, s3=s3) as calls:
        aws.process(record, batch=warm)

    assert [f"{client}.{operation}" for client, operation, _ in calls] == [
        "s3.GetObject",
        "iot.DescribeCertificate",
        "iot.AttachPolicy",
        "iot.UpdateCertificate",
    ]
