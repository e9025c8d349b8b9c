"""`jitr doctor` against the real stack: each cause is brought about, and must be the one that is named."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.lab.process import wait_until
from iot_jitr_cli.main import jitr
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceFiles, DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.revocation_list import HOLD, RevocationList
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.admission.keys import TABLE_KEY
from iot_jitr_runtime.certificates import CLOCK_TOLERANCE
from iot_jitr_runtime.stack_outputs import Output
from tests.support import doctor_cloud_faults as faults
from tests.support.cloud import PATIENCE, Cloud, deployed_cloud

BRIEFLY = 1.5
"""Seconds: one refused connect, which registers."""
DAY = timedelta(days=1)


@dataclass
class Answer:
    """What the doctor said."""

    exit_code: int
    cause: Cause | None
    document: dict[str, Any]

    def check(self, name: str) -> dict[str, Any]:
        return next(check for check in self.document["checks"] if check["id"] == name)


@dataclass
class Doctor:
    """The command, called as an operator calls it."""

    cloud: Cloud
    folder: Path

    def identity(self, name: str, **more: Any) -> DeviceIdentity:
        return self.cloud.ca.issue(DeviceSpec(name, **more))

    def files(self, identity: DeviceIdentity) -> DeviceFiles:
        self.cloud.credentials(identity)
        return self.cloud.files[identity.certificate.fingerprint]

    def expect(self, name: str) -> None:
        """Put the device on the allow list."""
        table = self.cloud.outputs[Output.ALLOW_LIST_TABLE]
        self.cloud.client("dynamodb").put_item(TableName=table, Item={TABLE_KEY: {"S": name}})

    def registered(self, identity: DeviceIdentity) -> DeviceIdentity:
        """Let the device connect once, so that AWS IoT knows it."""
        self.cloud.connect(identity, timeout=BRIEFLY)
        assert self.cloud.is_registered(identity.certificate.fingerprint)
        return identity

    def brought_in(self, name: str) -> DeviceIdentity:
        self.expect(name)
        return self.cloud.bring_in(name)

    def ask(self, *arguments: object, variables: dict[str, str] | None = None) -> Answer:
        result = CliRunner().invoke(
            jitr, ["doctor", "--json", *map(str, arguments)], env=variables or self.cloud.lab.variables
        )
        assert result.output.startswith("{"), result.output
        document = json.loads(result.output)
        cause = Cause(document["cause"]) if document["cause"] else None
        return Answer(result.exit_code, cause, document)

    def about(self, identity: DeviceIdentity, *arguments: object) -> Answer:
        files = self.files(identity)
        return self.ask(files.chain, "--key", files.key, *arguments)


@pytest.fixture(scope="module")
def doctor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doctor]:
    """A cloud of its own, as things are broken in it."""
    folder = tmp_path_factory.mktemp("doctor")
    settings = {"admission": {"kind": "allow_list", "key": "common_name"}, "things": {}}
    with deployed_cloud(folder, settings) as cloud:
        yield Doctor(cloud, folder)


def named(answer: Answer, cause: Cause) -> None:
    assert answer.cause is cause, [c for c in answer.document["checks"] if c["status"] != "ok"]
    assert answer.exit_code == (0 if cause is Cause.ALREADY_FINE else 1)


# the device's files


def test_files_that_are_wrong(doctor: Doctor, tmp_path: Path) -> None:
    own = doctor.identity("files")
    chain, key = doctor.files(own).chain, doctor.files(own).key
    other_key = doctor.files(doctor.identity("other")).key
    device, ca = own.certificate.pem, own.ca.pem
    stranger = DevelopmentCa.create("a stranger").certificate.pem

    def written(content: str) -> Path:
        path = tmp_path / "chain.pem"
        path.write_text(content)
        return path

    named(doctor.ask(written("no certificate")), Cause.CHAIN_UNREADABLE)
    named(doctor.ask(written(ca + device)), Cause.CHAIN_WRONG_ORDER)
    named(doctor.ask(written(device + ca + stranger)), Cause.CHAIN_WRONG_CERTIFICATES)
    named(doctor.ask(written(device), "--no-sni"), Cause.CHAIN_CA_MISSING)
    named(doctor.ask(written(device + stranger)), Cause.NOT_SIGNED_BY_CA)
    named(doctor.ask(chain, "--key", other_key), Cause.KEY_MISMATCH)
    named(doctor.ask(chain, "--key", key), Cause.NEVER_CONNECTED)


def test_a_certificate_of_a_ca_with_the_same_name_but_another_key(doctor: Doctor) -> None:
    forger = DevelopmentCa.create("end-to-end CA")

    named(doctor.about(forger.issue(DeviceSpec("forged"))), Cause.NOT_SIGNED_BY_CA)


def test_validity_and_clocks(doctor: Doctor) -> None:
    now = datetime.now(UTC)

    def about(start: timedelta, end: timedelta) -> Answer:
        return doctor.about(doctor.identity("validity", validity=Validity(now + start, now + end)))

    named(about(-2 * DAY, -DAY), Cause.EXPIRED)
    named(about(3 * DAY, 9 * DAY), Cause.NOT_YET_VALID)
    named(about(timedelta(hours=2), 9 * DAY), Cause.CLOCK_SKEW)
    device = doctor.identity("clock")
    named(doctor.about(device, "--device-time", "2020-01-01T00:00:00"), Cause.CLOCK_SKEW)


def test_an_expired_certificate_that_is_registered_all_the_same(doctor: Doctor) -> None:
    now = datetime.now(UTC)
    device = doctor.identity("expired", validity=Validity(now - 2 * DAY, now - DAY))
    doctor.cloud.send_event(doctor.cloud.plant(device))
    doctor.cloud.wait_for_state(device.certificate.fingerprint, "refused")

    named(doctor.ask("--certificate-id", device.certificate.fingerprint), Cause.EXPIRED)


# where it connects to


def test_the_wrong_endpoint(doctor: Doctor) -> None:
    device = doctor.identity("endpoint")
    endpoint = doctor.cloud.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    prefix, region = endpoint.split(".")[0].removesuffix("-ats"), endpoint.split(".")[2]

    def about(host: str) -> Answer:
        return doctor.about(device, "--endpoint", f"{host}:8883")

    named(about(f"{prefix}-ats.iot.eu-west-3.amazonaws.com"), Cause.ENDPOINT_ELSEWHERE)
    named(about(f"somebodyelse-ats.iot.{region}.amazonaws.com"), Cause.ENDPOINT_ELSEWHERE)
    named(about(f"{prefix}.iot.{region}.amazonaws.com"), Cause.ENDPOINT_NOT_ATS)
    named(about(f"{prefix}-ats.iot.{region}.amazonaws.com"), Cause.NEVER_CONNECTED)


def test_the_wrong_stack(doctor: Doctor) -> None:
    named(doctor.about(doctor.identity("stack"), "--stack", "nowhere"), Cause.NOT_DEPLOYED)


# the CA


def test_a_ca_that_is_not_registered(doctor: Doctor) -> None:
    stranger = DevelopmentCa.create("a stranger")

    named(doctor.about(stranger.issue(DeviceSpec("strange"))), Cause.CA_NOT_REGISTERED)


def test_a_ca_that_is_switched_off(doctor: Doctor) -> None:
    device = doctor.identity("ca")

    with faults.ca_switched(doctor.cloud, newStatus="INACTIVE"):
        named(doctor.about(device), Cause.CA_INACTIVE)
    with faults.ca_switched(doctor.cloud, newAutoRegistrationStatus="DISABLE"):
        named(doctor.about(device), Cause.AUTO_REGISTRATION_OFF)


def test_cas_of_others(doctor: Doctor) -> None:
    iot = doctor.cloud.client("iot")
    template = {"templateBody": "{}", "roleArn": faults.activator_role(doctor.cloud)}
    foreign, templated = (DevelopmentCa.create(name) for name in ("foreign CA", "templated CA"))
    for ca, more in ((foreign, {}), (templated, {"registrationConfig": template})):
        iot.register_ca_certificate(
            caCertificate=ca.certificate.pem,
            certificateMode="SNI_ONLY",
            setAsActive=True,
            allowAutoRegistration=True,
            **more,
        )

    device = foreign.issue(DeviceSpec("foreign"))
    named(doctor.about(templated.issue(DeviceSpec("templated"))), Cause.CA_HAS_TEMPLATE)
    named(doctor.about(device, "--no-sni"), Cause.SNI_MISSING)
    named(doctor.about(device), Cause.CA_OF_ANOTHER_DEPLOYMENT)
    doctor.registered(device)
    named(doctor.about(device), Cause.CA_OF_ANOTHER_DEPLOYMENT)


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
            named(doctor.about(device), cause)
    with faults.rule_deleted(doctor.cloud):
        named(doctor.about(doctor.registered(doctor.identity("rule"))), Cause.RULE_MISSING)


def test_the_rules_role(doctor: Doctor) -> None:
    # The local cloud lets the rule send all the same, so here no event is sent at all.
    certificate_id = doctor.cloud.plant(doctor.identity("rule-role"))

    with faults.role_without(doctor.cloud, faults.rule_role(doctor.cloud), "sqs:SendMessage"):
        named(doctor.ask("--certificate-id", certificate_id), Cause.RULE_ROLE_BROKEN)


def test_the_event_source(doctor: Doctor) -> None:
    doctor.expect("event-source")
    device = doctor.identity("event-source")

    with faults.event_source_off(doctor.cloud):
        doctor.registered(device)
        named(doctor.about(device), Cause.EVENT_SOURCE_DISABLED)
    doctor.cloud.wait_for_state(device.certificate.fingerprint, "activated")


def test_the_function_is_stopped(doctor: Doctor) -> None:
    with faults.function_stopped(doctor.cloud):
        device = doctor.registered(doctor.identity("stopped"))
        named(doctor.about(device), Cause.FUNCTION_STOPPED)


def test_the_function_fails(doctor: Doctor) -> None:
    with faults.function_broken(doctor.cloud):
        device = doctor.registered(doctor.identity("failing"))
        faults.wait_for_log(doctor.cloud, "JITR_LEDGER_TABLE")
        answer = doctor.about(device)

    named(answer, Cause.FUNCTION_FAILING)
    assert "JITR_LEDGER_TABLE" in answer.check("function.errors")["evidence"]


def test_the_functions_role(doctor: Doctor) -> None:
    doctor.expect("role")
    role = faults.activator_role(doctor.cloud)

    with faults.role_without(doctor.cloud, role, "iot:AttachPolicy"):
        device = doctor.registered(doctor.identity("role"))
        doctor.cloud.wait_for_state(device.certificate.fingerprint, "activating")
        answer = doctor.about(device)

    named(answer, Cause.FUNCTION_ROLE_BROKEN)
    assert "iot:AttachPolicy" in answer.check("function.role")["evidence"]


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

    named(doctor.ask("--certificate-id", certificate_id), Cause.DEAD_LETTERED)
    # The look has taken nothing away.
    assert doctor.cloud.waiting(Output.DEAD_LETTER_QUEUE_URL) == before + 1


# the decision


def test_a_device_that_is_not_listed_and_is_listed_later(doctor: Doctor) -> None:
    device = doctor.registered(doctor.identity("unlisted"))
    doctor.cloud.wait_for_state(device.certificate.fingerprint, "refused")

    named(doctor.about(device), Cause.NOT_LISTED)
    doctor.expect("unlisted")
    named(doctor.about(device), Cause.REFUSAL_OUTDATED)


def test_a_common_name_that_no_policy_takes(doctor: Doctor) -> None:
    device = doctor.registered(doctor.identity("a*b"))
    doctor.cloud.wait_for_state(device.certificate.fingerprint, "refused")

    named(doctor.about(device), Cause.INVALID_COMMON_NAME)


def test_a_thing_that_belongs_to_another_certificate(doctor: Doctor) -> None:
    doctor.brought_in("twin")
    second = doctor.registered(doctor.identity("twin"))
    doctor.cloud.wait_for_state(second.certificate.fingerprint, "refused")

    named(doctor.about(second), Cause.THING_TAKEN)


def test_a_certificate_that_is_being_decided(doctor: Doctor) -> None:
    doctor.expect("just-now")
    certificate_id = doctor.cloud.plant(doctor.identity("just-now"))

    named(doctor.ask("--certificate-id", certificate_id), Cause.BEING_DECIDED)


# after the decision


def test_a_device_that_is_in(doctor: Doctor) -> None:
    device = doctor.brought_in("in")

    answer = doctor.about(device)

    named(answer, Cause.ALREADY_FINE)
    assert "unknown" not in {check["status"] for check in answer.document["checks"]}
    assert "evaluated here" in answer.check("policy.client_id")["evidence"]
    named(doctor.about(device, "--client-id", "another"), Cause.CLIENT_ID_NOT_ALLOWED)


def test_a_policy_that_was_detached(doctor: Doctor) -> None:
    device = doctor.brought_in("detached")
    iot, certificate_id = doctor.cloud.client("iot"), device.certificate.fingerprint
    arn = iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]["certificateArn"]
    for policy in doctor.cloud.policies_of(certificate_id):
        iot.detach_policy(policyName=policy, target=arn)

    named(doctor.about(device), Cause.POLICY_DETACHED)


def test_a_certificate_that_an_operator_took_out(doctor: Doctor) -> None:
    device = doctor.brought_in("taken-out")
    iot, certificate_id = doctor.cloud.client("iot"), device.certificate.fingerprint

    iot.update_certificate(certificateId=certificate_id, newStatus="INACTIVE")
    named(doctor.about(device), Cause.DEACTIVATED_BY_OPERATOR)
    iot.update_certificate(certificateId=certificate_id, newStatus="REVOKED")
    named(doctor.about(device), Cause.REVOKED_BY_OPERATOR)


# with the least permissions


LOCALLY_ON_ALL = {
    # The local cloud matches these against `*`, whatever the call names (docs/testing.md).
    "iam:SimulatePrincipalPolicy",
    "iot:DescribeCACertificate",
    "iot:ListAttachedPolicies",
    "iot:TestAuthorization",
}
LOCAL_NAMES = {"lambda:GetFunctionConcurrency": "lambda:PutFunctionConcurrency"}
"""The local cloud checks the reading of the concurrency under the name of its writing."""


@pytest.fixture
def operator(doctor: Doctor) -> Iterator[Any]:
    """A user with exactly the policy that `--iam-policy` prints; call it to leave actions out."""
    iam, variables = doctor.cloud.client("iam"), doctor.cloud.lab.variables
    printed = CliRunner().invoke(jitr, ["doctor", "--iam-policy"], env=variables)
    document = json.loads(printed.output)
    iam.create_user(UserName="operator")
    key = iam.create_access_key(UserName="operator")["AccessKey"]

    def allow(*left_out: str) -> dict[str, str]:
        statements = []
        for statement in document["Statement"]:
            for action in set(statement["Action"]) - set(left_out):
                resource = "*" if action in LOCALLY_ON_ALL else statement["Resource"]
                name = LOCAL_NAMES.get(action, action)
                statements.append({"Effect": "Allow", "Action": name, "Resource": resource})
        iam.put_user_policy(
            UserName="operator",
            PolicyName="least",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
        )
        return {
            **variables,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    yield allow
    iam.delete_user_policy(UserName="operator", PolicyName="least")
    iam.delete_access_key(UserName="operator", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="operator")


def test_the_least_policy_is_enough_for_every_check(doctor: Doctor, operator: Any) -> None:
    device = doctor.brought_in("least")

    answer = doctor.ask(doctor.files(device).chain, variables=operator())

    named(answer, Cause.ALREADY_FINE)
    assert answer.document["missing_permissions"] == []
    assert "unknown" not in {check["status"] for check in answer.document["checks"]}


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
    doctor: Doctor, operator: Any, permission: str, check: str
) -> None:
    device = doctor.registered(doctor.identity(f"without-{permission.replace(':', '-')}"))

    answer = doctor.ask(doctor.files(device).chain, variables=operator(permission))

    assert answer.check(check)["status"] == "unknown"
    assert answer.check(check)["permission"] == permission
    assert permission in answer.document["missing_permissions"]


# revocation, on a cloud of its own


SHORT_LIFE = timedelta(seconds=15)


@dataclass
class Revoking:
    """A doctor in the cloud of a CA that publishes CRLs."""

    doctor: Doctor
    crl: RevocationList

    def publish(self, life: timedelta = DAY) -> None:
        """Upload the CRL as the CA would, and wait until its index is in force."""
        cloud = self.doctor.cloud
        bucket, _, prefix = cloud.outputs["LabCrlLocation"].removeprefix("s3://").partition("/")
        before = self._index()
        cloud.client("s3").put_object(Bucket=bucket, Key=f"{prefix}ca.crl", Body=self.crl.sign(life))
        assert wait_until(lambda: self._index() != before, limit=PATIENCE, interval=0.2)

    def revoke(self, identity: DeviceIdentity, reason: x509.ReasonFlags) -> None:
        self.crl.revoke(identity.certificate.x509.serial_number, reason)
        self.publish()

    def knocked(self, device: DeviceIdentity) -> DeviceIdentity:
        """Let the device knock, and wait until something is decided: refused, deferred, or swept already."""
        self.doctor.registered(device)

        def decided() -> bool:
            row = self.doctor.cloud.row(device.certificate.fingerprint)
            return row is not None and row.state is not None

        assert wait_until(decided, limit=PATIENCE, interval=0.1)
        return device

    def _index(self) -> str:
        bucket = self.doctor.cloud.outputs[Output.REVOCATION_BUCKET]
        found = self.doctor.cloud.client("s3").list_objects_v2(Bucket=bucket, Prefix="index/")
        return "".join(each["ETag"] for each in found.get("Contents", []))


@pytest.fixture(scope="module")
def revoking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Revoking]:
    folder = tmp_path_factory.mktemp("revoking-doctor")
    settings = {"revocation": {"refresh_seconds": 1}}
    with deployed_cloud(folder, settings, revocation={"crl_s3": {}}) as cloud:
        made = Revoking(Doctor(cloud, folder), RevocationList(cloud.ca))
        waiting = made.knocked(made.doctor.identity("too-early"))
        named(made.doctor.about(waiting), Cause.CRL_MISSING)
        made.publish()
        yield made


def test_a_revoked_certificate_and_one_on_hold(revoking: Revoking) -> None:
    stolen, borrowed = revoking.doctor.identity("stolen"), revoking.doctor.identity("borrowed")
    revoking.crl.revoke(borrowed.certificate.x509.serial_number, HOLD)
    revoking.revoke(stolen, x509.ReasonFlags.key_compromise)

    for device, cause in ((stolen, Cause.SERIAL_REVOKED), (borrowed, Cause.ON_HOLD)):
        revoking.knocked(device)
        named(revoking.doctor.about(device), cause)


def test_a_certificate_that_the_sweep_revoked(revoking: Revoking) -> None:
    device = revoking.doctor.cloud.bring_in("swept")
    revoking.revoke(device, x509.ReasonFlags.key_compromise)
    certificate_id = device.certificate.fingerprint
    assert wait_until(
        lambda: revoking.doctor.cloud.status(certificate_id) == "REVOKED", limit=PATIENCE, interval=0.2
    )

    named(revoking.doctor.ask("--certificate-id", certificate_id), Cause.SERIAL_REVOKED)


def test_the_status_shows_the_crl_and_the_devices_in_service(revoking: Revoking) -> None:
    revoking.doctor.cloud.bring_in("counted")

    result = CliRunner().invoke(jitr, ["status", "--json"], env=revoking.doctor.cloud.lab.variables)

    answer = json.loads(result.output)
    (ca,), (crl,) = answer["cas"], answer["crls"]
    assert (ca["name"], ca["status"]) == ("Lab", "ACTIVE")
    assert ca["devices"] >= 1
    assert crl["number"] >= 1
    assert answer["ledger"]["states"]["activated"] >= 1
    assert not [part for part in answer.values() if isinstance(part, dict) and part.get("permission")]


def test_a_stale_crl(revoking: Revoking) -> None:
    revoking.publish(SHORT_LIFE)
    stale_at = datetime.now(UTC) + SHORT_LIFE + CLOCK_TOLERANCE
    assert wait_until(lambda: datetime.now(UTC) > stale_at, limit=PATIENCE, interval=0.5)
    device = revoking.knocked(revoking.doctor.identity("came-while-stale"))

    try:
        named(revoking.doctor.about(device), Cause.CRL_STALE)
    finally:
        revoking.publish()
