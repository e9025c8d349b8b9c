"""One event from the queue to its outcome, with a test for each known mistake of other activators."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import Extension
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.activator.activate import TIME_FOR_ONE
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason, RefusedError, Verdict
from tests.support.account import POLICY, UNREADABLE, Account, Admission
from tests.support.device_certificates import ca_flag, certificate_of, extended_key_usage
from tests.support.faults import Fault, answered, counted, injected, meanwhile

UNREADABLE_EXTENSION = Extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), b"\x04\x00"))


def issue(aws: Account, **values: Any) -> Certificate:
    return aws.ca.issue(DeviceSpec(**({"common_name": "sensor-1"} | values))).certificate


@pytest.mark.parametrize("kind", KeyKind)
def test_every_kind_of_key_is_activated(aws: Account, kind: KeyKind) -> None:
    certificate_id = aws.pending(issue(aws, key=kind))

    assert aws.process(aws.event(certificate_id)) == []

    assert aws.reason is None
    assert aws.status(certificate_id) == "ACTIVE"
    assert aws.policies(certificate_id) == [POLICY]


def test_an_activation_takes_three_iot_calls_and_the_policy_comes_first(aws: Account) -> None:
    warm = aws.batch()
    aws.process(aws.event(aws.pending()), batch=warm)
    record = aws.event(aws.pending())

    with counted(aws.iot) as calls:
        aws.process(record, batch=warm)

    assert calls == ["DescribeCertificate", "AttachPolicy", "UpdateCertificate"]


def test_the_ledger_row_has_the_whole_decision_with_the_common_name_unchanged(aws: Account) -> None:
    certificate_id = aws.pending(issue(aws, common_name="a,O=evil", serial_number=0xABC))

    aws.connect(certificate_id)

    row = aws.row(certificate_id)
    assert (row.state, row.reason, row.ca_certificate_id) == (State.ACTIVATED, None, aws.ca_id)
    assert (row.serial_number, row.common_name, row.policy_name) == ("abc", "a,O=evil", POLICY)
    assert (row.attempts, row.decided_at, row.lease_expires_at) == (1, aws.clock.milliseconds, 0)


def test_the_ledger_has_the_row_before_the_certificate_changes(aws: Account) -> None:
    certificate_id = aws.pending()
    states = []

    def read(**_: object) -> None:
        row = aws.row(certificate_id)
        states.append((row.state, row.serial_number is not None))

    aws.iot.meta.events.register("before-call.iot.AttachPolicy", read)
    aws.iot.meta.events.register("before-call.iot.UpdateCertificate", read)
    aws.connect(certificate_id)

    assert states == [(State.ACTIVATING, True)] * 2


def test_a_repeated_event_makes_no_iot_call(aws: Account) -> None:
    certificate_id = aws.pending()
    early = aws.event(certificate_id)
    aws.connect(certificate_id)

    with counted(aws.iot) as calls:
        back = aws.process(early, aws.event(certificate_id))

    assert (back, calls) == ([], [])
    assert {d.verdict for d in aws.decisions} == {Verdict(Reason.ALREADY_DECIDED, "activated")}


def test_identical_events_in_one_batch_count_once(aws: Account) -> None:
    certificate_id = aws.pending()

    with counted(aws.iot) as calls:
        back = aws.process(*(aws.event(certificate_id) for _ in range(5)))

    assert back == []
    assert calls.count("UpdateCertificate") == 1
    reasons = [d.verdict.reason for d in aws.decisions]
    assert (reasons.count(None), reasons.count(Reason.DUPLICATE)) == (1, 4)


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_an_event_does_not_change_a_decided_certificate(aws: Account, status: str) -> None:
    certificate = issue(aws)
    certificate_id = aws.register(certificate.pem, status)

    with counted(aws.iot) as calls:
        assert aws.connect(certificate_id) is Reason.NOT_PENDING

    assert aws.decisions[0].verdict.detail == f"the certificate is {status}"
    assert calls == ["DescribeCertificate", "DescribeCACertificate"]
    assert aws.status(certificate_id) == status
    row = aws.row(certificate_id)
    assert (row.state, row.serial_number) == (State.KNOWN, certificate.serial_number)
    assert row.in_fleet is (status == "ACTIVE")


def test_a_certificate_that_is_not_pending_is_read_once_a_minute(aws: Account) -> None:
    certificate_id = aws.register(issue(aws).pem, "INACTIVE")
    aws.connect(certificate_id)

    reads = []
    for seconds in (30, 31):
        aws.clock.pass_time(seconds=seconds)
        with counted(aws.iot) as calls:
            aws.connect(certificate_id)
        reads.append("DescribeCertificate" in calls)

    assert reads == [False, True]


def test_an_event_long_after_the_activation_does_not_activate_an_inactive_certificate(aws: Account) -> None:
    certificate_id = aws.pending()
    aws.connect(certificate_id)
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    aws.clock.pass_time(hours=1)

    assert aws.connect(certificate_id) is Reason.NOT_PENDING

    assert aws.status(certificate_id) == "INACTIVE"
    assert aws.row(certificate_id).state is State.ACTIVATED


def test_a_certificate_deleted_and_registered_again_is_activated_again(aws: Account) -> None:
    certificate_id = aws.pending()
    aws.connect(certificate_id)
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="PENDING_ACTIVATION")
    aws.clock.pass_time(minutes=1)

    assert aws.connect(certificate_id) is None

    assert aws.status(certificate_id) == "ACTIVE"


def leaf(aws: Account, *extensions: Extension, key: Any = None) -> Certificate:
    return certificate_of(
        [(NameOID.COMMON_NAME, "sensor-1")], ca=aws.ca, device_key=key, extensions=extensions
    )


INVALID: dict[str, tuple[Reason, Callable[[Account], Certificate]]] = {
    "expired": (Reason.EXPIRED, lambda aws: issue(aws, validity=Validity.expired())),
    "from tomorrow": (Reason.NOT_YET_VALID, lambda aws: issue(aws, validity=Validity.future())),
    "no name": (Reason.INVALID_COMMON_NAME, lambda aws: issue(aws, common_name=None)),
    "slash": (Reason.INVALID_COMMON_NAME, lambda aws: issue(aws, common_name="sensor/1")),
    "a CA": (Reason.CA_CERTIFICATE, lambda aws: leaf(aws, ca_flag(ca=True))),
    "Ed25519": (Reason.UNSUPPORTED_KEY, lambda aws: leaf(aws, key=ed25519.Ed25519PrivateKey.generate())),
    "a server": (
        Reason.UNSUPPORTED_KEY_USAGE,
        lambda aws: leaf(aws, extended_key_usage(ExtendedKeyUsageOID.SERVER_AUTH)),
    ),
    "bad extension": (Reason.UNPARSABLE_CERTIFICATE, lambda aws: leaf(aws, UNREADABLE_EXTENSION)),
    "same CA name, other key": (
        Reason.BAD_SIGNATURE,
        lambda _: DevelopmentCa.create().issue(DeviceSpec("sensor-1")).certificate,
    ),
    "other CA name": (
        Reason.ISSUER_MISMATCH,
        lambda _: DevelopmentCa.create(name="another CA").issue(DeviceSpec("sensor-1")).certificate,
    ),
}


@pytest.mark.parametrize(("reason", "make"), INVALID.values(), ids=INVALID)
def test_an_invalid_certificate_is_refused_and_stays_pending(
    aws: Account, reason: Reason, make: Callable[[Account], Certificate]
) -> None:
    certificate = make(aws)
    certificate_id = aws.pending(certificate)

    assert aws.process(aws.event(certificate_id)) == []

    assert aws.reason is reason
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"
    assert aws.policies(certificate_id) == []
    row = aws.row(certificate_id)
    assert (row.state, row.reason) == (State.REFUSED, reason)
    assert (row.ca_certificate_id, row.serial_number) == (aws.ca_id, certificate.serial_number)


def test_a_certificate_that_cannot_be_parsed_is_refused_with_what_was_found(aws: Account) -> None:
    assert aws.connect(aws.register(UNREADABLE, "PENDING_ACTIVATION")) is Reason.UNPARSABLE_CERTIFICATE

    assert aws.decisions[0].verdict.detail.startswith("not an X.509 certificate: ")


def test_a_ca_certificate_is_activated_where_its_ca_is_configured_so(aws: Account) -> None:
    aws.parts["ca_devices"] = {aws.ca_id}

    assert aws.connect(aws.pending(leaf(aws, ca_flag(ca=True)))) is None


def test_the_validity_is_checked_at_the_time_of_the_event(aws: Account) -> None:
    certificate_id = aws.pending(issue(aws, validity=Validity.days(30)))
    aws.clock.pass_time(days=31)

    assert aws.connect(certificate_id) is Reason.EXPIRED


def pending_under(aws: Account, other: DevelopmentCa) -> CertificateId:
    return aws.pending(other.issue(DeviceSpec("sensor-1")).certificate, other.certificate)


def test_a_certificate_of_another_deployments_ca_is_dead_lettered(aws: Account) -> None:
    other = DevelopmentCa.create()
    other_id = aws.register_ca(other)
    certificate_id = pending_under(aws, other)

    assert aws.process(aws.event(certificate_id)) == []

    detail = f"registered under CA {other_id}, which is not one of this deployment"
    assert aws.decisions[0].verdict == Verdict(Reason.FOREIGN_CA, detail)
    [message] = aws.dead_letters()
    assert message["MessageAttributes"]["reason"]["StringValue"] == "foreign_ca"
    assert certificate_id in message["Body"]
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_a_redriven_message_is_decided_again_after_its_ca_is_configured(aws: Account) -> None:
    other = DevelopmentCa.create()
    other_id = aws.register_ca(other)
    certificate_id = pending_under(aws, other)
    another_connect = aws.event(certificate_id)
    aws.connect(certificate_id)
    aws.process(another_connect)
    assert aws.reason is Reason.ALREADY_DECIDED
    aws.parts["issuers"] = Issuers(aws.iot, [aws.ca_id, other_id])
    aws.clock.pass_time(milliseconds=1)
    [message] = aws.dead_letters()

    aws.process(aws.send(message["Body"]))

    assert aws.reason is None
    assert aws.status(certificate_id) == "ACTIVE"


def test_a_certificate_that_is_not_visible_yet_is_read_three_times(aws: Account) -> None:
    record = aws.event("0" * 64)

    ends = []
    for _ in range(3):
        back = aws.process(record)
        ends.append((aws.decisions[0].verdict, bool(back)))
        record = aws.redelivered(record)
        aws.clock.pass_time(minutes=5)

    not_yet = Verdict(Reason.NOT_VISIBLE_YET, "AWS IoT has no such certificate yet")
    gone = Verdict(Reason.CERTIFICATE_GONE, "AWS IoT has no such certificate")
    assert ends == [(not_yet, True), (not_yet, True), (gone, False)]
    assert aws.row("0" * 64).expires_at, "a row of a certificate that does not exist expires"


def test_a_missing_policy_defers_and_nothing_is_activated(aws: Account) -> None:
    aws.iot.delete_policy(policyName=POLICY)
    certificate_id = aws.pending()

    assert len(aws.process(aws.event(certificate_id))) == 1

    assert aws.reason is Reason.POLICY_MISSING
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_while_a_message_waits_other_events_of_its_device_make_no_iot_call(aws: Account) -> None:
    certificate_id = aws.pending()
    waiting = aws.event(certificate_id)
    with injected(aws.iot, "DescribeCertificate", Fault.THROTTLE):
        aws.process(waiting)
    aws.clock.pass_time(seconds=1)

    with counted(aws.iot) as calls:
        back = aws.process(aws.event(certificate_id))

    assert (back, calls) == ([], [])
    assert aws.process(aws.redelivered(waiting)) == []
    assert aws.status(certificate_id) == "ACTIVE"


def test_only_an_activation_has_a_waiting_time(aws: Account) -> None:
    record = aws.event(aws.pending())
    with injected(aws.iot, "DescribeCertificate", Fault.THROTTLE):
        aws.process(record)
    assert aws.decisions[-1].waited is None

    aws.retry(record, seconds=90)
    assert (aws.decisions[-1].waited, aws.decisions[-1].retry_in) == (90, None)


def test_a_refused_device_is_checked_again_after_the_decision_ttl(aws: Account) -> None:
    admission = aws.parts["admission"] = Admission(RefusedError(Reason.NOT_LISTED))
    certificate_id = aws.pending()
    aws.connect(certificate_id)
    admission.error = None

    aws.clock.pass_time(seconds=30)
    assert aws.connect(certificate_id) is Reason.ALREADY_DECIDED

    aws.clock.pass_time(seconds=60)
    assert aws.connect(certificate_id) is None


@pytest.mark.parametrize("defect", [ZeroDivisionError("half"), ValueError("Invalid isoformat string")])
def test_an_unknown_exception_defers_only_its_message(aws: Account, defect: Exception) -> None:
    aws.parts["admission"] = Admission(defect)
    certificate_id = aws.pending()

    assert len(aws.process(aws.event(certificate_id))) == 1

    [decision] = aws.decisions
    expected = Verdict(Reason.INTERNAL_ERROR, f"{type(defect).__name__}: {defect}")
    assert (decision.verdict, decision.verdict.defect) == (expected, defect)
    row = aws.row(certificate_id)
    assert (row.state, row.reason) == (State.DEFERRED, Reason.INTERNAL_ERROR)


def test_a_certificate_revoked_after_its_status_was_read_stays_revoked(aws: Account) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)

    with answered(aws.iot, "UpdateCertificate", "CertificateStateException"):
        assert aws.process(record) == []

    assert aws.reason is Reason.NOT_PENDING
    assert aws.decisions[0].verdict.detail.startswith("the certificate changed meanwhile: ")


@pytest.mark.parametrize(
    ("left", "reason"),
    [(TIME_FOR_ONE, None), (TIME_FOR_ONE - timedelta(milliseconds=1), Reason.OUT_OF_TIME)],
    ids=["just enough", "too little"],
)
def test_an_activation_begins_only_with_enough_time_left(
    aws: Account, left: timedelta, reason: Reason | None
) -> None:
    record = aws.event(aws.pending())

    aws.batch().process([record], stops_at=aws.clock() + left, on_decision=aws.decisions.append)

    assert aws.reason is reason


def test_an_old_status_is_read_again_before_the_change(aws: Account) -> None:
    certificate_id = aws.pending()
    record = aws.event(certificate_id)
    longest = TIME_FOR_ONE.total_seconds()

    def attaching_takes(seconds: float) -> AbstractContextManager[None]:
        return meanwhile(aws.iot, "AttachPolicy", lambda: aws.clock.pass_time(seconds=seconds))

    with counted(aws.iot) as calls, attaching_takes(longest + 1):
        back = aws.process(record)

    assert back == [record["messageId"]]
    assert aws.decisions[0].verdict == Verdict(Reason.OUT_OF_TIME, "the checks took longer than 8 s")
    assert "UpdateCertificate" not in calls

    aws.clock.pass_time(minutes=1)
    with attaching_takes(longest):
        assert aws.process(aws.redelivered(record)) == []
    assert aws.status(certificate_id) == "ACTIVE"
