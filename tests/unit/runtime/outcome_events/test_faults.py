"""Each event is published at least once after any fault at any call; a repetition has the same id."""

from types import SimpleNamespace
from typing import Any

import pytest

from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.outbox import IN_FLIGHT, Outbox
from tests.support.account import Account
from tests.support.event_bus import EventBus
from tests.support.faults import EVERY_FAULT, Fault, Step, cut_off, injected, step_name, stepped
from tests.unit.runtime.activator.test_faults import STEPS
from tests.unit.runtime.outcome_events.test_activator import owed

PUBLISH: Step = ("events", "PutEvents", 1)
SETTLE: Step = ("dynamodb", "UpdateItem", 5)
ALL_STEPS = [*STEPS, PUBLISH, SETTLE]
"""All calls of one activation whose event is published, in order."""


def reconcile(aws: Account, bus: EventBus) -> Outbox:
    """A run of the reconciler, late enough that no event is in flight."""
    aws.clock.pass_time(seconds=IN_FLIGHT.total_seconds() + 1)
    outbox = bus.outbox(aws)
    outbox.publish_owed(aws.clock.deadline(minutes=5))
    return outbox


def test_the_steps_are_all_calls_of_an_activation_whose_event_is_published(
    aws: Account, bus: EventBus
) -> None:
    record = aws.event(aws.pending())

    with stepped(iot=aws.iot, dynamodb=aws.dynamodb, events=bus.events) as steps:
        aws.process(record)

    assert steps == ALL_STEPS


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("step", ALL_STEPS, ids=step_name)
def test_after_any_fault_at_any_call_the_event_of_the_activation_is_published(
    aws: Account, bus: EventBus, step: Step, fault: Fault
) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    clients = SimpleNamespace(iot=aws.iot, dynamodb=aws.dynamodb, events=bus.events)

    with cut_off(clients, step, fault):
        aws.process(record)
    aws.clock.pass_time(minutes=20)
    aws.outbox = bus.outbox(aws)
    aws.process(aws.redelivered(record))
    reconcile(aws, bus)

    published = [(event["detail"]["outcome"], event["detail"]["id"]) for event in bus.received()]
    assert [outcome for outcome, _ in published] == ["activated"] * len(published)
    assert len(set(published)) == 1
    assert owed(aws, certificate_id) == set()
    row = aws.row(certificate_id)
    assert row.state is State.ACTIVATED


@pytest.mark.parametrize(
    "fault", [fault for fault in Fault if fault not in {Fault.CRASH_BEFORE, Fault.CRASH_AFTER}]
)
def test_a_fault_of_the_bus_does_not_affect_the_activation(aws: Account, bus: EventBus, fault: Fault) -> None:
    certificate_id = aws.pending()

    with injected(bus.events, "PutEvents", fault):
        assert aws.process(aws.event(certificate_id)) == []

    assert aws.status(certificate_id) == "ACTIVE"
    assert [decision.verdict.outcome for decision in aws.decisions] == ["activated"]
    assert [count for count, _ in bus.unpublished] == [1]
    assert len(owed(aws, certificate_id)) == 1


def test_after_a_partial_failure_only_the_failed_events_are_repeated(aws: Account, bus: EventBus) -> None:
    certificates = sorted(aws.pending() for _ in range(3))
    left_out: list[str] = []

    def spoil(params: Any, **_: Any) -> None:
        """Without a source, the bus does not take the entry."""
        if not left_out:
            entry = params["Entries"][1]
            left_out.append(entry["Detail"])
            del entry["Source"]

    bus.events.meta.events.register("provide-client-params.eventbridge.PutEvents", spoil)
    assert aws.process(*map(aws.event, certificates)) == []

    assert len(bus.received()) == 2
    assert bus.unpublished[0][0] == 1
    assert [each for each in certificates if owed(aws, each)] == [
        each for each in certificates if each in left_out[0]
    ]
    reconcile(aws, bus)
    [event] = bus.received()
    assert event["detail"]["certificateId"] in left_out[0]


def test_a_row_that_owes_a_newer_event_keeps_its_marks_until_all_are_published(
    aws: Account, bus: EventBus
) -> None:
    certificate_id = aws.pending()
    with injected(bus.events, "PutEvents", Fault.TIMEOUT_BEFORE):
        aws.process(aws.event(certificate_id))
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="PENDING_ACTIVATION")
    aws.clock.pass_time(minutes=2)
    aws.process(aws.event(certificate_id))

    assert bus.outcomes() == ["activated"]
    assert len(owed(aws, certificate_id)) == 2
    reconcile(aws, bus)
    assert bus.outcomes() == ["activated", "activated"]
    assert owed(aws, certificate_id) == set()


def test_the_reconciler_does_not_publish_events_in_flight(aws: Account, bus: EventBus) -> None:
    with injected(bus.events, "PutEvents", Fault.TIMEOUT_BEFORE):
        aws.process(aws.event(aws.pending()))

    published = bus.outbox(aws).publish_owed(aws.clock.deadline(minutes=5))

    assert (published, bus.received()) == (0, [])


def test_a_bus_that_refuses_is_called_once_in_a_run_of_the_reconciler(aws: Account, bus: EventBus) -> None:
    certificates = [aws.pending() for _ in range(15)]
    with injected(bus.events, "PutEvents", Fault.ACCESS_DENIED):
        aws.process(*map(aws.event, certificates))
    assert all(owed(aws, each) for each in certificates)

    with injected(bus.events, "PutEvents", Fault.ACCESS_DENIED) as struck:
        reconcile(aws, bus)
        assert struck() == 1
    assert bus.received() == []
    reconcile(aws, bus)
    assert {event["detail"]["certificateId"] for event in bus.received()} == set(certificates)


def test_the_reconciler_stops_at_its_deadline_and_the_next_run_continues(aws: Account, bus: EventBus) -> None:
    certificates = [aws.pending() for _ in range(4)]
    with injected(bus.events, "PutEvents", Fault.TIMEOUT_BEFORE):
        aws.process(*map(aws.event, certificates))
    aws.clock.pass_time(minutes=10)

    assert bus.outbox(aws).publish_owed(aws.clock.deadline(seconds=1)) == 0
    assert bus.received() == []
    reconcile(aws, bus)
    assert len(bus.received()) == 4
