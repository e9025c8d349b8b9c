"""Every API call of the activator, cut off in every way: redelivery ends in the right state.

Invariants 1, 3 and 6 of docs/architecture.md hold at the moment of the fault, not only at the end.
"""

from contextlib import suppress

import pytest

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Outcome, Reason, RefusedError
from iot_jitr_runtime.policy.attachment import SharedPolicy
from tests.support.account import POLICY, Account
from tests.support.faults import EVERY_FAULT, Crash, Fault, Step, injected, step_name, stepped

CLAIM, BEGIN = 3, 4
STEPS: list[Step] = [
    ("dynamodb", "BatchGetItem", 1),
    ("dynamodb", "UpdateItem", 1),  # the line: nobody opened it yet
    ("dynamodb", "UpdateItem", 2),  # the line: opened, with a turn
    ("dynamodb", "UpdateItem", CLAIM),
    ("iot", "DescribeCertificate", 1),
    ("iot", "DescribeCACertificate", 1),
    ("dynamodb", "UpdateItem", BEGIN),
    ("iot", "AttachPolicy", 1),
    ("iot", "UpdateCertificate", 1),
    ("dynamodb", "TransactWriteItems", 1),
]
"""All calls of one activation, in order."""
CHANGES = STEPS[7:]
CRASHES = {Fault.CRASH_BEFORE, Fault.CRASH_AFTER}


def assert_nothing_is_active_without_policy_and_row(aws: Account, certificate_id: str) -> None:
    if aws.status(certificate_id) == "ACTIVE":
        assert aws.policies(certificate_id) == [POLICY]
        row = aws.ledger.row(certificate_id)  # type: ignore[arg-type]
        assert row is not None
        assert row.state in {State.ACTIVATING, State.ACTIVATED}
        assert row.serial_number is not None


def test_the_steps_are_all_calls_of_an_activation(aws: Account) -> None:
    record = aws.event(aws.pending())

    with stepped(iot=aws.iot, dynamodb=aws.dynamodb) as steps:
        aws.process(record)

    assert steps == STEPS


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("step", STEPS, ids=step_name)
def test_after_any_fault_at_any_call_redelivery_activates(aws: Account, step: Step, fault: Fault) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    client, operation, at_call = step

    back: list[str] = [record["messageId"]]
    with injected(getattr(aws, client), operation, fault, at_call=at_call) as struck, suppress(Crash):
        back = aws.process(record)
    assert struck() == 1
    assert_nothing_is_active_without_policy_and_row(aws, certificate_id)
    assert back == [record["messageId"]], "the message must come back: it is not decided"

    aws.clock.pass_time(minutes=20)
    back = aws.process(aws.redelivered(record))

    assert back == []
    assert aws.status(certificate_id) == "ACTIVE"
    assert aws.policies(certificate_id) == [POLICY]
    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.state, row.reason, row.lease_expires_at) == (State.ACTIVATED, None, 0)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.THROTTLE, Reason.THROTTLED),
        (Fault.SERVER_ERROR, Reason.SERVICE_ERROR),
        (Fault.ACCESS_DENIED, Reason.ACCESS_DENIED),
        (Fault.TIMEOUT_BEFORE, Reason.SERVICE_ERROR),
        (Fault.TIMEOUT_AFTER, Reason.SERVICE_ERROR),
    ],
)
def test_a_fault_is_a_deferral_with_its_reason_in_ledger_and_decision(
    aws: Account, fault: Fault, reason: Reason
) -> None:
    certificate_id = aws.pending()

    with injected(aws.iot, "AttachPolicy", fault):
        aws.process(aws.event(certificate_id))

    [decision] = aws.decisions
    assert (decision.verdict.outcome, decision.verdict.reason) == (Outcome.DEFERRED, reason)
    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.state, row.reason) == (State.ACTIVATING, reason)


@pytest.mark.parametrize("operation", ["AttachPolicy", "UpdateCertificate"])
def test_a_crashed_worker_blocks_its_certificate_only_until_its_time_out(
    aws: Account, operation: str
) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    with injected(aws.iot, operation, Fault.CRASH_BEFORE), suppress(Crash):
        aws.process(record)

    for seconds in (0, 31):
        aws.clock.pass_time(seconds=seconds)
        assert aws.process(aws.redelivered(record)) == [record["messageId"]]
        [decision] = aws.decisions
        assert (decision.certificate_id, decision.verdict.reason) == (
            certificate_id,
            Reason.CLAIMED_ELSEWHERE,
        )

    aws.clock.pass_time(seconds=5)
    assert aws.process(aws.redelivered(record)) == []
    assert aws.status(certificate_id) == "ACTIVE"


def test_a_crash_after_the_change_is_recorded_as_an_activation(aws: Account) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    with injected(aws.dynamodb, "TransactWriteItems", Fault.CRASH_BEFORE), suppress(Crash):
        aws.process(record)
    assert aws.status(certificate_id) == "ACTIVE"

    aws.clock.pass_time(minutes=5)
    aws.process(aws.redelivered(record))

    [decision] = aws.decisions
    assert decision.verdict.outcome is Outcome.ACTIVATED
    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert row.state is State.ACTIVATED


class OneThing:
    """A registration that gives every device the same thing."""

    def register(self, device: object, attributes: object) -> str:  # noqa: ARG002 - the seam's
        return "pump"


class NotesThing(SharedPolicy):
    """A policy that notes for which thing it was attached."""

    thing_name: str | None = None

    def attach(self, device: DeviceCertificate, thing_name: str | None) -> str:
        self.thing_name = thing_name
        return super().attach(device, thing_name)


@pytest.mark.parametrize("step", [None, *CHANGES], ids=step_name)
def test_policy_and_row_know_the_thing_wherever_the_activation_was_cut_off(
    aws: Account, step: Step | None
) -> None:
    aws.parts["things"] = OneThing()
    aws.parts["policy"] = policy = NotesThing(aws.iot, POLICY)
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    if step is not None:
        with injected(getattr(aws, step[0]), step[1], Fault.CRASH_AFTER), suppress(Crash):
            aws.process(record)
        policy.thing_name = None
        aws.clock.pass_time(minutes=5)

    aws.process(aws.redelivered(record))

    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.state, row.thing_name) == (State.ACTIVATED, "pump")
    if step is None or step[1] != "TransactWriteItems":
        assert policy.thing_name == "pump"


def test_a_claim_that_cannot_be_written_is_reported_with_its_certificate(aws: Account) -> None:
    certificate_id = aws.pending()

    with injected(aws.dynamodb, "UpdateItem", Fault.THROTTLE, at_call=CLAIM):
        aws.process(aws.event(certificate_id))

    [decision] = aws.decisions
    assert (decision.certificate_id, decision.verdict.reason) == (certificate_id, Reason.THROTTLED)


def test_a_half_activated_certificate_that_an_operator_makes_inactive_stays_inactive(aws: Account) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    with injected(aws.iot, "UpdateCertificate", Fault.CRASH_AFTER), suppress(Crash):
        aws.process(record)
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")

    aws.clock.pass_time(minutes=5)
    aws.process(aws.redelivered(record))

    assert aws.decisions[0].verdict.reason is Reason.NOT_PENDING
    assert aws.status(certificate_id) == "INACTIVE"


def overtake(aws: Account, certificate_id: str) -> None:
    """Have another worker take the claim over while AWS IoT is asked about the certificate."""

    def take(**_: object) -> None:
        aws.dynamodb.update_item(
            TableName=aws.table,
            Key={"certificateId": {"S": certificate_id}},
            UpdateExpression="SET leaseToken = :other",
            ExpressionAttributeValues={":other": {"S": "somebody else"}},
        )

    aws.iot.meta.events.register("before-call.iot.DescribeCertificate", take)


def test_a_worker_that_lost_its_claim_stops_before_it_changes_the_certificate(aws: Account) -> None:
    certificate_id = aws.pending()

    overtake(aws, certificate_id)
    back = aws.process(aws.event(certificate_id))

    assert len(back) == 1
    assert aws.decisions[0].verdict.reason is Reason.CLAIMED_ELSEWHERE
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"
    assert aws.policies(certificate_id) == []


@pytest.mark.parametrize("fault", [f for f in Fault if f not in CRASHES])
def test_a_message_that_cannot_be_dead_lettered_comes_back(aws: Account, fault: Fault) -> None:
    record = aws.send("not an event")

    with injected(aws.sqs, "SendMessage", fault):
        back = aws.process(record)
    assert back == [record["messageId"]]

    assert aws.process(aws.redelivered(record)) == []
    assert aws.dead_letters()


def test_a_message_that_cannot_be_dead_lettered_is_reported_with_its_certificate(aws: Account) -> None:
    other = DevelopmentCa.create("Another CA")
    certificate_id = aws.pending(other.issue(DeviceSpec("sensor-1")).certificate, other.certificate)
    record = aws.event(certificate_id)

    with injected(aws.sqs, "SendMessage", Fault.THROTTLE):
        aws.process(record)

    [decision] = aws.decisions
    assert (decision.certificate_id, decision.verdict.reason) == (certificate_id, Reason.THROTTLED)


@pytest.mark.parametrize("fault", [f for f in Fault if f not in CRASHES])
def test_a_message_whose_waiting_time_cannot_be_set_still_comes_back(aws: Account, fault: Fault) -> None:
    record = aws.event("0" * 64)

    with injected(aws.sqs, "ChangeMessageVisibilityBatch", fault):
        back = aws.process(record)

    assert back == [record["messageId"]]


def test_a_refusal_that_cannot_be_recorded_is_tried_again(aws: Account) -> None:
    aws.parts["admission"] = RefusesEverybody()
    certificate_id = aws.pending()
    record = aws.event(certificate_id)

    with injected(aws.dynamodb, "UpdateItem", Fault.THROTTLE, at_call=CLAIM + 1):
        back = aws.process(record)

    assert back == [record["messageId"]]
    [decision] = aws.decisions
    assert (decision.certificate_id, decision.verdict.reason) == (certificate_id, Reason.THROTTLED)


def test_a_worker_that_lost_its_claim_records_no_refusal(aws: Account) -> None:
    aws.parts["admission"] = RefusesEverybody()
    certificate_id = aws.pending()
    record = aws.event(certificate_id)

    overtake(aws, certificate_id)

    assert aws.process(record) == [record["messageId"]]
    [decision] = aws.decisions
    assert (decision.certificate_id, decision.verdict.reason) == (certificate_id, Reason.CLAIMED_ELSEWHERE)
    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert row.state is not State.REFUSED


class RefusesEverybody:
    def admit(self, _device: object) -> None:
        raise RefusedError(Reason.NOT_LISTED)


@pytest.mark.parametrize("operation", ["DescribeCertificate", "AttachPolicy", "UpdateCertificate"])
def test_throttling_alone_never_makes_a_dead_letter_however_often_a_message_was_tried(
    aws: Account, operation: str
) -> None:
    record = aws.event(aws.pending(), receive_count=999)

    with injected(aws.iot, operation, Fault.THROTTLE):
        back = aws.process(record)

    assert back == [record["messageId"]]
    assert aws.decisions[0].verdict.reason is Reason.THROTTLED
    assert aws.dead_letters() == []


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_queue_whose_clock_is_off_by_minutes_keeps_no_device_out(aws: Account, minutes: int) -> None:
    certificate_id = aws.pending()
    sent_at = aws.clock.milliseconds + minutes * 60_000

    assert aws.process(aws.event(certificate_id, sent_at=sent_at)) == []

    assert aws.status(certificate_id) == "ACTIVE"
