"""Every fault at every API call of the activator: redelivery gives the right state.

Invariants 1, 3 and 6 of docs/architecture.md hold at the moment of the fault, not only at the end.
"""

from typing import Any

import pytest

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.rows import LEASE_TOKEN
from iot_jitr_runtime.outcomes import Reason, Verdict
from iot_jitr_runtime.policy.attachment import PerDevicePolicy
from tests.support.account import POLICY, REFUSE_ALL, Account
from tests.support.faults import EVERY_FAULT, Fault, Step, cut_off, injected, meanwhile, step_name, stepped

CLAIM, BEGIN = 3, 4
STEPS: list[Step] = [
    ("dynamodb", "BatchGetItem", 1),
    ("dynamodb", "UpdateItem", 1),  # a slot behind the last one; the rate limiter has no item yet
    ("dynamodb", "UpdateItem", 2),  # a slot from now on
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


def test_the_list_of_steps_has_all_calls_of_an_activation(aws: Account) -> None:
    record = aws.event(aws.pending())

    with stepped(iot=aws.iot, dynamodb=aws.dynamodb) as steps:
        aws.process(record)

    assert steps == STEPS


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("step", STEPS, ids=step_name)
def test_after_any_fault_at_any_call_redelivery_activates(aws: Account, step: Step, fault: Fault) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)

    back: list[str] = [record["messageId"]]
    with cut_off(aws, step, fault):
        back = aws.process(record)
    if aws.status(certificate_id) == "ACTIVE":
        assert aws.policies(certificate_id) == [POLICY]
        row = aws.row(certificate_id)
        assert row.state in {State.ACTIVATING, State.ACTIVATED}
        assert row.serial_number is not None
    assert back == [record["messageId"]], "the message must come back: it is not decided"

    back = aws.retry(record, minutes=20)

    assert back == []
    assert aws.status(certificate_id) == "ACTIVE"
    assert aws.policies(certificate_id) == [POLICY]
    row = aws.row(certificate_id)
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
        assert aws.connect(certificate_id) is reason

    row = aws.row(certificate_id)
    assert (row.state, row.reason) == (State.ACTIVATING, reason)


@pytest.mark.parametrize("operation", ["AttachPolicy", "UpdateCertificate"])
def test_the_claim_of_a_crashed_worker_expires_with_its_time_out(aws: Account, operation: str) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    with cut_off(aws, ("iot", operation, 1), Fault.CRASH_BEFORE):
        aws.process(record)

    for seconds in (0, 31):
        assert aws.retry(record, seconds=seconds) == [record["messageId"]]
        assert aws.reason is Reason.CLAIMED_ELSEWHERE

    assert aws.retry(record, seconds=5) == []
    assert aws.status(certificate_id) == "ACTIVE"


class OneThing:
    """A registration that gives every device the same thing."""

    def register(self, _device: object, _attributes: object) -> str:
        return "pump"


@pytest.mark.parametrize("step", [None, *CHANGES], ids=step_name)
def test_policy_and_row_have_the_thing_after_a_fault_at_any_call(aws: Account, step: Step | None) -> None:
    aws.parts["things"] = OneThing()
    aws.parts["policy"] = PerDevicePolicy(aws.iot, "own-", {"Resource": "client/{{thing_name}}"})
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    if step is not None:
        with cut_off(aws, step, Fault.CRASH_AFTER):
            aws.process(record)
        aws.clock.pass_time(minutes=5)

    aws.process(aws.redelivered(record))

    row = aws.row(certificate_id)
    assert (row.state, row.thing_name) == (State.ACTIVATED, "pump")
    policy = aws.iot.get_policy(policyName=row.policy_name)["policyDocument"]
    assert policy == '{"Resource":"client/pump"}'


def test_a_half_activated_certificate_that_an_operator_makes_inactive_stays_inactive(aws: Account) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    with cut_off(aws, ("iot", "UpdateCertificate", 1), Fault.CRASH_AFTER):
        aws.process(record)
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")

    aws.retry(record, minutes=5)

    assert aws.reason is Reason.NOT_PENDING
    assert aws.status(certificate_id) == "INACTIVE"


@pytest.mark.parametrize("parts", [{}, {"admission": REFUSE_ALL}], ids=["to activate", "to refuse"])
def test_a_worker_that_lost_its_claim_changes_and_records_nothing(
    aws: Account, parts: dict[str, Any]
) -> None:
    aws.parts |= parts
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    claimed = Update(certificate_id, {LEASE_TOKEN: "another worker's"})

    with meanwhile(aws.iot, "DescribeCertificate", lambda: aws.ledger.items.update(claimed)):
        back = aws.process(record)

    assert len(back) == 1
    assert aws.decisions[0].verdict == Verdict(
        Reason.CLAIMED_ELSEWHERE, f"another worker holds the lease on {certificate_id} now"
    )
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"
    assert aws.policies(certificate_id) == []
    assert aws.row(certificate_id).state is None


@pytest.mark.parametrize(
    ("parts", "at_call"),
    [({}, CLAIM), ({"admission": REFUSE_ALL}, CLAIM + 1)],
    ids=["the claim", "a refusal"],
)
def test_a_failed_write_to_the_ledger_defers_the_message(
    aws: Account, parts: dict[str, Any], at_call: int
) -> None:
    aws.parts |= parts
    record = aws.event(aws.pending())

    with injected(aws.dynamodb, "UpdateItem", Fault.THROTTLE, at_call=at_call):
        back = aws.process(record)

    assert back == [record["messageId"]]
    assert aws.reason is Reason.THROTTLED


@pytest.mark.parametrize("fault", [f for f in Fault if f not in CRASHES])
def test_a_message_that_cannot_be_dead_lettered_returns_to_the_queue(aws: Account, fault: Fault) -> None:
    record = aws.send("not an event")

    with injected(aws.sqs, "SendMessage", fault):
        back = aws.process(record)
    assert back == [record["messageId"]]

    assert aws.process(aws.redelivered(record)) == []
    assert aws.dead_letters()


def test_an_event_that_cannot_be_dead_lettered_is_deferred(aws: Account) -> None:
    other = DevelopmentCa.create("Another CA")
    certificate_id = aws.pending(other.issue(DeviceSpec("sensor-1")).certificate, other.certificate)
    record = aws.event(certificate_id)

    with injected(aws.sqs, "SendMessage", Fault.THROTTLE):
        assert aws.process(record) == [record["messageId"]]

    assert aws.reason is Reason.THROTTLED


@pytest.mark.parametrize("operation", ["DescribeCertificate", "AttachPolicy", "UpdateCertificate"])
def test_throttling_never_dead_letters_a_message_however_often_it_was_tried(
    aws: Account, operation: str
) -> None:
    record = aws.event(aws.pending(), receive_count=999)

    with injected(aws.iot, operation, Fault.THROTTLE):
        back = aws.process(record)

    assert back == [record["messageId"]]
    assert aws.reason is Reason.THROTTLED
    assert aws.dead_letters() == []


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_difference_to_the_queue_does_not_prevent_activation(aws: Account, minutes: int) -> None:
    certificate_id = aws.pending()
    sent_at = aws.clock.milliseconds + minutes * 60_000

    assert aws.process(aws.event(certificate_id, sent_at=sent_at)) == []

    assert aws.status(certificate_id) == "ACTIVE"
