"""Events of the activator: one for each outcome, after the ledger has it, without delaying it."""

import subprocess
import sys
from typing import Any

from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.activator.on_refusal import RefusalStatus
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.outbox import PAUSE, TIME_TO_PUBLISH
from iot_jitr_runtime.outcome_events import OWED_EVENTS, OWED_SHARD, OWED_SINCE
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from tests.support.account import FUNCTION_TIMEOUT, POLICY, UNREADABLE, Account, Admission
from tests.support.event_bus import PIPELINE, EventBus
from tests.support.faults import Fault, counted, injected


def owed(aws: Account, certificate_id: str) -> set[str]:
    item = aws.ledger.items.get(certificate_id) or {}
    assert (OWED_SHARD in item) is (OWED_SINCE in item) is (OWED_EVENTS in item)
    return set(item.get(OWED_EVENTS, ()))


def connect_after_decision_ttl(aws: Account, certificate_id: CertificateId) -> None:
    """The device connects again after its refusal has expired."""
    aws.clock.pass_time(minutes=2)
    assert aws.process(aws.event(certificate_id)) == []


def test_an_activation_is_published_with_the_fields_of_its_row(aws: Account, bus: EventBus) -> None:
    certificate_id = aws.pending(aws.ca.issue(DeviceSpec("pump-7")).certificate)

    aws.process(aws.event(certificate_id))

    row = aws.row(certificate_id)
    [event] = bus.received()
    assert (event["source"], event["detail-type"]) == ("iot-jitr", "Certificate Activated")
    detail = event["detail"]
    moments = {name: detail.pop(name) for name in ("firstSeenAt", "decidedAt")}
    assert len(detail.pop("id")) == 64
    assert detail == {
        "schemaVersion": "1",
        "pipeline": PIPELINE,
        "outcome": "activated",
        "certificateId": certificate_id,
        "caCertificateId": aws.ca_id,
        "serialNumber": row.serial_number,
        "commonName": "pump-7",
        "policyName": POLICY,
    }
    assert moments["decidedAt"] == aws.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert owed(aws, certificate_id) == set()


def test_a_refusal_is_published_with_its_reason_and_nothing_of_the_evidence(
    aws: Account, bus: EventBus
) -> None:
    aws.parts["admission"] = Admission(RefusedError(Reason.NOT_LISTED, "a text that may hold anything"))

    aws.process(aws.event(aws.pending()))

    [event] = bus.received()
    assert event["detail-type"] == "Certificate Refused"
    assert event["detail"]["reason"] == "not_listed"
    assert "a text that may hold anything" not in str(event)


def test_a_refusal_that_repeats_the_last_one_is_not_published_again(aws: Account, bus: EventBus) -> None:
    admission = aws.parts["admission"] = Admission(RefusedError(Reason.NOT_LISTED))
    certificate_id = aws.pending()

    aws.process(aws.event(certificate_id))
    connect_after_decision_ttl(aws, certificate_id)
    assert bus.outcomes() == ["refused"]

    admission.error = RefusedError(Reason.REFUSED_BY_FUNCTION)
    connect_after_decision_ttl(aws, certificate_id)
    assert [each["detail"]["reason"] for each in bus.received()] == ["refused_by_function"]

    del aws.parts["admission"]
    connect_after_decision_ttl(aws, certificate_id)
    assert bus.outcomes() == ["activated"]


def test_each_decision_has_an_id_of_its_own(aws: Account, bus: EventBus) -> None:
    certificate_id = aws.pending()
    aws.process(aws.event(certificate_id))
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="PENDING_ACTIVATION")
    connect_after_decision_ttl(aws, certificate_id)

    first, second = bus.received()
    assert first["detail"]["outcome"] == second["detail"]["outcome"] == "activated"
    assert first["detail"]["id"] != second["detail"]["id"]


def test_the_event_of_a_certificate_that_cannot_be_read_has_no_field_of_it(
    aws: Account, bus: EventBus
) -> None:
    aws.process(aws.event(aws.register(UNREADABLE, "PENDING_ACTIVATION")))

    [event] = bus.received()
    assert event["detail"]["reason"] == "unparsable_certificate"
    assert {"serialNumber", "caCertificateId", "commonName"} & set(event["detail"]) == set()


def test_a_refusal_that_sets_a_status_is_published_once(aws: Account, bus: EventBus) -> None:
    aws.parts["on_refusal"] = {Reason.EXPIRED: RefusalStatus.REVOKED}
    spec = DeviceSpec("old", validity=Validity.expired())
    certificate_id = aws.pending(aws.ca.issue(spec).certificate)

    aws.process(aws.event(certificate_id))

    assert aws.status(certificate_id) == "REVOKED"
    assert bus.outcomes() == ["refused"]
    assert owed(aws, certificate_id) == set()


def test_without_a_decision_nothing_is_published(aws: Account, bus: EventBus) -> None:
    aws.parts["admission"] = Admission(DeferredError(Reason.ADMISSION_FAILED))
    active = aws.register(aws.ca.issue(DeviceSpec("active")).certificate.pem, "ACTIVE")

    aws.process(aws.event(aws.pending()), aws.event(active))

    assert bus.received() == []


def test_without_the_option_rows_have_no_owed_events(aws: Account) -> None:
    certificate_id = aws.pending()

    aws.process(aws.event(certificate_id))

    item = aws.ledger.items.get(certificate_id) or {}
    assert "state" in item
    assert {OWED_EVENTS, OWED_SHARD, OWED_SINCE, "lastEvent"} & set(item) == set()


def test_events_are_published_by_tens_after_all_outcomes_of_the_batch(aws: Account, bus: EventBus) -> None:
    certificates = [aws.pending() for _ in range(12)]
    order: list[str] = []

    def note(operation: str) -> Any:
        return lambda **_: order.append(operation)

    aws.iot.meta.events.register("before-call.iot.UpdateCertificate", note("UpdateCertificate"))
    bus.events.meta.events.register("before-call.eventbridge.PutEvents", note("PutEvents"))
    aws.process(*map(aws.event, certificates))

    assert order == ["UpdateCertificate"] * 12 + ["PutEvents"] * 2
    assert {event["detail"]["certificateId"] for event in bus.received()} == set(certificates)


def test_after_a_failed_publication_the_worker_pauses_for_a_minute(aws: Account, bus: EventBus) -> None:
    batch = aws.batch()
    with injected(bus.events, "PutEvents", Fault.TIMEOUT_BEFORE):
        assert aws.process(aws.event(aws.pending()), batch=batch) == []
    assert [count for count, _ in bus.unpublished] == [1]

    with counted(bus.events) as calls:
        assert aws.process(aws.event(aws.pending()), batch=batch) == []
        assert calls == []
        aws.clock.pass_time(seconds=PAUSE.total_seconds())
        assert aws.process(aws.event(aws.pending()), batch=batch) == []
        assert calls == ["PutEvents"]
    assert bus.outcomes() == ["activated"]


def test_without_time_for_a_call_nothing_is_published(aws: Account, bus: EventBus) -> None:
    certificate_id = aws.pending()
    time_left = FUNCTION_TIMEOUT - TIME_TO_PUBLISH
    aws.iot.meta.events.register(
        "before-call.iot.UpdateCertificate",
        lambda **_: aws.clock.pass_time(seconds=time_left.total_seconds()),
    )
    aws.parts["time_for_one"] = FUNCTION_TIMEOUT

    with counted(bus.events) as calls:
        assert aws.process(aws.event(certificate_id)) == []

    assert calls == []
    assert aws.status(certificate_id) == "ACTIVE"
    assert len(owed(aws, certificate_id)) == 1


def test_the_activator_does_not_import_the_outbox_where_events_are_off() -> None:
    """The start of the activator must not become slower if events are off."""
    code = "import sys, iot_jitr_runtime.activator.handler; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert "iot_jitr_runtime.ledger.table" in done.stdout.split()
    assert "iot_jitr_runtime.ledger.outbox" not in done.stdout.split()
