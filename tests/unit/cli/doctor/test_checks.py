"""Each check names its cause, with evidence and a fix, and says so when there is nothing wrong."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks import CHECKS
from iot_jitr_cli.doctor.diagnosis import Conclusion, diagnose
from iot_jitr_cli.doctor.facts.ca import Issuer
from iot_jitr_cli.doctor.facts.decision import DeadLetter
from iot_jitr_cli.doctor.facts.fact import CannotTellError, MissingPermissionError
from iot_jitr_cli.doctor.facts.pipeline import NotDeployedError, Rule
from iot_jitr_cli.doctor.findings import Finding, Status
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import Extension
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_policy.document import PolicyDocument
from iot_jitr_runtime.ca_registration.lifecycle import IN_ANOTHER_ACCOUNT
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaState, CaStatus, Mode
from iot_jitr_runtime.environment import ACCEPT_CA_CERTIFICATES
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import ACTIVATED, Outcome, Reason, Verdict
from tests.support import doctor_case as dc
from tests.support.device_certificates import ca_flag, certificate_of, extended_key_usage
from tests.support.doctor_case import NOW, DiagnosedDevice, presented, registered_ca, row

PENDING = "PENDING_ACTIVATION"
DAY = timedelta(days=1)


def finding(diagnosed: DiagnosedDevice, check: str) -> Finding:
    (found,) = (line.finding for line in diagnose(diagnosed.case).lines if line.check.id == check)
    return found


def chain(spec: DeviceSpec) -> str:
    return dc.ca().issue(spec).chain_pem


def valid(start: timedelta, end: timedelta) -> DiagnosedDevice:
    spec = DeviceSpec("sensor-7", validity=Validity(NOW + start, NOW + end))
    return DiagnosedDevice(status=None, presented=presented(chain(spec)))


def leaf(*extensions: Extension, key: Any = None, digest: hashes.HashAlgorithm | None = None) -> str:
    """A chain with a leaf of a kind that the development PKI does not make."""
    made = certificate_of(
        [(NameOID.COMMON_NAME, "sensor-7")], ca=dc.ca(), device_key=key, digest=digest, extensions=extensions
    )
    return made.pem + dc.ca().certificate.pem


def rule(**changes: Any) -> Rule:
    values = {
        "name": dc.RULE,
        "sql": f"SELECT * FROM '$aws/events/certificates/registered/{dc.CA_ID}'",
        "disabled": False,
        "queue_url": dc.QUEUE_URL,
        "role_arn": dc.ROLE,
    }
    return Rule(**(values | changes))  # type: ignore[arg-type]


def pending(**facts: Any) -> DiagnosedDevice:
    return DiagnosedDevice(status=PENDING).with_facts(**({"row": None} | facts))


def unseen(**facts: Any) -> DiagnosedDevice:
    return DiagnosedDevice(status=None).with_facts(**({"row": None} | facts))


def refused(reason: Reason, **facts: Any) -> DiagnosedDevice:
    state = State.REFUSED if reason.outcome is Outcome.REFUSED else State.DEFERRED
    return pending(row=row(state, reason=reason, detail="seen"), **facts)


def queue(messages: int) -> Any:
    healthy = DiagnosedDevice().facts()["activation_queue"]
    return replace(healthy, visible=messages)


def activator(**changes: Any) -> Any:
    return replace(DiagnosedDevice().facts()["activator"], **changes)


WRONG_POLICY = (
    PolicyDocument.parse(
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Connect", '
        '"Resource": "arn:aws:iot:eu-central-1:123456789012:client/somebody-else"}]}'
    ),
)
NO_TEST_AUTHORIZATION = CannotTellError("unknown call")

CASES: dict[Cause, list[DiagnosedDevice]] = {
    Cause.CHAIN_WRONG_ORDER: [
        DiagnosedDevice(
            status=None,
            presented=presented(dc.ca().certificate.pem + dc.device().certificate.pem),
        )
    ],
    Cause.CHAIN_WRONG_CERTIFICATES: [
        DiagnosedDevice(
            status=None, presented=presented(dc.device().chain_pem + dc.other_ca().certificate.pem)
        ),
    ],
    Cause.CA_CERTIFICATE: [
        DiagnosedDevice(status=None, presented=presented(leaf(ca_flag(ca=True)))),
        refused(Reason.CA_CERTIFICATE),
    ],
    Cause.CHAIN_CA_MISSING: [
        DiagnosedDevice(status=None, presented=presented(dc.device().certificate.pem)),
        DiagnosedDevice(
            status=None,
            presented=presented(dc.device().certificate.pem),
            subject={"sends_sni": False},
        ),
    ],
    Cause.NOT_SIGNED_BY_CA: [
        DiagnosedDevice(
            status=None,
            presented=presented(dc.device().certificate.pem + dc.other_ca().certificate.pem),
        ),
        unseen(issuer=Issuer(None, registered_ca())),
    ],
    Cause.KEY_MISMATCH: [
        DiagnosedDevice(status=None, presented=presented(key=key_pem(dc.other_ca().key))),
        DiagnosedDevice(status=None, presented=presented(key=b"not a key")),
    ],
    Cause.UNSUPPORTED_KEY: [
        DiagnosedDevice(status=None, presented=presented(leaf(key=ed25519.Ed25519PrivateKey.generate()))),
    ],
    Cause.UNSUPPORTED_SIGNATURE: [
        DiagnosedDevice(status=None, presented=presented(leaf(digest=hashes.SHA224()))),
    ],
    Cause.UNSUPPORTED_KEY_USAGE: [
        DiagnosedDevice(
            status=None, presented=presented(leaf(extended_key_usage(ExtendedKeyUsageOID.SERVER_AUTH)))
        ).with_facts(row=None),
        refused(Reason.UNSUPPORTED_KEY_USAGE),
    ],
    Cause.EXPIRED: [valid(-2 * DAY, -DAY)],
    Cause.NOT_YET_VALID: [valid(3 * DAY, 9 * DAY)],
    Cause.CLOCK_SKEW: [
        valid(timedelta(hours=3), 9 * DAY),
        DiagnosedDevice(subject={"clock": NOW - timedelta(days=400)}),
    ],
    Cause.INVALID_COMMON_NAME: [refused(Reason.INVALID_COMMON_NAME)],
    Cause.ENDPOINT_NOT_ATS: [
        DiagnosedDevice(status=None, subject={"endpoint": "abc123.iot.eu-central-1.amazonaws.com"})
    ],
    Cause.ENDPOINT_ELSEWHERE: [
        DiagnosedDevice(status=None, subject={"endpoint": "abc123-ats.iot.us-east-1.amazonaws.com"}),
        DiagnosedDevice(status=None, subject={"endpoint": "zzz999-ats.iot.eu-central-1.amazonaws.com"}),
    ],
    Cause.NOT_DEPLOYED: [unseen(deployment=NotDeployedError("no stack 'x' in region y"))],
    Cause.CA_NOT_REGISTERED: [
        unseen(issuer=Issuer(None)),
        unseen(issuer=Issuer(None), registration_failure="the key does not match"),
    ],
    Cause.CA_REGISTERED_ELSEWHERE: [
        unseen(issuer=Issuer(None), registration_failure=f"{IN_ANOTHER_ACCOUNT}: in mode DEFAULT …"),
    ],
    Cause.CA_OF_ANOTHER_DEPLOYMENT: [
        unseen(
            deployment=Deployment("stack", dc.REGION, {**dc.OUTPUTS, "FactoryCaCertificateId": "00" * 32})
        ),
    ],
    Cause.CA_INACTIVE: [
        unseen(issuer=Issuer(registered_ca(state=CaState(CaStatus.INACTIVE, AutoRegistration.ENABLE)))),
    ],
    Cause.AUTO_REGISTRATION_OFF: [
        unseen(issuer=Issuer(registered_ca(state=CaState(CaStatus.ACTIVE, AutoRegistration.DISABLE)))),
    ],
    Cause.CA_HAS_TEMPLATE: [
        unseen(issuer=Issuer(registered_ca(has_template=True))),
        DiagnosedDevice().with_facts(issuer=Issuer(registered_ca(has_template=True))),
    ],
    Cause.SNI_MISSING: [
        DiagnosedDevice(status=None, subject={"sends_sni": False}).with_facts(
            issuer=Issuer(registered_ca(mode=Mode.SNI_ONLY)), row=None
        )
    ],
    Cause.RULE_MISSING: [pending(rule=None)],
    Cause.RULE_DISABLED: [pending(rule=rule(disabled=True))],
    Cause.RULE_ON_ANOTHER_TOPIC: [
        pending(rule=rule(sql="SELECT * FROM '$aws/events/certificates/registered/CA_ID'")),
        pending(rule=rule(sql="no statement")),
    ],
    Cause.RULE_SENDS_ELSEWHERE: [
        pending(rule=rule(queue_url=f"{dc.QUEUE_URL}-old")),
        pending(rule=rule(queue_url=None, role_arn=None)),
    ],
    Cause.RULE_ROLE_BROKEN: [
        pending(trusted_services=None),
        pending(trusted_services={"ec2.amazonaws.com"}),
    ],
    # The event source mapping of a queue that is gone is not found either.
    Cause.QUEUE_MISSING: [pending(activation_queue=None, event_source=None)],
    Cause.EVENT_SOURCE_DISABLED: [
        pending(event_source=None),
        pending(event_source={"UUID": "mapping-1", "State": "Disabled"}),
    ],
    Cause.FUNCTION_STOPPED: [
        pending(activator=None),
        pending(activator=activator(state="Failed", reason="KMS key is disabled")),
        pending(activator=activator(last_update="Failed")),
        pending(reserved_concurrency=0),
    ],
    Cause.FUNCTION_ROLE_BROKEN: [
        pending(denied=["iot:AttachPolicy"]),
        refused(Reason.ACCESS_DENIED),
    ],
    Cause.FUNCTION_FAILING: [
        refused(Reason.INTERNAL_ERROR),
        pending(last_error="TypeError: x", activation_queue=queue(3)),
        pending(recent={"errors": 4.0}, activation_queue=queue(3)),
    ],
    Cause.THROTTLED: [
        refused(Reason.THROTTLED),
        refused(Reason.RATE_LIMITED),
        pending(activation_queue=queue(6000)),
        pending(activation_queue=queue(6000), recent={"oldest_message_seconds": 600.0}),
        pending(recent={"throttles": 9.0}),
    ],
    Cause.SERVICE_ERROR: [refused(Reason.SERVICE_ERROR)],
    Cause.DEAD_LETTERED: [
        pending(
            dead_letter_queue=replace(DiagnosedDevice().facts()["dead_letter_queue"], visible=1),
            dead_letter=DeadLetter("foreign_ca", "registered under another CA"),
        ),
        pending(
            dead_letter_queue=replace(DiagnosedDevice().facts()["dead_letter_queue"], visible=1),
            dead_letter=DeadLetter("", ""),
        ),
    ],
    Cause.CRL_MISSING: [
        refused(Reason.CRL_MISSING, revocation=Verdict.because(Reason.CRL_MISSING, "none")),
        refused(Reason.CRL_MISSING, revocation=MissingPermissionError("s3:GetObject")),
    ],
    Cause.CRL_STALE: [pending(revocation=Verdict.because(Reason.CRL_STALE, "since yesterday"))],
    Cause.CRL_PARTITION_MISSING: [pending(revocation=Verdict.because(Reason.CRL_PARTITION_MISSING))],
    Cause.SERIAL_REVOKED: [
        refused(Reason.REVOKED, revocation=Verdict.because(Reason.REVOKED, "key compromise")),
        DiagnosedDevice(status="REVOKED").with_facts(row=row(State.REVOKED)),
        DiagnosedDevice().with_facts(
            revocation=Verdict.because(Reason.REVOKED, "active until the sweep comes by")
        ),
    ],
    Cause.ON_HOLD: [
        pending(revocation=Verdict.because(Reason.ON_HOLD, "on hold")),
        DiagnosedDevice(status="INACTIVE").with_facts(row=row(State.SUSPENDED)),
        DiagnosedDevice().with_facts(
            revocation=Verdict.because(Reason.ON_HOLD, "active until the sweep comes by")
        ),
    ],
    Cause.NOT_LISTED: [
        refused(Reason.NOT_LISTED, admission=Verdict.because(Reason.NOT_LISTED, "no device")),
        refused(Reason.NOT_LISTED, admission=MissingPermissionError("dynamodb:GetItem")),
    ],
    Cause.REFUSED_BY_FUNCTION: [refused(Reason.REFUSED_BY_FUNCTION)],
    Cause.ADMISSION_FAILED: [refused(Reason.ADMISSION_FAILED)],
    Cause.THING_TAKEN: [refused(Reason.THING_TAKEN)],
    Cause.INVALID_THING_NAME: [refused(Reason.INVALID_THING_NAME)],
    Cause.INVALID_THING_ATTRIBUTE: [refused(Reason.INVALID_THING_ATTRIBUTE)],
    Cause.THING_SETUP_MISSING: [refused(Reason.THING_SETUP_MISSING)],
    Cause.POLICY_MISSING: [refused(Reason.POLICY_MISSING)],
    Cause.POLICY_DETACHED: [
        DiagnosedDevice().with_facts(policies=()),
        DiagnosedDevice().with_facts(policies=(), row=None),
    ],
    Cause.CLIENT_ID_NOT_ALLOWED: [
        DiagnosedDevice().with_facts(authorization={"authDecision": "IMPLICIT_DENY"}),
        DiagnosedDevice().with_facts(authorization=NO_TEST_AUTHORIZATION, documents=WRONG_POLICY),
        DiagnosedDevice(subject={"client_id": "another"}).with_facts(authorization=NO_TEST_AUTHORIZATION),
    ],
    Cause.DEACTIVATED_BY_OPERATOR: [DiagnosedDevice(status="INACTIVE")],
    Cause.REVOKED_BY_OPERATOR: [DiagnosedDevice(status="REVOKED")],
    Cause.SUPERSEDED: [
        DiagnosedDevice(status="INACTIVE").with_facts(row=row(State.RETIRED, thing_name="thing-7"))
    ],
    Cause.NEVER_CONNECTED: [unseen()],
    Cause.EVENT_LOST: [pending()],
    Cause.BEING_DECIDED: [
        pending(activation_queue=queue(3)),
        pending(row=row(State.ACTIVATING)),
        pending(row=row(None, decided_at=0)),
        refused(Reason.CRL_STALE, revocation=ACTIVATED),
        refused(Reason.CLAIMED_ELSEWHERE),
    ],
    Cause.REFUSAL_OUTDATED: [
        refused(Reason.NOT_LISTED, admission=ACTIVATED),
        refused(Reason.REVOKED, revocation=ACTIVATED),
        refused(Reason.NOT_YET_VALID),
    ],
    Cause.ALREADY_FINE: [DiagnosedDevice(), DiagnosedDevice(presented=None)],
}
ELSEWHERE = {Cause.CHAIN_UNREADABLE, Cause.CA_EXPIRED}
"""Tested below: they need files of their own."""


@pytest.mark.parametrize(
    ("cause", "diagnosed"),
    [
        pytest.param(cause, diagnosed, id=f"{cause}-{number}")
        for cause, devices in CASES.items()
        for number, diagnosed in enumerate(devices, 1)
    ],
)
def test_the_true_cause_is_named_with_evidence_and_a_fix(cause: Cause, diagnosed: DiagnosedDevice) -> None:
    diagnosis = diagnose(diagnosed.case)

    assert diagnosis.cause is cause, [
        (line.check.id, line.finding) for line in diagnosis.lines if line.finding.cause
    ]
    assert diagnosis.conclusion is (
        Conclusion.FINE if cause is Cause.ALREADY_FINE else Conclusion.CAUSE_FOUND
    )
    assert bool(diagnosis.fix) is (cause is not Cause.ALREADY_FINE)


def test_every_cause_has_a_case() -> None:
    assert set(CASES) | ELSEWHERE == set(Cause)


@pytest.mark.parametrize("devices", CASES.values())
def test_a_check_names_only_the_causes_it_declares(devices: list[DiagnosedDevice]) -> None:
    for diagnosed in devices:
        for line in diagnose(diagnosed.case).lines:
            cause = line.finding.cause
            assert cause is None or cause in line.check.causes
            assert (line.finding.status is Status.FAILED) == (cause is not None) == bool(line.finding.fix)
            assert line.finding.evidence


def test_every_check_of_an_active_device_is_ok_or_not_applicable() -> None:
    statuses = {line.check.id: line.finding.status for line in diagnose(DiagnosedDevice().case).lines}

    assert set(statuses.values()) == {Status.OK, Status.NOT_APPLICABLE}
    assert list(statuses) == [check.id for check in CHECKS]


def test_a_ca_certificate_that_is_expired_is_named() -> None:
    old = dc.DevelopmentCa.create("Old CA", validity=Validity(NOW - 9 * DAY, NOW - DAY))
    leaf = old.issue(DeviceSpec("sensor-7", validity=Validity(NOW - DAY, NOW + DAY)))
    diagnosed = DiagnosedDevice(status=None, presented=presented(leaf.chain_pem)).with_facts(
        issuer=Issuer(registered_ca(certificate=old.certificate)), row=None
    )

    diagnosis = diagnose(diagnosed.case)

    assert diagnosis.cause is Cause.CA_EXPIRED


def test_the_clock_of_aws_decides_about_validity() -> None:
    diagnosed = valid(timedelta(hours=3), DAY)
    later = replace(diagnosed.facts()["identity"], time=NOW + timedelta(hours=4))

    assert finding(diagnosed, "certificate.validity").cause is Cause.CLOCK_SKEW
    assert finding(diagnosed.with_facts(identity=later), "certificate.validity").status is Status.OK
    diagnosed.with_facts(identity=CannotTellError("offline"))
    assert finding(diagnosed, "certificate.validity").cause is Cause.CLOCK_SKEW


def test_a_device_clock_that_is_right_is_fine() -> None:
    assert finding(
        DiagnosedDevice(subject={"clock": NOW + timedelta(seconds=90)}), "device.clock"
    ) == Finding(Status.OK, "90 seconds off")


@pytest.mark.parametrize(
    ("endpoint", "status"),
    [
        ("ABC123-ats.iot.eu-central-1.amazonaws.com", Status.OK),
        ("mqtt.example.com", Status.NOT_APPLICABLE),
        ("localhost", Status.NOT_APPLICABLE),
    ],
)
def test_the_endpoint_is_compared_with_the_accounts(endpoint: str, status: Status) -> None:
    assert finding(DiagnosedDevice(subject={"endpoint": endpoint}), "endpoint").status is status


def test_an_endpoint_that_aws_names_otherwise_is_not_compared() -> None:
    diagnosed = DiagnosedDevice(subject={"endpoint": "abc123-ats.iot.eu-central-1.amazonaws.com"})

    assert finding(diagnosed.with_facts(endpoint="strange"), "endpoint").status is Status.NOT_APPLICABLE


def test_the_account_is_part_of_the_evidence_where_it_is_known() -> None:
    assert dc.ACCOUNT in finding(DiagnosedDevice(), "deployment").evidence
    assert (
        "account unknown"
        in finding(DiagnosedDevice().with_facts(identity=CannotTellError("")), "deployment").evidence
    )


def test_the_device_certificate_alone_is_enough_with_sni() -> None:
    diagnosed = DiagnosedDevice(presented=presented(dc.device().certificate.pem), subject={"sends_sni": True})

    assert finding(diagnosed, "chain.ca_included").status is Status.OK
    assert diagnose(diagnosed.case).conclusion is Conclusion.FINE


@pytest.mark.parametrize(("sends", "says"), [(True, "the device sends it"), (None, "needed")])
def test_sni_is_required_where_the_mode_needs_it(sends: bool | None, says: str) -> None:  # noqa: FBT001  a parameter
    diagnosed = DiagnosedDevice(subject={"sends_sni": sends}).with_facts(
        issuer=Issuer(registered_ca(mode=Mode.SNI_ONLY))
    )

    assert says in finding(diagnosed, "ca.sni").evidence


def test_without_a_ca_its_checks_are_not_applicable() -> None:
    diagnosed = unseen(issuer=Issuer(None))

    for check in ("ca.deployment", "ca.status", "ca.auto_registration", "ca.template", "ca.sni"):
        assert finding(diagnosed, check).status is Status.NOT_APPLICABLE
    assert finding(diagnosed, "rule").status is Status.NOT_APPLICABLE
    assert finding(diagnosed, "rule.target").status is Status.NOT_APPLICABLE


def test_a_lone_leaf_of_an_unknown_ca_cannot_be_verified() -> None:
    diagnosed = DiagnosedDevice(presented=presented(dc.device().certificate.pem)).with_facts(
        issuer=Issuer(None)
    )

    assert finding(diagnosed, "ca.signed").status is Status.UNKNOWN


@pytest.mark.parametrize("topic", ["$aws/events/certificates/registered/+", "$aws/events/certificates/#"])
def test_a_rule_may_cover_the_topic_with_a_wildcard(topic: str) -> None:
    diagnosed = DiagnosedDevice().with_facts(rule=rule(sql=f"SELECT * FROM '{topic}'"))

    assert finding(diagnosed, "rule").status is Status.OK


def test_a_shorter_or_longer_topic_is_another_one() -> None:
    for topic in ("$aws/events/certificates", f"$aws/events/certificates/registered/{dc.CA_ID}/x"):
        diagnosed = DiagnosedDevice().with_facts(rule=rule(sql=f"SELECT * FROM '{topic}'"))
        assert finding(diagnosed, "rule").cause is Cause.RULE_ON_ANOTHER_TOPIC


def test_the_host_of_a_queue_url_makes_no_difference() -> None:
    diagnosed = DiagnosedDevice().with_facts(
        rule=rule(queue_url=f"http://127.0.0.1:4566/{dc.ACCOUNT}/activation")
    )

    assert finding(diagnosed, "rule.target").status is Status.OK


@pytest.mark.parametrize(
    "missing",
    [
        {"rule": None},
        {"activation_queue": None, "event_source": None},
        {"event_source": None},
        {"trusted_services": None},
        {"activator": None},
    ],
    ids=str,
)
def test_the_fix_for_a_deleted_resource_is_revert_drift(missing: dict[str, None]) -> None:
    """A plain deployment compares templates, and finds nothing to do."""
    assert "cdk deploy --revert-drift" in diagnose(pending(**missing).case).fix


def test_a_role_that_may_not_send_is_named() -> None:
    diagnosed = pending(denied=["sqs:SendMessage"])

    assert finding(diagnosed, "rule.target").cause is Cause.RULE_ROLE_BROKEN


def test_an_error_is_no_cause_while_the_queue_is_empty() -> None:
    diagnosed = pending(last_error="TypeError: x")

    assert finding(diagnosed, "function.errors").status is Status.OK


def test_dead_letters_of_other_devices_are_ignored() -> None:
    full = replace(DiagnosedDevice().facts()["dead_letter_queue"], visible=12)

    assert finding(DiagnosedDevice().with_facts(dead_letter_queue=full), "dead_letter").evidence.endswith(
        "12 dead letters"
    )
    assert finding(DiagnosedDevice().with_facts(dead_letter_queue=None), "dead_letter").status is Status.OK


def test_without_function_or_queue_their_checks_are_not_applicable() -> None:
    diagnosed = pending(activator=None, activation_queue=None)

    assert finding(diagnosed, "function.role").status is Status.NOT_APPLICABLE
    assert finding(diagnosed, "backlog").status is Status.NOT_APPLICABLE


def test_the_age_of_the_oldest_message_is_shown_where_it_is_known() -> None:
    def backlog(recent: Any) -> str:
        return finding(pending(activation_queue=queue(6000), recent=recent), "backlog").evidence

    assert backlog({"oldest_message_seconds": 600.0}).endswith("the oldest is 10 minutes old")
    assert backlog(CannotTellError("")).endswith("10 a second")


def test_a_decision_about_an_earlier_registration_does_not_count() -> None:
    before = dc.milliseconds(NOW - timedelta(days=9))
    diagnosed = pending(row=row(State.REFUSED, reason=Reason.EXPIRED, decided_at=before))

    assert diagnose(diagnosed.case).cause is Cause.EVENT_LOST


def test_a_certificate_registered_just_now_is_being_decided() -> None:
    diagnosed = pending()
    registered = replace(diagnosed.registered(), registered_at=NOW - timedelta(seconds=5))  # type: ignore[type-var]

    assert diagnose(diagnosed.with_facts(registered=registered).case).cause is Cause.BEING_DECIDED


def test_a_usable_crl_is_ok() -> None:
    diagnosed = DiagnosedDevice().with_facts(revocation=ACTIVATED, admission=ACTIVATED)

    for check in ("decision.crl", "decision.revocation", "decision.admission"):
        assert finding(diagnosed, check) == Finding(Status.OK, "no objection")


def test_a_condition_that_cannot_be_evaluated_makes_the_check_unknown() -> None:
    document = PolicyDocument.parse(
        dc.POLICY.replace('"Action"', '"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "Action"')
    )
    diagnosed = DiagnosedDevice().with_facts(authorization=NO_TEST_AUTHORIZATION, documents=(document,))

    assert finding(diagnosed, "policy.client_id").status is Status.UNKNOWN


def test_a_stack_event_that_cannot_be_read_is_no_evidence() -> None:
    diagnosed = unseen(issuer=Issuer(None), registration_failure=MissingPermissionError("x:y"))

    assert diagnose(diagnosed.case).cause is Cause.CA_NOT_REGISTERED


def test_without_a_common_name_the_client_id_is_unknown() -> None:
    nameless = dc.ca().issue(DeviceSpec(None)).chain_pem
    diagnosed = DiagnosedDevice(presented=presented(nameless))

    assert finding(diagnosed, "policy.client_id").evidence == "the client id is not known (--client-id)"


def test_a_certificate_that_cannot_be_parsed_cannot_be_evaluated() -> None:
    diagnosed = DiagnosedDevice(presented=None, subject={"client_id": "x"}).with_facts(
        certificate=None, authorization=NO_TEST_AUTHORIZATION
    )

    assert finding(diagnosed, "policy.client_id").status is Status.UNKNOWN
    assert finding(diagnosed, "certificate.validity").status is Status.UNKNOWN


def test_with_the_id_alone_the_file_checks_are_not_applicable() -> None:
    diagnosed = DiagnosedDevice(presented=None)

    for check in ("chain.order", "chain.ca_included", "certificate.key"):
        assert finding(diagnosed, check).status is Status.NOT_APPLICABLE
    assert finding(diagnosed, "certificate.algorithms").status is Status.OK


def test_a_ca_certificate_is_no_cause_where_the_deployment_accepts_it() -> None:
    accepting = activator(environment={"JITR_CAS": json.dumps({dc.CA_ID: {ACCEPT_CA_CERTIFICATES: True}})})
    diagnosed = DiagnosedDevice(presented=presented(leaf(ca_flag(ca=True)))).with_facts(activator=accepting)

    assert finding(diagnosed, "chain.order").status is Status.OK


def test_a_ca_certificate_is_a_cause_where_its_acceptance_is_unknown() -> None:
    diagnosed = DiagnosedDevice(status=None, presented=presented(leaf(ca_flag(ca=True)))).with_facts(
        activator=MissingPermissionError("lambda:GetFunctionConfiguration")
    )

    assert finding(diagnosed, "chain.order").cause is Cause.CA_CERTIFICATE
