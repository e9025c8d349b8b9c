"""Every cause: a device and an account in which one thing is wrong, and the cause that the command names."""

import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks import CHECKS
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import Extension, crl_distribution_points
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.ca_registration.lifecycle import IN_ANOTHER_ACCOUNT
from iot_jitr_runtime.ca_registration.properties import RESOURCE_TYPE
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from tests.support import doctor_account as da
from tests.support.crls import HOLD, KEY_COMPROMISE, CrlSpec, Entry, idp
from tests.support.device_certificates import (
    ca_flag,
    certificate_of,
    extended_key_usage,
)
from tests.support.doctor_account import CA_ID, NOW, DiagnosedDevice, decided, row
from tests.support.sdk_session import DENIED, GONE, Refusal

DAY = timedelta(days=1)
FINE = DiagnosedDevice()
PENDING = FINE.but(status="PENDING_ACTIVATION", row=None)
UNSEEN = FINE.but(status=None, row=None)
ALLOW_LIST = {"AllowListTable": "list", "AllowListKey": "common_name"}


def presenting(diagnosed: DiagnosedDevice, *certificates: Certificate) -> DiagnosedDevice:
    """The device with this chain file, and no key."""
    pem = "".join(each.pem for each in certificates)
    return diagnosed.but(chain=pem, key=None, certificate=certificates[0])


def leaf(*extensions: Extension, key: Any = None, digest: hashes.HashAlgorithm | None = None) -> Certificate:
    """A leaf of a kind that the development PKI does not make."""
    name = [(NameOID.COMMON_NAME, "sensor-7")]
    return certificate_of(name, ca=da.ca(), device_key=key, digest=digest, extensions=extensions)


def valid(start: timedelta, end: timedelta) -> DiagnosedDevice:
    spec = DeviceSpec("sensor-7", validity=Validity(NOW + start, NOW + end))
    return presenting(UNSEEN, da.ca().issue(spec).certificate, da.ca().certificate)


def old_ca() -> DiagnosedDevice:
    old = DevelopmentCa.create("Old CA", validity=Validity(NOW - 9 * DAY, NOW - DAY))
    device = old.issue(DeviceSpec("sensor-7", validity=Validity(NOW - DAY, NOW + DAY))).certificate
    return presenting(UNSEEN.but(ca_certificate=old.certificate), device, old.certificate)


def stack_events(*events: tuple[str, str, str]) -> dict[str, Any]:
    """Events of the stack, the newest first: the resource's type, its status and the reason."""
    same = {"StackId": "s", "EventId": "e", "StackName": "iot-jitr", "Timestamp": NOW}
    names = ("ResourceType", "ResourceStatus", "ResourceStatusReason")
    return {"StackEvents": [{**same, **dict(zip(names, event, strict=True))} for event in events]}


def registration_failed(reason: str) -> dict[str, Any]:
    # A failed creation is followed by its own clean-up.
    return stack_events((RESOURCE_TYPE, "DELETE_COMPLETE", ""), (RESOURCE_TYPE, "CREATE_FAILED", reason))


def dead_letter(reason: str = "", detail: str = "") -> dict[str, Any]:
    attributes = {"reason": reason, "detail": detail}
    return {
        "MessageId": "1",
        "Body": json.dumps({"certificateId": da.device().certificate.fingerprint}),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
        },
    }


def listing(reason: Any = None, *, next_update: timedelta = DAY, **changes: Any) -> dict[str, Any]:
    """A CRL that names the device's certificate, where there is a reason."""
    entries = [Entry(da.device().certificate.x509.serial_number, reason)] if reason else []
    spec = CrlSpec(entries, this_update=NOW - 2 * DAY, next_update=NOW + next_update, **changes)
    return {"has_crl": True, "crl": spec}


AFTER_REFUSAL = FINE.but(status="PENDING_ACTIVATION")
WITHOUT_TEST = {"iot:TestAuthorization": Refusal("InvalidRequestException", "Unsupported IoT path")}
ELSEWHERE = da.POLICY.replace("${iot:Certificate.Subject.CommonName}", "another-device")
OTHER_DEPLOYMENT = {"FactoryCaCertificateId": "00" * 32}
PARTITIONED = leaf(crl_distribution_points("http://crl/2"))


def refused(reason: Reason, **changes: Any) -> DiagnosedDevice:
    return AFTER_REFUSAL.but(row=decided(reason), **changes)


FAILING = {"taskFailures": 3, "taskError": "AccessDenied: no", "taskDueAt": da.milliseconds(NOW)}
SESSION = {"S": f"#session/{da.device().certificate.fingerprint}"}
CASES: dict[Cause, list[DiagnosedDevice]] = {
    Cause.CHAIN_UNREADABLE: [FINE.but(chain="nothing")],
    Cause.CHAIN_WRONG_ORDER: [UNSEEN.but(chain=da.ca().certificate.pem + da.device().certificate.pem)],
    Cause.CHAIN_WRONG_CERTIFICATES: [UNSEEN.but(chain=da.device().chain_pem + da.other_ca().certificate.pem)],
    Cause.CA_CERTIFICATE: [
        presenting(UNSEEN, leaf(ca_flag(ca=True)), da.ca().certificate),
        presenting(UNSEEN, leaf(ca_flag(ca=True)), da.ca().certificate).responding(
            lambda_GetFunctionConfiguration=DENIED
        ),
        refused(Reason.CA_CERTIFICATE),
    ],
    Cause.CHAIN_CA_MISSING: [
        presenting(UNSEEN, da.device().certificate),
        presenting(UNSEEN, da.device().certificate).but(arguments=("--no-sni",)),
    ],
    Cause.NOT_SIGNED_BY_CA: [
        presenting(UNSEEN, da.device().certificate, da.other_ca().certificate),
        UNSEEN.but(ca_certificate=DevelopmentCa.create("Factory CA").certificate),
        refused(Reason.BAD_SIGNATURE),
        refused(Reason.ISSUER_MISMATCH),
    ],
    Cause.KEY_MISMATCH: [UNSEEN.but(key=key_pem(da.other_ca().key)), UNSEEN.but(key=b"not a key")],
    Cause.UNSUPPORTED_KEY: [
        presenting(UNSEEN, leaf(key=ed25519.Ed25519PrivateKey.generate()), da.ca().certificate),
        refused(Reason.UNSUPPORTED_KEY),
        refused(Reason.UNPARSABLE_CERTIFICATE),
    ],
    Cause.UNSUPPORTED_SIGNATURE: [presenting(UNSEEN, leaf(digest=hashes.SHA224()), da.ca().certificate)],
    Cause.UNSUPPORTED_KEY_USAGE: [
        presenting(UNSEEN, leaf(extended_key_usage(ExtendedKeyUsageOID.SERVER_AUTH)), da.ca().certificate),
        refused(Reason.UNSUPPORTED_KEY_USAGE),
    ],
    Cause.EXPIRED: [valid(-2 * DAY, -DAY), refused(Reason.EXPIRED)],
    Cause.NOT_YET_VALID: [valid(3 * DAY, 9 * DAY)],
    Cause.CLOCK_SKEW: [
        valid(timedelta(hours=3), 9 * DAY),
        FINE.but(arguments=("--device-time", f"{NOW - timedelta(days=400):%Y-%m-%dT%H:%M}")),
    ],
    Cause.CA_EXPIRED: [old_ca()],
    Cause.INVALID_COMMON_NAME: [refused(Reason.INVALID_COMMON_NAME)],
    Cause.ENDPOINT_NOT_ATS: [UNSEEN.but(arguments=("--endpoint", "abc123.iot.eu-central-1.amazonaws.com"))],
    Cause.ENDPOINT_ELSEWHERE: [
        UNSEEN.but(arguments=("--endpoint", "abc123-ats.iot.us-east-1.amazonaws.com")),
        UNSEEN.but(arguments=("--endpoint", "zzz999-ats.iot.eu-central-1.amazonaws.com:443")),
    ],
    Cause.NOT_DEPLOYED: [
        device.responding(cloudformation_DescribeStacks=Refusal("ValidationError", "Stack x does not exist"))
        for device in (UNSEEN, PENDING)
    ],
    Cause.CA_NOT_REGISTERED: [
        UNSEEN.but(ca=None),
        UNSEEN.but(ca=None).responding(cloudformation_DescribeStackEvents=registration_failed("no")),
        UNSEEN.but(ca=None).responding(cloudformation_DescribeStackEvents=DENIED),
        # It was deleted between the two calls.
        UNSEEN.responding(iot_DescribeCACertificate=GONE),
    ],
    Cause.CA_REGISTERED_ELSEWHERE: [
        UNSEEN.but(ca=None).responding(
            cloudformation_DescribeStackEvents=registration_failed(f"{IN_ANOTHER_ACCOUNT}: in mode DEFAULT …")
        )
    ],
    Cause.CA_OF_ANOTHER_DEPLOYMENT: [device.but(outputs=OTHER_DEPLOYMENT) for device in (UNSEEN, PENDING)],
    Cause.CA_INACTIVE: [UNSEEN.but(ca={"status": "INACTIVE"})],
    Cause.AUTO_REGISTRATION_OFF: [UNSEEN.but(ca={"autoRegistrationStatus": "DISABLE"})],
    Cause.CA_HAS_TEMPLATE: [
        device.but(ca={"registrationConfig": {"templateBody": "{}"}}) for device in (UNSEEN, PENDING, FINE)
    ],
    Cause.SNI_MISSING: [
        device.but(ca={"certificateMode": "SNI_ONLY"}, arguments=("--no-sni",)) for device in (UNSEEN, FINE)
    ],
    Cause.RULE_MISSING: [PENDING.but(rule=None)],
    Cause.RULE_DISABLED: [PENDING.but(rule={"ruleDisabled": True})],
    Cause.RULE_ON_ANOTHER_TOPIC: [
        PENDING.but(rule={"sql": sql})
        for sql in (
            "SELECT * FROM '$aws/events/certificates/registered/CA_ID'",
            "SELECT * FROM '$aws/events/certificates'",
            f"SELECT * FROM '$aws/events/certificates/registered/{CA_ID}/x'",
            "no statement",
        )
    ],
    Cause.RULE_SENDS_ELSEWHERE: [
        PENDING.but(rule={"actions": [{"sqs": {"queueUrl": f"{da.QUEUE_URL}-old", "roleArn": da.ROLE}}]}),
        PENDING.but(rule={"actions": []}),
    ],
    Cause.RULE_ROLE_BROKEN: [PENDING.but(trusts=None), PENDING.but(trusts="ec2.amazonaws.com")],
    # Without the queue, its event source mapping is not found either.
    Cause.QUEUE_MISSING: [PENDING.but(waiting=None).responding(iam_SimulatePrincipalPolicy=DENIED)],
    Cause.EVENT_SOURCE_DISABLED: [PENDING.but(mapping=None), PENDING.but(mapping={"State": "Disabled"})],
    Cause.FUNCTION_STOPPED: [
        PENDING.responding(lambda_GetFunctionConfiguration=GONE),
        PENDING.but(function={"State": "Failed", "StateReason": "KMS key is disabled"}),
        PENDING.but(function={"LastUpdateStatus": "Failed"}),
        PENDING.responding(lambda_GetFunctionConcurrency={"ReservedConcurrentExecutions": 0}),
    ],
    Cause.FUNCTION_ROLE_BROKEN: [PENDING.but(lacking=("iot:AttachPolicy",)), refused(Reason.ACCESS_DENIED)],
    Cause.FUNCTION_FAILING: [
        refused(Reason.INTERNAL_ERROR),
        PENDING.but(log=((1, "[ERROR] TypeError: x"),), waiting=3),
        PENDING.but(figures={"Errors": 4.0}, waiting=3),
    ],
    Cause.THROTTLED: [
        refused(Reason.THROTTLED),
        refused(Reason.RATE_LIMITED),
        PENDING.but(waiting=6000),
        PENDING.but(figures={"Throttles": 9.0}),
    ],
    Cause.SERVICE_ERROR: [refused(Reason.SERVICE_ERROR)],
    Cause.DEAD_LETTERED: [
        PENDING.but(dead_letters=[dead_letter("foreign_ca", "registered under another CA")]),
        PENDING.but(dead_letters=[dead_letter()]),
    ],
    Cause.CRL_MISSING: [
        refused(Reason.CRL_MISSING, has_crl=True),
        refused(Reason.CRL_MISSING, has_crl=True).responding(s3_GetObject=DENIED),
        PENDING.but(has_crl=True),
    ],
    Cause.CRL_STALE: [PENDING.but(**listing(next_update=-DAY))],
    Cause.CRL_PARTITION_MISSING: [
        presenting(PENDING, PARTITIONED, da.ca().certificate).but(**listing(extensions=[idp("http://crl/1")]))
    ],
    Cause.SERIAL_REVOKED: [
        refused(Reason.REVOKED, **listing(KEY_COMPROMISE)),
        FINE.but(status="REVOKED", row=row(State.REVOKED)),
        # It is active until the sweep revokes it.
        FINE.but(**listing(KEY_COMPROMISE)),
    ],
    Cause.ON_HOLD: [
        PENDING.but(**listing(HOLD)),
        FINE.but(status="INACTIVE", row=row(State.SUSPENDED)),
        FINE.but(**listing(HOLD)),
    ],
    Cause.NOT_LISTED: [
        refused(Reason.NOT_LISTED, outputs=ALLOW_LIST, listed=False),
        PENDING.but(outputs=ALLOW_LIST, listed=False),
    ],
    Cause.REFUSED_BY_FUNCTION: [refused(Reason.REFUSED_BY_FUNCTION)],
    Cause.ADMISSION_FAILED: [refused(Reason.ADMISSION_FAILED)],
    Cause.THING_TAKEN: [refused(Reason.THING_TAKEN)],
    Cause.INVALID_THING_NAME: [refused(Reason.INVALID_THING_NAME)],
    Cause.INVALID_THING_ATTRIBUTE: [refused(Reason.INVALID_THING_ATTRIBUTE)],
    Cause.THING_SETUP_MISSING: [refused(Reason.THING_SETUP_MISSING)],
    Cause.POLICY_MISSING: [refused(Reason.POLICY_MISSING)],
    Cause.POLICY_DETACHED: [FINE.but(policies={}), FINE.but(policies={}, row=None)],
    Cause.CLIENT_ID_NOT_ALLOWED: [
        FINE.responding(iot_TestAuthorization={"authResults": [{"authDecision": "IMPLICIT_DENY"}]}),
        FINE.but(policies={"p": ELSEWHERE}, responses=WITHOUT_TEST),
        FINE.but(arguments=("--client-id", "another"), responses=WITHOUT_TEST),
    ],
    Cause.DEACTIVATED_BY_OPERATOR: [FINE.but(status="INACTIVE")],
    Cause.REVOKED_BY_OPERATOR: [FINE.but(status="REVOKED")],
    Cause.SUPERSEDED: [FINE.but(status="INACTIVE", row=row(State.RETIRED, thingName="thing-7"))],
    Cause.TASK_FAILING: [
        FINE.but(row=row(**FAILING, task="retire")),
        FINE.but(session_task={**row(None, **FAILING, task="close_session"), "certificateId": SESSION}),
    ],
    Cause.NEVER_CONNECTED: [UNSEEN],
    Cause.EVENT_LOST: [
        PENDING,
        # The ledger's row is about an earlier registration of the certificate.
        PENDING.but(row=decided(Reason.EXPIRED, decidedAt=da.milliseconds(NOW - 9 * DAY))),
    ],
    Cause.BEING_DECIDED: [
        PENDING.but(waiting=3),
        PENDING.but(registered_at=NOW - timedelta(seconds=5)),
        PENDING.but(row=row(State.ACTIVATING)),
        PENDING.but(row=row(None, decidedAt=0)),
        refused(Reason.CRL_STALE, **listing()),
        refused(Reason.CLAIMED_ELSEWHERE),
        refused(Reason.NOT_VISIBLE_YET),
        refused(Reason.OUT_OF_TIME),
    ],
    Cause.REFUSAL_OUTDATED: [
        refused(Reason.NOT_LISTED, outputs=ALLOW_LIST),
        refused(Reason.REVOKED, **listing()),
        refused(Reason.NOT_YET_VALID),
    ],
    Cause.ALREADY_FINE: [FINE, FINE.but(chain=None)],
}
NUMBERED = [
    pytest.param(cause, device, id=f"{cause}-{number}")
    for cause, devices in CASES.items()
    for number, device in enumerate(devices, 1)
]


@pytest.mark.parametrize(("cause", "device"), NUMBERED)
def test_the_true_cause_is_named_with_a_fix_and_its_exit_code(cause: Cause, device: DiagnosedDevice) -> None:
    answer = device.diagnose()

    failed = [check for check in answer.json["checks"] if check["status"] == "failed"]
    assert answer.cause is cause, failed
    fine = cause is Cause.ALREADY_FINE
    assert answer.exit_code == (0 if fine else 1)
    assert answer.json["conclusion"] == ("fine" if fine else "cause_found")
    assert answer.json["headline"] == cause.headline
    assert bool(answer.json["fix"]) is not fine
    declared = {check.id: check.causes for check in CHECKS}
    for check in answer.json["checks"]:
        assert (check["status"] == "failed") == bool(check["cause"]) == bool(check["fix"])
        assert not check["cause"] or check["cause"] in declared.get(check["id"], {cause})
        assert check["evidence"]


def test_every_cause_has_a_case() -> None:
    assert set(CASES) == set(Cause)
