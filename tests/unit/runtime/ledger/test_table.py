"""The ledger against DynamoDB's own conditions (moto)."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger import Claim, Identity, LeaseLostError, Ledger, Row, State, ca_serial
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.outcomes import DeferredError, Reason, StaleError, Verdict
from iot_jitr_runtime.reconciler.backfill import Backfill
from tests.support.account import make_ledger_table
from tests.support.aws_clients import REGION, aws_client
from tests.support.faults import Fault, counted, injected

CERTIFICATE = CertificateId("c" * 64)
IDENTITY = Identity(CaCertificateId("ca" * 32), SerialNumber("abc"), "sensor-1")


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        yield aws_client("dynamodb")


@pytest.fixture
def ledger(dynamodb: Any) -> Ledger:
    return Ledger(dynamodb, make_ledger_table(dynamodb))


def claim(ledger: Ledger, *, now: int = 1_000, sent_at: int | None = None, message: str = "m1") -> Claim:
    return ledger.claim(
        CERTIFICATE,
        sent_at=now if sent_at is None else sent_at,
        message_id=message,
        now=now,
        expires_at=now + 100,
    )


def row(ledger: Ledger) -> Row:
    found = ledger.row(CERTIFICATE)
    assert found is not None
    return found


def test_a_certificate_without_events_has_no_row(ledger: Ledger) -> None:
    assert ledger.row(CERTIFICATE) is None
    assert ledger.rows([CERTIFICATE]) == {}


def test_a_claim_excludes_other_workers_until_it_expires(ledger: Ledger) -> None:
    claim(ledger, now=1_000)

    with pytest.raises(DeferredError, match="another worker"):
        claim(ledger, now=1_050)
    assert claim(ledger, now=1_101).row.attempts == 2


def test_a_claim_remembers_when_the_certificate_was_first_seen(ledger: Ledger) -> None:
    claim(ledger, now=1_000)
    assert claim(ledger, now=5_000).row.first_seen_at == 1_000


def test_a_claim_whose_answer_was_lost_succeeds_when_the_call_is_repeated(
    dynamodb: Any, ledger: Ledger
) -> None:
    retrying = boto3.client(
        "dynamodb",
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    with injected(retrying, "UpdateItem", Fault.SERVER_ERROR), counted(dynamodb):
        taken = claim(Ledger(retrying, ledger.items.name))
    assert taken.row.certificate_id == CERTIFICATE


def test_a_worker_that_lost_its_claim_can_write_nothing(ledger: Ledger) -> None:
    lost = claim(ledger, now=1_000)
    claim(ledger, now=2_000)
    verdict = Verdict(Reason.EXPIRED)

    writes = [
        lambda: ledger.record_activating(lost, IDENTITY, None),
        lambda: ledger.record_activated(lost, policy_name="p", thing_name=None, now=1, look_again_at=2),
        lambda: ledger.record_refused(lost, verdict, IDENTITY, now=1, look_again_at=2),
        lambda: ledger.record_stale(lost, None, active=False, message_id="m", now=1, look_again_at=2),
        lambda: ledger.record_deferred(lost, verdict, message_id="m", now=1, look_again_at=2),
    ]
    for write in writes:
        with pytest.raises(LeaseLostError, match=CERTIFICATE):
            write()


def test_an_activation_keeps_whose_certificate_it_is_and_forgets_why_it_had_to_wait(ledger: Ledger) -> None:
    throttled = Verdict(Reason.THROTTLED, "too many calls")
    ledger.record_deferred(claim(ledger), throttled, message_id="m1", now=1_000, look_again_at=2_000)
    waited = row(ledger)

    activating = ledger.record_activating(claim(ledger, now=3_000), IDENTITY, "v1")
    ledger.record_activated(activating, policy_name="p", thing_name=None, now=3_000, look_again_at=9_000)

    assert (waited.reason, waited.detail, waited.waiting_message_id) == (
        Reason.THROTTLED,
        "too many calls",
        "m1",
    )
    activated = row(ledger)
    assert activating.row.serial_number == activated.serial_number == IDENTITY.serial_number
    assert activating.row.common_name == activated.common_name == IDENTITY.common_name
    assert (activated.reason, activated.detail, activated.waiting_message_id) == (None, "", None)


def test_an_event_older_than_the_decision_cannot_claim(ledger: Ledger) -> None:
    ledger.record_activated(claim(ledger), policy_name="p", thing_name=None, now=2_000, look_again_at=7_000)

    with pytest.raises(StaleError, match="activated"):
        claim(ledger, now=6_000, sent_at=7_000)
    assert claim(ledger, now=8_000, sent_at=7_001).row.state is State.ACTIVATED


def test_the_message_that_a_deferral_waits_for_may_claim_early(ledger: Ledger) -> None:
    ledger.record_deferred(
        claim(ledger),
        Verdict(Reason.THROTTLED),
        message_id="waiting",
        now=1_000,
        look_again_at=9_000,
    )

    with pytest.raises(StaleError):
        claim(ledger, now=2_000, message="other")
    assert claim(ledger, now=2_000, message="waiting").row.reason is Reason.THROTTLED


@pytest.mark.parametrize("kept", [State.ACTIVATING, State.ACTIVATED, State.SUSPENDED, State.REVOKED])
def test_a_deferral_does_not_forget_what_happened_before(dynamodb: Any, ledger: Ledger, kept: State) -> None:
    put_state(dynamodb, ledger, kept)

    ledger.record_deferred(
        claim(ledger), Verdict(Reason.THROTTLED, "slow"), message_id="m", now=1, look_again_at=2
    )

    assert (row(ledger).state, row(ledger).reason, row(ledger).detail) == (kept, Reason.THROTTLED, "slow")


@pytest.mark.parametrize("kept", [State.ACTIVATED, State.SUSPENDED, State.REVOKED, State.KNOWN])
def test_finding_a_certificate_decided_leaves_a_settled_state(
    dynamodb: Any, ledger: Ledger, kept: State
) -> None:
    put_state(dynamodb, ledger, kept)

    ledger.record_stale(claim(ledger), IDENTITY, active=False, message_id="m", now=1, look_again_at=2)

    assert row(ledger).state is kept


@pytest.mark.parametrize("replaced", [State.ACTIVATING, State.REFUSED, State.DEFERRED])
def test_a_certificate_decided_by_somebody_else_is_recorded(
    dynamodb: Any, ledger: Ledger, replaced: State
) -> None:
    put_state(dynamodb, ledger, replaced)

    ledger.record_stale(claim(ledger), IDENTITY, active=False, message_id="m", now=1, look_again_at=2)

    assert row(ledger) == Row(
        CERTIFICATE,
        State.KNOWN,
        ca_certificate_id=IDENTITY.ca_certificate_id,
        serial_number=IDENTITY.serial_number,
        common_name=IDENTITY.common_name,
        first_seen_at=row(ledger).first_seen_at,
        decided_at=1,
        look_again_at=2,
        waiting_message_id="m",
        attempts=row(ledger).attempts,
    )


@pytest.mark.parametrize("active", [True, False])
def test_a_certificate_recorded_as_active_counts_as_in_service_once(
    dynamodb: Any, ledger: Ledger, *, active: bool
) -> None:
    for _ in range(2):
        ledger.record_stale(claim(ledger), IDENTITY, active=active, message_id="m", now=1, look_again_at=2)

    assert Fleet(dynamodb, ledger.items.name).size(IDENTITY.ca_certificate_id) == active


def test_a_certificate_recorded_since_it_was_claimed_is_not_counted_twice(
    dynamodb: Any, ledger: Ledger
) -> None:
    claimed = claim(ledger)
    none: Any = None
    backfill = Backfill(none, dynamodb, ledger.items.name, rate_limiter=none, revocation=none, sweep=none)
    backfill.record(CERTIFICATE, IDENTITY, active=True)

    with pytest.raises(LeaseLostError):
        ledger.record_stale(claimed, IDENTITY, active=True, message_id="m", now=1, look_again_at=2)

    assert Fleet(dynamodb, ledger.items.name).size(IDENTITY.ca_certificate_id) == 1


def test_finding_a_certificate_decided_ends_its_deferral(ledger: Ledger) -> None:
    verdict = Verdict(Reason.THROTTLED, "slow")
    ledger.record_deferred(claim(ledger), verdict, message_id="m1", now=1, look_again_at=2)

    ledger.record_stale(claim(ledger), IDENTITY, active=False, message_id="m", now=3, look_again_at=4)

    assert (row(ledger).state, row(ledger).reason, row(ledger).detail) == (State.KNOWN, None, "")


def test_a_row_of_a_missing_certificate_expires_after_a_day(dynamodb: Any, ledger: Ledger) -> None:
    ledger.record_stale(claim(ledger), None, active=False, message_id="m", now=5_000, look_again_at=6_000)

    assert (row(ledger).look_again_at, row(ledger).waiting_message_id) == (6_000, "m")
    assert row(ledger).lease_expires_at == 0

    item = dynamodb.get_item(TableName=ledger.items.name, Key={"certificateId": {"S": CERTIFICATE}})["Item"]
    assert item["expiresAt"] == {"N": str(5 + 86_400)}

    ledger.record_activating(claim(ledger, now=7_000), IDENTITY, None)
    item = dynamodb.get_item(TableName=ledger.items.name, Key={"certificateId": {"S": CERTIFICATE}})["Item"]
    assert "expiresAt" not in item


def test_a_decision_about_a_certificate_that_was_missing_does_not_expire(
    dynamodb: Any, ledger: Ledger
) -> None:
    ledger.record_stale(claim(ledger), None, active=False, message_id="m", now=5_000, look_again_at=6_000)
    refusal = Verdict(Reason.EXPIRED, "expired")

    ledger.record_refused(claim(ledger, now=7_000), refusal, IDENTITY, now=7_000, look_again_at=8_000)

    item = dynamodb.get_item(TableName=ledger.items.name, Key={"certificateId": {"S": CERTIFICATE}})["Item"]
    assert "expiresAt" not in item


def test_a_certificate_is_found_by_its_ca_and_serial(dynamodb: Any, ledger: Ledger) -> None:
    ledger.record_activating(claim(ledger), IDENTITY, "v1")

    found = dynamodb.query(
        TableName=ledger.items.name,
        IndexName="ca-serial",
        KeyConditionExpression="caSerial = :key",
        ExpressionAttributeValues={
            ":key": {"S": ca_serial(IDENTITY.ca_certificate_id, IDENTITY.serial_number)}
        },
    )
    assert [item["certificateId"]["S"] for item in found["Items"]] == [CERTIFICATE]


def test_a_row_is_read_as_it_is_now(dynamodb: Any, ledger: Ledger) -> None:
    asked: list[bool] = []
    dynamodb.meta.events.register(
        "provide-client-params.dynamodb.GetItem", lambda params, **_: asked.append(params["ConsistentRead"])
    )

    ledger.row(CERTIFICATE)

    assert asked == [True]


def test_many_rows_are_read_a_hundred_at_a_time_each_once(dynamodb: Any, ledger: Ledger) -> None:
    ids = [CertificateId(f"{n:064x}") for n in range(250)]
    sizes: list[int] = []
    dynamodb.meta.events.register(
        "provide-client-params.dynamodb.BatchGetItem",
        lambda params, **_: sizes.append(len(params["RequestItems"][ledger.items.name]["Keys"])),
    )

    ledger.rows([*ids, *ids])

    assert sizes == [100, 100, 50]


def test_unprocessed_keys_are_asked_for_again(dynamodb: Any, ledger: Ledger) -> None:
    claim(ledger)
    rounds: list[int] = []

    def leave_unprocessed(parsed: dict[str, Any], **_: Any) -> None:
        rounds.append(1)
        if len(rounds) < 3:
            parsed["Responses"] = {}
            parsed["UnprocessedKeys"] = {ledger.items.name: {"Keys": [{"certificateId": {"S": CERTIFICATE}}]}}

    dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", leave_unprocessed)

    assert list(ledger.rows([CERTIFICATE])) == [CERTIFICATE]
    assert len(rounds) == 3


def test_keys_that_stay_unprocessed_are_a_throttle(
    dynamodb: Any, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iot_jitr_runtime.dynamodb._BATCH_PAUSE_SECONDS", 0)

    def leave_unprocessed(parsed: dict[str, Any], **_: Any) -> None:
        parsed["UnprocessedKeys"] = {ledger.items.name: {"Keys": [{"certificateId": {"S": CERTIFICATE}}]}}

    dynamodb.meta.events.register("after-call.dynamodb.BatchGetItem", leave_unprocessed)

    with pytest.raises(DeferredError) as caught:
        ledger.rows([CERTIFICATE])
    assert caught.value.reason is Reason.THROTTLED


def test_values_of_a_newer_version_read_as_unknown(dynamodb: Any, ledger: Ledger) -> None:
    dynamodb.put_item(
        TableName=ledger.items.name,
        Item={
            "certificateId": {"S": CERTIFICATE},
            "state": {"S": "transcended"},
            "reason": {"S": "because"},
        },
    )

    assert (row(ledger).state, row(ledger).reason) == (None, None)


def test_a_long_detail_is_cut(ledger: Ledger) -> None:
    verdict = Verdict(Reason.EXPIRED, "x" * 10_000)
    ledger.record_refused(claim(ledger), verdict, None, now=1, look_again_at=2)
    assert len(row(ledger).detail) == 500


@given(
    look_again_at=st.integers(0, 100),
    sent_at=st.integers(0, 100),
    waiting=st.sampled_from([None, "m1", "m2"]),
    message=st.sampled_from(["m1", "m2"]),
)
def test_an_event_is_stale_exactly_up_to_the_moment_to_look_again(
    look_again_at: int, sent_at: int, waiting: str | None, message: str
) -> None:
    known = Row(CERTIFICATE, look_again_at=look_again_at, waiting_message_id=waiting)
    assert known.makes_stale(sent_at, message) == (sent_at <= look_again_at and waiting != message)


def put_state(dynamodb: Any, ledger: Ledger, state: State) -> None:
    dynamodb.put_item(
        TableName=ledger.items.name,
        Item={"certificateId": {"S": CERTIFICATE}, "state": {"S": state.value}},
    )
