"""Events of the reconciler: certificates that wait too long, once in each wait."""

import io
import json

import pytest
from botocore.exceptions import ClientError

from iot_jitr_runtime import environment
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Row
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.reconciler.listing import CertificateSummary
from iot_jitr_runtime.reconciler.passes import Passes
from tests.support.account import Account, Admission, add_the_ca
from tests.support.certificate_list import FakeList
from tests.support.event_bus import EventBus
from tests.support.faults import Crash, Fault, injected, meanwhile
from tests.support.lambda_function import context, lines, started
from tests.unit.runtime.outcome_events.test_activator import owed
from tests.unit.runtime.reconciler.test_passes import QUARTER, newest, passes


@pytest.fixture
def admission(aws: Account) -> Admission:
    """An admission that fails until the test sets another result."""
    made = aws.parts["admission"] = Admission(DeferredError(Reason.ADMISSION_FAILED))
    return made


@pytest.fixture
def listing(aws: Account) -> FakeList:
    return FakeList(aws)


@pytest.fixture
def reconciler(aws: Account, bus: EventBus, listing: FakeList) -> Passes:
    del bus
    return passes(aws, listing)


@pytest.fixture
def device(aws: Account, listing: FakeList) -> CertificateId:
    """A device that has just connected for the first time; its event is lost."""
    certificate_id = aws.pending()
    listing.certificates.append(CertificateSummary(certificate_id, "PENDING_ACTIVATION", aws.clock()))
    return certificate_id


def test_a_certificate_whose_registration_event_is_lost_is_published_once(
    aws: Account, bus: EventBus, reconciler: Passes, device: CertificateId
) -> None:
    newest(aws, reconciler)
    assert bus.received() == []

    for _ in range(2):
        aws.clock.pass_time(seconds=QUARTER.total_seconds() + 60)
        newest(aws, reconciler)

    [event] = bus.received()
    detail = event["detail"]
    assert event["detail-type"] == "Certificate Waiting Too Long"
    assert (detail["certificateId"], detail["caCertificateId"]) == (device, aws.ca_id)
    assert "reason" not in detail
    assert detail["firstSeenAt"] < detail["decidedAt"]
    assert owed(aws, device) == set()


@pytest.mark.usefixtures("admission")
def test_a_certificate_that_is_deferred_is_published_with_the_reason(
    aws: Account, bus: EventBus, reconciler: Passes, device: CertificateId
) -> None:
    record = aws.event(device)
    aws.process(record)
    aws.retry(record, minutes=20)

    newest(aws, reconciler)

    [event] = bus.received()
    assert event["detail"]["reason"] == "admission_failed"


def test_waiting_for_a_slot_is_no_waiting_too_long_event(
    aws: Account, bus: EventBus, reconciler: Passes, device: CertificateId
) -> None:
    aws.clock.pass_time(minutes=20)
    now = aws.clock.milliseconds
    aws.ledger.record_rate_limited(Row(device), slot=now + 60_000, sent_at=now, message_id="m", now=now)

    newest(aws, reconciler)

    assert bus.received() == []


def test_a_second_wait_is_published_again(
    aws: Account, bus: EventBus, reconciler: Passes, admission: Admission, device: CertificateId
) -> None:
    outcomes = []
    for result in (RefusedError(Reason.NOT_LISTED), DeferredError(Reason.THROTTLED), None):
        admission.error = DeferredError(Reason.ADMISSION_FAILED)
        aws.process(aws.event(device))
        aws.clock.pass_time(minutes=20)
        newest(aws, reconciler)
        admission.error = result
        aws.process(aws.event(device))
        outcomes += bus.outcomes()
        aws.clock.pass_time(minutes=20)

    assert outcomes == ["waiting_too_long", "refused", "waiting_too_long", "activated"]


def test_a_concurrent_decision_prevents_the_waiting_too_long_event(
    aws: Account, bus: EventBus, reconciler: Passes, device: CertificateId
) -> None:
    aws.clock.pass_time(minutes=20)

    assert aws.ledger.rows([device]) == {}
    assert reconciler.ledger.outbox is not None
    with meanwhile(aws.dynamodb, "UpdateItem", lambda: aws.process(aws.event(device))):
        reconciler.ledger.outbox.record_waiting(aws.ca_id, Row(device), since=aws.clock())

    assert bus.outcomes() == ["activated"]


@pytest.mark.parametrize("fault", [Fault.TIMEOUT_BEFORE, Fault.CRASH_BEFORE, Fault.ACCESS_DENIED])
def test_a_wait_whose_event_is_cut_off_is_published_by_the_next_run(
    aws: Account, bus: EventBus, fault: Fault, listing: FakeList, device: CertificateId
) -> None:
    aws.clock.pass_time(minutes=20)
    with injected(bus.events, "PutEvents", fault):
        try:
            newest(aws, passes(aws, listing))
        except Crash:
            assert fault is Fault.CRASH_BEFORE
    assert len(owed(aws, device)) == 1

    aws.clock.pass_time(minutes=20)
    aws.outbox = bus.outbox(aws)
    newest(aws, passes(aws, listing))
    assert bus.received() == []
    assert aws.outbox.publish_owed(aws.clock.deadline(minutes=5)) == 1
    assert bus.outcomes() == ["waiting_too_long"]


def test_a_wait_that_cannot_be_recorded_is_recorded_by_the_next_run(
    aws: Account, bus: EventBus, reconciler: Passes, device: CertificateId
) -> None:
    del device
    aws.clock.pass_time(minutes=20)

    with injected(aws.dynamodb, "UpdateItem", Fault.ACCESS_DENIED, at_call=4), pytest.raises(ClientError):
        newest(aws, reconciler)
    newest(aws, reconciler)

    assert bus.outcomes() == ["waiting_too_long"]


# The handlers.


def variables(aws: Account, bus: str) -> dict[str, str]:
    return {
        **aws.environment,
        environment.PENDING_AFTER_SECONDS: "0",
        environment.FULL_LISTING_SECONDS: "604800",
        environment.OUTCOME_EVENTS: json.dumps({"bus": bus, "pipeline": "Fleet/Jitr"}),
    }


def test_the_reconciler_publishes_the_owed_events_of_the_activator(
    aws: Account, bus: EventBus, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    aws.clock.pass_time(minutes=-4)
    with injected(bus.events, "PutEvents", Fault.TIMEOUT_BEFORE):
        aws.process(aws.event(aws.pending()))

    module = started(monkeypatch, "reconciler", variables(aws, bus.arn), log)
    for _ in range(2):
        module.handle({}, context("reconciler"))

    assert bus.outcomes() == ["activated"]
    assert [line["events"] for line in lines(log.getvalue()) if line["message"] == "events_published"] == [1]


def test_the_activator_publishes_by_its_environment_and_counts_what_it_could_not_publish(
    aws: Account,
    bus: EventBus,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    log: io.StringIO,
) -> None:
    for arn in (bus.arn, f"{bus.arn}-that-is-not-there"):
        module = started(monkeypatch, "activator", variables(aws, arn), log)
        # The function's own client must return what moto leaves out, as the client of the account does.
        iot_events = module._batch().activation.iot.meta.events
        iot_events.register("after-call.iot.DescribeCertificate", add_the_ca)
        answer = module.handle({"Records": [aws.event(aws.pending())]}, context("activator"))
        assert answer == {"batchItemFailures": []}

    assert bus.outcomes() == ["activated"]
    [metrics] = [line for line in lines(capsys.readouterr().out) if "EventsUnpublished" in line]
    assert metrics["EventsUnpublished"] == [1]
