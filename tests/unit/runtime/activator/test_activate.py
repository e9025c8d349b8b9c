"""One event from the queue to its outcome. Each way in which other activators fail has its test here."""

from datetime import UTC, datetime
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
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import DeferredError, Outcome, Reason, RefusedError, Verdict
from tests.support.account import POLICY, Account
from tests.support.device_certificates import ca_flag, certificate_of, extended_key_usage
from tests.support.faults import counted

UNREADABLE = Extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.37"), b"\x04\x00"))


def only_verdict(aws: Account) -> tuple[Outcome, Reason | None]:
    [decision] = aws.decisions
    return decision.verdict.outcome, decision.verdict.reason


@pytest.mark.parametrize("kind", KeyKind)
def test_every_kind_of_key_is_activated(aws: Account, kind: KeyKind) -> None:
    certificate_id = aws.pending(aws.ca.issue(DeviceSpec("sensor-1", key=kind)).certificate)

    back = aws.process(aws.event(certificate_id))

    assert back == []
    assert only_verdict(aws) == (Outcome.ACTIVATED, None)
    assert aws.status(certificate_id) == "ACTIVE"
    assert aws.policies(certificate_id) == [POLICY]


def test_an_activation_takes_three_iot_calls_and_the_policy_comes_first(aws: Account) -> None:
    warm = aws.batch()
    aws.process(aws.event(aws.pending()), batch=warm)
    record = aws.event(aws.pending())

    with counted(aws.iot) as calls:
        aws.process(record, batch=warm)

    assert calls == ["DescribeCertificate", "AttachPolicy", "UpdateCertificate"]


def test_the_ledger_row_holds_the_whole_decision(aws: Account) -> None:
    certificate = aws.ca.issue(DeviceSpec("sensor-1", serial_number=0xABC)).certificate
    certificate_id = aws.pending(certificate)

    aws.process(aws.event(certificate_id))

    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.state, row.reason, row.ca_certificate_id) == (State.ACTIVATED, None, aws.ca_id)
    assert (row.serial_number, row.common_name, row.policy_name) == ("abc", "sensor-1", POLICY)
    assert (row.attempts, row.decided_at, row.lease_expires_at) == (1, aws.clock.milliseconds, 0)


def test_the_ledger_knows_the_certificate_before_it_changes(aws: Account) -> None:
    certificate_id = aws.pending()
    states = []

    def look(**_: object) -> None:
        row = aws.ledger.row(certificate_id)
        states.append((row and row.state, row and row.serial_number is not None))

    aws.iot.meta.events.register("before-call.iot.AttachPolicy", look)
    aws.iot.meta.events.register("before-call.iot.UpdateCertificate", look)
    aws.process(aws.event(certificate_id))

    assert states == [(State.ACTIVATING, True)] * 2


def test_a_repeated_event_makes_no_iot_call(aws: Account) -> None:
    certificate_id = aws.pending()
    early = aws.event(certificate_id)
    aws.process(aws.event(certificate_id))

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
def test_a_replayed_event_leaves_a_decided_certificate_alone(aws: Account, status: str) -> None:
    certificate = aws.ca.issue(DeviceSpec("sensor-1")).certificate
    certificate_id = aws.register(certificate.pem, status)

    with counted(aws.iot) as calls:
        back = aws.process(aws.event(certificate_id))

    assert back == []
    assert only_verdict(aws) == (Outcome.STALE, Reason.NOT_PENDING)
    assert status in str(aws.decisions[0].verdict.detail)
    assert calls == ["DescribeCertificate", "DescribeCACertificate"]
    assert aws.status(certificate_id) == status
    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.state, row.serial_number) == (State.KNOWN, certificate.serial_number)


def test_a_certificate_that_is_not_pending_is_read_once_a_minute(aws: Account) -> None:
    certificate_id = aws.register(aws.ca.issue(DeviceSpec("sensor-1")).certificate.pem, "INACTIVE")
    aws.process(aws.event(certificate_id))

    looks = []
    for seconds in (30, 31):
        aws.clock.pass_time(seconds=seconds)
        with counted(aws.iot) as calls:
            aws.process(aws.event(certificate_id))
        looks.append("DescribeCertificate" in calls)

    assert looks == [False, True]


def test_an_event_long_after_the_activation_does_not_activate_an_inactive_certificate(
    aws: Account,
) -> None:
    certificate_id = aws.pending()
    aws.process(aws.event(certificate_id))
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    aws.clock.pass_time(hours=1)

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.STALE, Reason.NOT_PENDING)
    assert aws.status(certificate_id) == "INACTIVE"
    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert row.state is State.ACTIVATED


def test_a_certificate_deleted_and_registered_again_is_activated_again(aws: Account) -> None:
    certificate_id = aws.pending()
    aws.process(aws.event(certificate_id))
    aws.iot.update_certificate(certificateId=certificate_id, newStatus="PENDING_ACTIVATION")
    aws.clock.pass_time(minutes=1)

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.ACTIVATED, None)
    assert aws.status(certificate_id) == "ACTIVE"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (DeviceSpec("sensor-1", validity=Validity.expired()), Reason.EXPIRED),
        (DeviceSpec("sensor-1", validity=Validity.future()), Reason.NOT_YET_VALID),
        (DeviceSpec(None), Reason.INVALID_COMMON_NAME),
        (DeviceSpec("a", more_common_names=("b",)), Reason.INVALID_COMMON_NAME),
        (DeviceSpec("*"), Reason.INVALID_COMMON_NAME),
        (DeviceSpec("sensor/1"), Reason.INVALID_COMMON_NAME),
        (DeviceSpec("${iot:ClientId}"), Reason.INVALID_COMMON_NAME),
    ],
)
def test_an_invalid_certificate_is_refused_and_stays_pending(
    aws: Account, spec: DeviceSpec, reason: Reason
) -> None:
    certificate = aws.ca.issue(spec).certificate
    certificate_id = aws.pending(certificate)

    back = aws.process(aws.event(certificate_id))

    assert back == []
    assert only_verdict(aws) == (Outcome.REFUSED, reason)
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"
    assert aws.policies(certificate_id) == []
    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.state, row.reason) == (State.REFUSED, reason)
    assert (row.ca_certificate_id, row.serial_number) == (aws.ca_id, certificate.serial_number)


def test_a_certificate_without_an_end_is_activated(aws: Account) -> None:
    """notAfter 99991231235959Z: RFC 5280 section 4.1.2.5, every IEEE 802.1AR device identity."""
    end = Validity(datetime(2020, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    certificate_id = aws.pending(aws.ca.issue(DeviceSpec("sensor-1", validity=end)).certificate)

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.ACTIVATED, None)


def leaf(aws: Account, *extensions: Extension, key: Any = None) -> Certificate:
    return certificate_of(
        [(NameOID.COMMON_NAME, "sensor-1")], ca=aws.ca, device_key=key, extensions=extensions
    )


@pytest.mark.parametrize(
    ("extensions", "key", "reason"),
    [
        ([ca_flag(ca=True)], None, Reason.CA_CERTIFICATE),
        ([], ed25519.Ed25519PrivateKey.generate(), Reason.UNSUPPORTED_KEY),
        ([extended_key_usage(ExtendedKeyUsageOID.SERVER_AUTH)], None, Reason.UNSUPPORTED_KEY_USAGE),
        ([UNREADABLE], None, Reason.UNPARSABLE_CERTIFICATE),
    ],
)
def test_what_aws_iot_does_not_take_of_a_device_is_refused(
    aws: Account, extensions: list[Extension], key: Any, reason: Reason
) -> None:
    certificate_id = aws.pending(leaf(aws, *extensions, key=key))

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.REFUSED, reason)
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_a_ca_certificate_is_activated_where_its_ca_is_configured_so(aws: Account) -> None:
    aws.parts["ca_devices"] = {aws.ca_id}
    certificate_id = aws.pending(leaf(aws, ca_flag(ca=True)))

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.ACTIVATED, None)


def test_the_validity_is_checked_at_the_time_of_the_event(aws: Account) -> None:
    certificate_id = aws.pending(aws.ca.issue(DeviceSpec("sensor-1", validity=Validity.days(30))).certificate)
    aws.clock.pass_time(days=31)

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.REFUSED, Reason.EXPIRED)
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_a_certificate_of_another_ca_with_the_same_name_is_refused(aws: Account) -> None:
    impostor = DevelopmentCa.create()
    certificate_id = aws.pending(impostor.issue(DeviceSpec("sensor-1")).certificate)

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.REFUSED, Reason.BAD_SIGNATURE)
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_a_certificate_of_an_issuer_with_another_name_is_refused(aws: Account) -> None:
    stranger = DevelopmentCa.create(name="somebody else's CA")
    certificate_id = aws.pending(stranger.issue(DeviceSpec("sensor-1")).certificate)

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.REFUSED, Reason.ISSUER_MISMATCH)


def test_a_certificate_that_cannot_be_parsed_is_refused(aws: Account) -> None:
    garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    certificate_id = aws.register(garbage, "PENDING_ACTIVATION")

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.REFUSED, Reason.UNPARSABLE_CERTIFICATE)


def test_a_common_name_with_separators_is_taken_literally(aws: Account) -> None:
    certificate_id = aws.pending(aws.ca.issue(DeviceSpec("a,O=evil")).certificate)

    aws.process(aws.event(certificate_id))

    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert row.common_name == "a,O=evil"


def test_a_certificate_of_another_deployments_ca_is_dead_lettered(aws: Account) -> None:
    other = DevelopmentCa.create()
    aws.iot.register_ca_certificate(caCertificate=other.certificate.pem, setAsActive=True)
    certificate_id = aws.pending(other.issue(DeviceSpec("sensor-1")).certificate, other.certificate)

    back = aws.process(aws.event(certificate_id))

    assert back == []
    assert only_verdict(aws) == (Outcome.DEAD_LETTERED, Reason.FOREIGN_CA)
    [letter] = aws.dead_letters()
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "foreign_ca"
    assert certificate_id in letter["Body"]
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_a_redriven_message_is_decided_anew_once_its_ca_is_configured(aws: Account) -> None:
    other = DevelopmentCa.create()
    other_id = aws.iot.register_ca_certificate(caCertificate=other.certificate.pem, setAsActive=True)[
        "certificateId"
    ]
    certificate_id = aws.pending(other.issue(DeviceSpec("sensor-1")).certificate, other.certificate)
    another_connect = aws.event(certificate_id)
    aws.process(aws.event(certificate_id))
    aws.process(another_connect)
    assert only_verdict(aws) == (Outcome.STALE, Reason.ALREADY_DECIDED)
    aws.parts["issuers"] = Issuers(aws.iot, [aws.ca_id, other_id])
    aws.clock.pass_time(milliseconds=1)
    [letter] = aws.dead_letters()

    aws.process(aws.send(letter["Body"]))

    assert only_verdict(aws) == (Outcome.ACTIVATED, None)
    assert aws.status(certificate_id) == "ACTIVE"


def test_the_event_is_a_hint_and_its_other_fields_are_not_used(aws: Account) -> None:
    certificate_id = aws.register(aws.ca.issue(DeviceSpec("sensor-1")).certificate.pem, "REVOKED")
    forged = {
        "certificateId": certificate_id,
        "certificateStatus": "PENDING_ACTIVATION",
        "caCertificateId": 7,
    }

    aws.process(aws.send(forged))

    assert aws.status(certificate_id) == "REVOKED"


def test_a_certificate_that_is_not_visible_yet_is_read_again_and_then_given_up(aws: Account) -> None:
    record = aws.event("0" * 64)

    outcomes = []
    for _ in range(3):
        back = aws.process(record)
        verdict = aws.decisions[0].verdict
        outcomes.append((verdict.reason, verdict.detail, bool(back)))
        record = aws.redelivered(record)
        aws.clock.pass_time(minutes=5)

    assert outcomes == [
        (Reason.NOT_VISIBLE_YET, "AWS IoT has no such certificate yet", True),
        (Reason.NOT_VISIBLE_YET, "AWS IoT has no such certificate yet", True),
        (Reason.CERTIFICATE_GONE, "AWS IoT has no such certificate", False),
    ]
    item = aws.dynamodb.get_item(TableName=aws.table, Key={"certificateId": {"S": "0" * 64}})["Item"]
    assert "expiresAt" in item, "a row of a certificate that does not exist expires"


def test_a_missing_policy_defers_and_nothing_is_activated(aws: Account) -> None:
    aws.iot.delete_policy(policyName=POLICY)
    certificate_id = aws.pending()

    back = aws.process(aws.event(certificate_id))

    assert len(back) == 1
    assert only_verdict(aws) == (Outcome.DEFERRED, Reason.POLICY_MISSING)
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


class Revocation:
    """A revocation check with a settable answer."""

    def __init__(self, answer: Exception | None) -> None:
        self.answer = answer

    def prepare(self) -> None:
        """Nothing to prepare."""

    def check(self, ca_certificate_id: CaCertificateId, certificate: Certificate) -> str:  # noqa: ARG002
        if self.answer:
            raise self.answer
        return "index-7"


def test_a_revoked_certificate_is_refused(aws: Account) -> None:
    aws.parts["revocation"] = Revocation(RefusedError(Reason.REVOKED))
    certificate_id = aws.pending()

    aws.process(aws.event(certificate_id))

    assert only_verdict(aws) == (Outcome.REFUSED, Reason.REVOKED)
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_without_a_usable_crl_nothing_is_activated_until_there_is_one(aws: Account) -> None:
    check = aws.parts["revocation"] = Revocation(DeferredError(Reason.CRL_STALE))
    certificate_id = aws.pending()
    record = aws.event(certificate_id)

    assert aws.process(record) == [record["messageId"]]
    assert aws.status(certificate_id) == "PENDING_ACTIVATION"

    check.answer = None
    aws.clock.pass_time(minutes=10)
    assert aws.process(aws.redelivered(record)) == []
    assert aws.status(certificate_id) == "ACTIVE"
    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.index_version, row.attempts) == ("index-7", 2)


def test_an_activation_says_how_long_the_device_has_waited_and_nothing_else_does(aws: Account) -> None:
    check = aws.parts["revocation"] = Revocation(DeferredError(Reason.CRL_STALE))
    record = aws.event(aws.pending())
    aws.process(record)
    assert aws.decisions[-1].waited is None

    check.answer = None
    aws.clock.pass_time(seconds=90)
    aws.process(aws.redelivered(record))
    assert (aws.decisions[-1].waited, aws.decisions[-1].retry_in) == (90, None)


def test_while_a_message_waits_other_events_of_the_device_cost_no_iot_call(aws: Account) -> None:
    check = aws.parts["revocation"] = Revocation(DeferredError(Reason.CRL_MISSING))
    certificate_id = aws.pending()
    waiting = aws.event(certificate_id)
    aws.process(waiting)
    check.answer = None
    aws.clock.pass_time(seconds=1)

    with counted(aws.iot) as calls:
        back = aws.process(aws.event(certificate_id))

    assert (back, calls) == ([], [])
    assert aws.process(aws.redelivered(waiting)) == []
    assert aws.status(certificate_id) == "ACTIVE"


def test_a_refused_device_is_checked_again_after_the_decision_ttl(aws: Account) -> None:
    check = aws.parts["revocation"] = Revocation(RefusedError(Reason.ON_HOLD))
    certificate_id = aws.pending()
    aws.process(aws.event(certificate_id))
    check.answer = None

    aws.clock.pass_time(seconds=30)
    aws.process(aws.event(certificate_id))
    assert only_verdict(aws) == (Outcome.STALE, Reason.ALREADY_DECIDED)

    aws.clock.pass_time(seconds=60)
    aws.process(aws.event(certificate_id))
    assert only_verdict(aws) == (Outcome.ACTIVATED, None)


def test_an_unexpected_error_in_a_check_is_an_internal_error_and_no_refusal(aws: Account) -> None:
    """Only a certificate that cannot be parsed is refused as such: that is remembered for a day."""
    aws.parts["revocation"] = Revocation(ValueError("Invalid isoformat string in the metadata"))

    back = aws.process(aws.event(aws.pending()))

    assert len(back) == 1
    assert only_verdict(aws) == (Outcome.DEFERRED, Reason.INTERNAL_ERROR)


class Broken:
    def admit(self, device: DeviceCertificate) -> dict[str, str]:
        raise ZeroDivisionError(device.certificate_id)


def test_an_unknown_exception_defers_one_message_and_is_reported(aws: Account) -> None:
    aws.parts["admission"] = Broken()
    certificate_id = aws.pending()

    back = aws.process(aws.event(certificate_id))

    [decision] = aws.decisions
    assert len(back) == 1
    assert decision.verdict == Verdict(Reason.INTERNAL_ERROR, f"ZeroDivisionError: {certificate_id}")
    assert isinstance(decision.verdict.defect, ZeroDivisionError)
    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert (row.state, row.reason) == (State.DEFERRED, Reason.INTERNAL_ERROR)


def test_a_certificate_revoked_after_its_status_was_read_stays_revoked(aws: Account) -> None:
    certificate_id = aws.pending()

    def refuse(**_: object) -> None:
        raise aws.iot.exceptions.CertificateStateException(
            {"Error": {"Code": "CertificateStateException", "Message": "revoked"}}, "UpdateCertificate"
        )

    aws.iot.meta.events.register("before-call.iot.UpdateCertificate", refuse)
    back = aws.process(aws.event(certificate_id))

    assert back == []
    assert only_verdict(aws) == (Outcome.STALE, Reason.NOT_PENDING)
