"""`jitr doctor` against the real stack: each cause is brought about, and must be the one that is named.

What takes a CRL is in `test_doctor_revocation.py`; what the local cloud cannot express, in `docs/testing.md`.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.extensions import Extension
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.ledger.tasks import ScheduledTask, Task
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.rate_limiter import RateLimiter
from iot_jitr_runtime.stack_outputs import Output
from iot_jitr_runtime.things.retirement import Retirement
from tests.support import doctor_cloud_faults as faults
from tests.support.admission_function import create_admission_function
from tests.support.cloud import deployed_cloud
from tests.support.device_certificates import ca_flag, certificate_of, extended_key_usage
from tests.support.doctor_command import Doctor
from tests.support.doctor_result import DoctorResult, assert_cause
from tests.support.least_policy import least_privileged
from tests.support.mqtt_session import session
from tests.support.things import retire

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def doctor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doctor]:
    """A cloud of its own, as things are broken in it."""
    settings = {
        "admission": {"type": "allow_list", "key": "common_name"},
        "things": {"renewal": "allow", "grace_period": "0 hours"},
    }
    with deployed_cloud(tmp_path_factory.mktemp("doctor"), settings) as cloud:
        yield Doctor(cloud)


# the device's files


def test_files_that_are_wrong(doctor: Doctor, tmp_path: Path) -> None:
    own, ca = doctor.identity("files"), doctor.cloud.ca
    device, signer = own.certificate.pem, own.ca.pem
    stranger = DevelopmentCa.create("a stranger").certificate.pem
    now = datetime.now(UTC)

    def odd(*extensions: Extension, key: Any = None, digest: hashes.HashAlgorithm | None = None) -> str:
        name = [(NameOID.COMMON_NAME, "odd")]
        return certificate_of(name, ca=ca, device_key=key, digest=digest, extensions=extensions).pem + signer

    def valid(start: timedelta, end: timedelta) -> str:
        return doctor.identity("validity", validity=Validity(now + start, now + end)).chain_pem

    for cause, chain in (
        (Cause.CHAIN_UNREADABLE, "no certificate"),
        (Cause.CHAIN_WRONG_ORDER, signer + device),
        (Cause.CHAIN_WRONG_CERTIFICATES, device + signer + stranger),
        (Cause.CA_CERTIFICATE, odd(ca_flag(ca=True))),
        (Cause.UNSUPPORTED_KEY_USAGE, odd(extended_key_usage(ExtendedKeyUsageOID.SERVER_AUTH))),
        (Cause.UNSUPPORTED_KEY, odd(key=ed25519.Ed25519PrivateKey.generate())),
        (Cause.UNSUPPORTED_SIGNATURE, odd(digest=hashes.SHA224())),
        (Cause.NOT_SIGNED_BY_CA, device + stranger),
        (Cause.EXPIRED, valid(-2 * DAY, -DAY)),
        (Cause.NOT_YET_VALID, valid(3 * DAY, 9 * DAY)),
        (Cause.CLOCK_SKEW, valid(timedelta(hours=2), 9 * DAY)),
    ):
        path = tmp_path / f"{cause}.chain.pem"
        path.write_text(chain)
        assert_cause(doctor.diagnose(path), cause)


def test_what_the_caller_says_about_the_device(doctor: Doctor, tmp_path: Path) -> None:
    own = doctor.identity("described")
    lone = tmp_path / "device.pem"
    lone.write_text(own.certificate.pem)
    other_key = doctor.files(doctor.identity("other")).key

    assert_cause(doctor.diagnose(lone, "--no-sni"), Cause.CHAIN_CA_MISSING)
    assert_cause(doctor.diagnose(doctor.files(own).chain, "--key", other_key), Cause.KEY_MISMATCH)
    assert_cause(doctor.about(own, "--device-time", "2020-01-01T00:00:00"), Cause.CLOCK_SKEW)
    assert_cause(doctor.about(own), Cause.NEVER_CONNECTED)


def test_a_certificate_of_a_ca_with_the_same_name_but_another_key(doctor: Doctor) -> None:
    forger = DevelopmentCa.create("end-to-end CA")

    assert_cause(doctor.about(forger.issue(DeviceSpec("forged"))), Cause.NOT_SIGNED_BY_CA)


def test_an_expired_certificate_that_is_registered(doctor: Doctor) -> None:
    now = datetime.now(UTC)
    device = doctor.identity("expired", validity=Validity(now - 2 * DAY, now - DAY))
    doctor.cloud.send_event(doctor.cloud.plant(device))
    doctor.cloud.wait_for_state(device.certificate.fingerprint, "refused")

    assert_cause(doctor.diagnose("--certificate-id", device.certificate.fingerprint), Cause.EXPIRED)


# where it connects to


def test_the_wrong_endpoint(doctor: Doctor) -> None:
    device = doctor.identity("endpoint")
    endpoint = doctor.cloud.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    prefix, region = endpoint.split(".")[0].removesuffix("-ats"), endpoint.split(".")[2]

    def about(host: str) -> DoctorResult:
        return doctor.about(device, "--endpoint", f"{host}:8883")

    assert_cause(about(f"{prefix}-ats.iot.eu-west-3.amazonaws.com"), Cause.ENDPOINT_ELSEWHERE)
    assert_cause(about(f"somebodyelse-ats.iot.{region}.amazonaws.com"), Cause.ENDPOINT_ELSEWHERE)
    assert_cause(about(f"{prefix}.iot.{region}.amazonaws.com"), Cause.ENDPOINT_NOT_ATS)
    assert_cause(about(f"{prefix}-ats.iot.{region}.amazonaws.com"), Cause.NEVER_CONNECTED)


def test_the_wrong_stack(doctor: Doctor) -> None:
    assert_cause(doctor.about(doctor.identity("stack"), "--stack", "nowhere"), Cause.NOT_DEPLOYED)


# the CA


def test_a_ca_that_is_not_registered(doctor: Doctor) -> None:
    stranger = DevelopmentCa.create("a stranger")

    assert_cause(doctor.about(stranger.issue(DeviceSpec("strange"))), Cause.CA_NOT_REGISTERED)


def test_a_disabled_ca(doctor: Doctor) -> None:
    device = doctor.identity("ca")

    with faults.ca_switched(doctor.cloud, newStatus="INACTIVE"):
        assert_cause(doctor.about(device), Cause.CA_INACTIVE)
    with faults.ca_switched(doctor.cloud, newAutoRegistrationStatus="DISABLE"):
        assert_cause(doctor.about(device), Cause.AUTO_REGISTRATION_OFF)


def test_an_expired_ca(doctor: Doctor) -> None:
    now = datetime.now(UTC)
    old = DevelopmentCa.create("old CA", validity=Validity(now - 9 * DAY, now - DAY))
    faults.register_ca(doctor.cloud, old)

    assert_cause(doctor.about(old.issue(DeviceSpec("heir"))), Cause.CA_EXPIRED)


def test_a_ca_that_another_account_has_registered(doctor: Doctor) -> None:
    """The local cloud refuses no CA of another account: CloudFormation gets the answer of AWS IoT."""
    rival = DevelopmentCa.create("rival CA")

    with faults.registration_refused(doctor.cloud, "elsewhere"):
        answer = doctor.about(rival.issue(DeviceSpec("elsewhere")), "--stack", "elsewhere")

    assert_cause(answer, Cause.CA_REGISTERED_ELSEWHERE)


def test_cas_of_other_deployments(doctor: Doctor) -> None:
    template = {"templateBody": "{}", "roleArn": faults.activator_role(doctor.cloud)}
    foreign, templated = (DevelopmentCa.create(name) for name in ("foreign CA", "templated CA"))
    faults.register_ca(doctor.cloud, foreign)
    faults.register_ca(doctor.cloud, templated, registrationConfig=template)

    device = foreign.issue(DeviceSpec("foreign"))
    assert_cause(doctor.about(templated.issue(DeviceSpec("templated"))), Cause.CA_HAS_TEMPLATE)
    assert_cause(doctor.about(device, "--no-sni"), Cause.SNI_MISSING)
    assert_cause(doctor.about(device), Cause.CA_OF_ANOTHER_DEPLOYMENT)
    doctor.registered(device)
    assert_cause(doctor.about(device), Cause.CA_OF_ANOTHER_DEPLOYMENT)


# from the event to the function


def test_the_rule(doctor: Doctor) -> None:
    def other_topic(payload: dict[str, Any]) -> None:
        payload["sql"] = "SELECT * FROM '$aws/events/certificates/registered/CA_CERTIFICATE_ID'"

    def disabled(payload: dict[str, Any]) -> None:
        payload["ruleDisabled"] = True

    def elsewhere(payload: dict[str, Any]) -> None:
        payload["actions"][0]["sqs"]["queueUrl"] += "-of-old"

    for change, cause in (
        (disabled, Cause.RULE_DISABLED),
        (other_topic, Cause.RULE_ON_ANOTHER_TOPIC),
        (elsewhere, Cause.RULE_SENDS_ELSEWHERE),
    ):
        with faults.rule_changed(doctor.cloud, change):
            device = doctor.registered(doctor.identity(f"rule-{cause}"))
            assert_cause(doctor.about(device), cause)
    with faults.rule_deleted(doctor.cloud):
        assert_cause(doctor.about(doctor.registered(doctor.identity("rule"))), Cause.RULE_MISSING)


def test_the_rules_role(doctor: Doctor) -> None:
    # The local cloud lets the rule send all the same, so here no event is sent at all.
    certificate_id = doctor.cloud.plant(doctor.identity("rule-role"))

    with faults.role_without(doctor.cloud, faults.rule_role(doctor.cloud), "sqs:SendMessage"):
        assert_cause(doctor.diagnose("--certificate-id", certificate_id), Cause.RULE_ROLE_BROKEN)


def test_the_queue(doctor: Doctor) -> None:
    certificate_id = doctor.cloud.plant(doctor.identity("no-queue"))

    with faults.queue_deleted(doctor.cloud):
        assert_cause(doctor.diagnose("--certificate-id", certificate_id), Cause.QUEUE_MISSING)


def test_the_event_source(doctor: Doctor) -> None:
    doctor.cloud.list_device("event-source")
    device = doctor.identity("event-source")

    with faults.event_source_off(doctor.cloud):
        doctor.registered(device)
        assert_cause(doctor.about(device), Cause.EVENT_SOURCE_DISABLED)
    doctor.cloud.wait_for_state(device.certificate.fingerprint, "activated")


def test_the_function_is_stopped(doctor: Doctor) -> None:
    with faults.function_stopped(doctor.cloud):
        device = doctor.registered(doctor.identity("stopped"))
        assert_cause(doctor.about(device), Cause.FUNCTION_STOPPED)


def test_the_function_fails(doctor: Doctor) -> None:
    with faults.function_broken(doctor.cloud):
        device = doctor.registered(doctor.identity("failing"))
        doctor.cloud.wait_for_log(Output.ACTIVATOR_LOG_GROUP, "JITR_LEDGER_TABLE")
        answer = doctor.about(device)

    assert_cause(answer, Cause.FUNCTION_FAILING)
    assert "JITR_LEDGER_TABLE" in answer.check("function.errors")["evidence"]


def test_the_functions_role(doctor: Doctor) -> None:
    doctor.cloud.list_device("role")
    role = faults.activator_role(doctor.cloud)

    with faults.role_without(doctor.cloud, role, "iot:AttachPolicy"):
        device = doctor.registered(doctor.identity("role"))
        doctor.cloud.wait_for_state(device.certificate.fingerprint, "activating")
        answer = doctor.about(device)

    assert_cause(answer, Cause.FUNCTION_ROLE_BROKEN)
    assert "iot:AttachPolicy" in answer.check("function.role")["evidence"]


def test_a_service_that_does_not_answer(doctor: Doctor) -> None:
    certificate_id = doctor.cloud.plant(doctor.identity("unanswered"))

    with faults.activator_configured(doctor.cloud, AWS_ENDPOINT_URL_IOT="http://127.0.0.1:9"):
        doctor.cloud.send_event(certificate_id)
        doctor.cloud.wait_for_reason(certificate_id, Reason.SERVICE_ERROR)
        assert_cause(doctor.diagnose("--certificate-id", certificate_id), Cause.SERVICE_ERROR)


def test_a_long_queue_of_reserved_slots(doctor: Doctor) -> None:
    certificate_id = doctor.cloud.plant(doctor.identity("last-in-queue"))

    with faults.long_queue(doctor.cloud, timedelta(minutes=10)):
        doctor.cloud.send_event(certificate_id)
        doctor.cloud.wait_for_reason(certificate_id, Reason.RATE_LIMITED)
        assert_cause(doctor.diagnose("--certificate-id", certificate_id), Cause.THROTTLED)


def test_an_event_in_the_queue_and_a_lost_event(doctor: Doctor) -> None:
    doctor.cloud.list_device("no-event")
    certificate_id = doctor.cloud.plant(doctor.identity("no-event"))
    planted = doctor.cloud.registered_at(certificate_id)

    for seconds, cause in ((59, Cause.BEING_DECIDED), (60, Cause.EVENT_LOST)):
        at = planted + timedelta(seconds=seconds)
        assert_cause(doctor.diagnose("--certificate-id", certificate_id, at=at), cause)


def test_a_dead_letter(doctor: Doctor) -> None:
    # Something was decided since whatever failed in another test.
    working = doctor.registered(doctor.identity("working"))
    doctor.cloud.wait_for_state(working.certificate.fingerprint, "refused")
    certificate_id = doctor.cloud.plant(doctor.identity("dead"))
    before = doctor.cloud.waiting(Output.DEAD_LETTER_QUEUE_URL)
    doctor.cloud.client("sqs").send_message(
        QueueUrl=doctor.cloud.outputs[Output.DEAD_LETTER_QUEUE_URL],
        MessageBody=json.dumps({"certificateId": certificate_id}),
        MessageAttributes={"reason": {"DataType": "String", "StringValue": "malformed_event"}},
    )

    assert_cause(doctor.diagnose("--certificate-id", certificate_id), Cause.DEAD_LETTERED)
    # The look has taken nothing away.
    assert doctor.cloud.waiting(Output.DEAD_LETTER_QUEUE_URL) == before + 1


# the decision


def test_a_device_that_is_not_listed_and_is_listed_later(doctor: Doctor) -> None:
    device = doctor.registered(doctor.identity("unlisted"))
    doctor.cloud.wait_for_state(device.certificate.fingerprint, "refused")

    assert_cause(doctor.about(device), Cause.NOT_LISTED)
    doctor.cloud.list_device("unlisted")
    assert_cause(doctor.about(device), Cause.REFUSAL_OUTDATED)


def test_an_invalid_common_name(doctor: Doctor) -> None:
    device = doctor.registered(doctor.identity("a*b"))
    doctor.cloud.wait_for_state(device.certificate.fingerprint, "refused")

    assert_cause(doctor.about(device), Cause.INVALID_COMMON_NAME)


def test_a_thing_that_belongs_to_another_certificate(doctor: Doctor) -> None:
    doctor.activated("twin")
    now = datetime.now(UTC)
    second = doctor.registered(doctor.identity("twin", validity=Validity(now - 30 * DAY, now + DAY)))
    doctor.cloud.wait_for_state(second.certificate.fingerprint, "refused")

    assert_cause(doctor.about(second), Cause.THING_TAKEN)


def test_an_admission_function_that_refuses_and_one_that_fails(doctor: Doctor) -> None:
    """The activator is configured with an admission function, where an allow list was deployed."""
    cloud = doctor.cloud
    function = create_admission_function(cloud.lab.client, "is-it-ours")
    # So that it has started before it is called.
    cloud.client("lambda").invoke(
        FunctionName=function, Payload='{"commonNames": ["x"], "certificateId": ""}'
    )
    admission = {"kind": "function", "function": function, "timeout_seconds": 8}

    with (
        faults.role_with(cloud, faults.activator_role(cloud), "lambda:InvokeFunction", function),
        faults.activator_configured(cloud, JITR_ADMISSION=admission),
    ):
        for name, cause in (("refuse", Cause.REFUSED_BY_FUNCTION), ("error", Cause.ADMISSION_FAILED)):
            doctor.cloud.list_device(name)
            certificate_id = cloud.plant(doctor.identity(name))
            cloud.send_event(certificate_id)
            cloud.wait_for_reason(certificate_id, Reason(cause))
            assert_cause(doctor.diagnose("--certificate-id", certificate_id), cause)


JUDGED = {
    ("nameless", None, "unit", "there"): Cause.INVALID_THING_NAME,
    ("roomy", "line", "no unit", "there"): Cause.INVALID_THING_ATTRIBUTE,
    ("typeless", "line", "unit", "nowhere"): Cause.THING_SETUP_MISSING,
    ("without-policy", "line", "unit", "there"): Cause.POLICY_MISSING,
}
"""Common name, O (part of the thing's name), OU (an attribute), L (the thing type) → what comes of it."""


def test_a_missing_thing_setup_and_a_missing_policy(doctor: Doctor) -> None:
    """The activator is configured with another thing and another policy than were deployed."""
    cloud = doctor.cloud
    cloud.client("iot").create_thing_type(thingTypeName="there")
    thing = {
        "name": "{{organization}}-{{common_name}}",
        "type": "{{locality}}",
        "attributes": {"unit": "{{organizational_unit}}"},
    }
    oids = (
        NameOID.COMMON_NAME,
        NameOID.ORGANIZATION_NAME,
        NameOID.ORGANIZATIONAL_UNIT_NAME,
        NameOID.LOCALITY_NAME,
    )
    causes: dict[str, Cause] = {}
    for number, (values, cause) in enumerate(JUDGED.items(), 1):
        subject = [(oid, value) for oid, value in zip(oids, values, strict=True) if value]
        certificate = certificate_of(subject, serial_number=2**64 + number, ca=cloud.ca)
        causes[cloud.plant_certificate(certificate, cloud.ca.certificate)] = cause
        doctor.cloud.list_device(str(values[0]))

    with faults.activator_configured(
        cloud, JITR_DEVICE_POLICY={"name": "gone"}, JITR_THINGS={"thing": thing}
    ):
        for certificate_id in causes:
            cloud.send_event(certificate_id)
        for certificate_id, cause in causes.items():
            cloud.wait_for_reason(certificate_id, Reason(cause))
            assert_cause(doctor.diagnose("--certificate-id", certificate_id), cause)


# after the decision


def test_an_active_device(doctor: Doctor) -> None:
    device = doctor.activated("active")

    answer = doctor.about(device)

    assert_cause(answer, Cause.ALREADY_FINE)
    assert "unknown" not in {check["status"] for check in answer.json["checks"]}
    assert "evaluated offline" in answer.check("policy.client_id")["evidence"]
    assert_cause(doctor.about(device, "--client-id", "another"), Cause.CLIENT_ID_NOT_ALLOWED)


def test_a_policy_that_was_detached(doctor: Doctor) -> None:
    device = doctor.activated("detached")
    certificate_id = device.certificate.fingerprint
    for policy in doctor.cloud.policies_of(certificate_id):
        doctor.cloud.client("iot").detach_policy(policyName=policy, target=doctor.cloud.arn(certificate_id))

    assert_cause(doctor.about(device), Cause.POLICY_DETACHED)


def test_a_scheduled_task_that_fails(doctor: Doctor) -> None:
    device, tasks = doctor.activated("task"), doctor.cloud.ledger.tasks
    certificate_id, later = device.certificate.fingerprint, milliseconds(datetime.now(UTC) + DAY)
    tasks.schedule_policy_deletion(certificate_id, policy_name="gone", at=later)
    assert_cause(doctor.about(device), Cause.ALREADY_FINE)
    scheduled = ScheduledTask(Task.DELETE_POLICY, certificate_id, later)
    tasks.record_failure(scheduled, "AccessDenied: no", retry_at=later)

    answer = doctor.about(device)

    assert_cause(answer, Cause.TASK_FAILING)
    assert "AccessDenied: no" in answer.check("tasks")["evidence"]


def test_the_connection_of_a_device(doctor: Doctor) -> None:
    device = doctor.activated("connected")
    assert "is not connected since" in doctor.about(device).check("connection")["evidence"]
    with session(doctor.cloud.credentials(device), doctor.cloud.lab.broker(), "connected"):
        assert "'connected' is connected since" in doctor.about(device).check("connection")["evidence"]

    stranger = doctor.cloud.plant(doctor.identity("never-connected"))
    found = doctor.diagnose("--certificate-id", stranger).check("connection")
    assert (found["status"], "no connection of" in found["evidence"]) == ("not_applicable", True)


def test_a_certificate_that_an_operator_deactivated(doctor: Doctor) -> None:
    device = doctor.activated("taken-out")
    iot, certificate_id = doctor.cloud.client("iot"), device.certificate.fingerprint

    iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    assert_cause(doctor.about(device), Cause.DEACTIVATED_BY_OPERATOR)
    iot.update_certificate(certificateId=certificate_id, newStatus="REVOKED")
    assert_cause(doctor.about(device), Cause.REVOKED_BY_OPERATOR)


def test_a_certificate_that_a_renewal_replaced(doctor: Doctor) -> None:
    cloud = doctor.cloud
    old, new = doctor.activated("renewed"), doctor.activated("renewed")
    cloud.wait_for_state(new.certificate.fingerprint, State.ACTIVATED)

    limiter = RateLimiter(cloud.ledger.items, 10)
    retire(Retirement(cloud.client("iot"), cloud.ledger, timedelta(0), limiter))

    assert_cause(doctor.about(old), Cause.SUPERSEDED)


# with the least permissions


@pytest.fixture(scope="module")
def operator(doctor: Doctor) -> Iterator[Any]:
    """A user with the policy that `--iam-policy` prints; call it with the actions to leave out."""
    with least_privileged(doctor.cloud, "doctor") as allow:
        yield allow


def test_the_least_policy_is_enough_for_every_check(doctor: Doctor, operator: Any) -> None:
    device = doctor.activated("least")

    answer = doctor.diagnose(doctor.files(device).chain, variables=operator())

    assert_cause(answer, Cause.ALREADY_FINE)
    assert answer.json["missing_permissions"] == []
    assert "unknown" not in {check["status"] for check in answer.json["checks"]}


@pytest.fixture(scope="module")
def outsider(doctor: Doctor) -> DeviceIdentity:
    """A device that is registered, and not on the list."""
    return doctor.registered(doctor.identity("outsider"))


@pytest.mark.parametrize(
    ("permission", "check"),
    [
        ("iot:DescribeCertificate", "certificate.registered"),
        ("iot:GetTopicRule", "rule"),
        ("sqs:GetQueueAttributes", "backlog"),
        ("lambda:GetFunctionConfiguration", "function"),
        ("dynamodb:GetItem", "decision"),
        ("iam:SimulatePrincipalPolicy", "rule.target"),
        ("cloudformation:DescribeStacks", "deployment"),
    ],
)
def test_a_permission_that_is_missing_is_named(
    doctor: Doctor, operator: Any, outsider: DeviceIdentity, permission: str, check: str
) -> None:
    answer = doctor.diagnose(doctor.files(outsider).chain, variables=operator(permission))

    assert answer.check(check)["status"] == "unknown"
    assert answer.check(check)["permission"] == permission
    assert permission in answer.json["missing_permissions"]
