"""What the checks report where they find no cause: passed, not applicable, or unknown."""

import json
from datetime import timedelta
from typing import Any

import pytest

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks import CHECKS
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.ca_registration.properties import RESOURCE_TYPE
from iot_jitr_runtime.environment import ACCEPT_CA_CERTIFICATES
from tests.support import doctor_account as da
from tests.support.device_certificates import ca_flag
from tests.support.doctor_account import CA_ID, NOW, DiagnosedDevice
from tests.support.sdk_session import DENIED, GONE, Refusal
from tests.unit.cli.doctor.test_causes import (
    ALLOW_LIST,
    DAY,
    FAILING,
    FINE,
    PENDING,
    UNSEEN,
    WITHOUT_TEST,
    dead_letter,
    leaf,
    listing,
    presenting,
    stack_events,
    valid,
)

LONE = presenting(FINE, da.device().certificate)
ID_ONLY = FINE.but(chain=None)
SNI_ONLY = FINE.but(ca={"certificateMode": "SNI_ONLY"})
BUSY = PENDING.but(waiting=6000)
OFFLINE = FINE.but(responses=WITHOUT_TEST)
OF_ITS_THING = OFFLINE.but(
    policies={"p": da.POLICY.replace("Certificate.Subject.CommonName", "Connection.Thing.ThingName")}
)
NO_CA = UNSEEN.but(ca=None)
IN_OFFICE = '"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "Action"'


def test_an_active_device_passes_every_check() -> None:
    answer = FINE.diagnose()

    assert {check["status"] for check in answer.json["checks"]} == {"ok", "not_applicable"}
    assert [check["id"] for check in answer.json["checks"]] == [check.id for check in CHECKS]
    assert da.ACCOUNT in answer.check("deployment")["evidence"]


def connecting_to(host: str) -> DiagnosedDevice:
    return FINE.but(arguments=("--endpoint", host))


def registration(*events: tuple[str, str, str]) -> DiagnosedDevice:
    """A device whose CA is not registered, and the events of the stack, the newest first."""
    return NO_CA.responding(cloudformation_DescribeStackEvents=stack_events(*events))


def trusting(principal: object) -> DiagnosedDevice:
    """A rule's role that trusts `principal`; its policy is text, as the SDK may return it."""
    role = FINE._iam_getrole({"RoleName": "rules"})["Role"]
    statements = [
        {"Effect": "Allow", "Principal": principal},
        {"Effect": "Deny", "Principal": {"Service": "x"}},
    ]
    policy = json.dumps({"Statement": statements})
    return FINE.responding(iam_GetRole={"Role": {**role, "AssumeRolePolicyDocument": policy}})


def selecting(topic: str) -> DiagnosedDevice:
    return FINE.but(rule={"sql": f"SELECT * FROM '{topic}'"})


def sending_to(queue_url: str) -> DiagnosedDevice:
    return FINE.but(rule={"actions": [{"sqs": {"queueUrl": queue_url, "roleArn": da.ROLE}}]})


CA_FLAG = presenting(FINE, leaf(ca_flag(ca=True)), da.ca().certificate)
ACCEPTED = CA_FLAG.but(environment={"JITR_CAS": json.dumps({CA_ID: {ACCEPT_CA_CERTIFICATES: True}})})
NAMELESS = presenting(FINE, da.ca().issue(DeviceSpec(None)).certificate, da.ca().certificate)
AHEAD = valid(timedelta(hours=3), DAY).responding(sts_GetCallerIdentity=Refusal("ExpiredToken"))
WITHOUT_DATE = {"Account": "1", "ResponseMetadata": {"HTTPHeaders": {}}}
NO_EVENT = [("AWS::SQS::Queue", "CREATE_FAILED", "x")]
REPAIRED = [(RESOURCE_TYPE, "UPDATE_COMPLETE", ""), (RESOURCE_TYPE, "CREATE_FAILED", "before")]
TASK = "retire has failed 3 times, tried again <now>: AccessDenied: no"
FOUND: list[tuple[DiagnosedDevice, str, str, str]] = [
    # the device's files and its clock
    (ID_ONLY, "chain.order", "not_applicable", "no chain file given"),
    (ID_ONLY, "chain.ca_included", "not_applicable", "no chain file given"),
    (ID_ONLY, "certificate.key", "not_applicable", "--key"),
    (ID_ONLY, "certificate.algorithms", "ok", "EC"),
    (FINE.but(arguments=("--device-time", f"{NOW:%FT%T}")), "device.clock", "ok", "0 s off"),
    (LONE.but(arguments=("--sni",)), "chain.ca_included", "ok", "the device sends SNI"),
    (LONE.but(ca=None, status=None), "ca.signed", "unknown", ""),
    (ACCEPTED, "chain.order", "ok", ""),
    # AWS's clock decides
    (AHEAD, "certificate.validity", "failed", "from now"),
    (FINE.responding(sts_GetCallerIdentity=WITHOUT_DATE), "certificate.validity", "ok", ""),
    (FINE.responding(sts_GetCallerIdentity=DENIED), "deployment", "ok", "account unknown"),
    # the endpoint
    (connecting_to("ABC123-ats.iot.eu-central-1.amazonaws.com"), "endpoint", "ok", "abc123"),
    (connecting_to("mqtt.example.com"), "endpoint", "not_applicable", "your own"),
    (connecting_to("localhost"), "endpoint", "not_applicable", "your own"),
    (
        connecting_to("abc123-ats.iot.eu-central-1.amazonaws.com").responding(
            iot_DescribeEndpoint={"endpointAddress": "strange"}
        ),
        "endpoint",
        "not_applicable",
        "AWS names none",
    ),
    # the CA
    *(
        (NO_CA, f"ca.{name}", "not_applicable", "no registered CA")
        for name in ("deployment", "status", "auto_registration", "template", "sni")
    ),
    (SNI_ONLY, "ca.sni", "ok", "needed"),
    (SNI_ONLY.but(arguments=("--sni",)), "ca.sni", "ok", "the device sends it"),
    (registration(*NO_EVENT), "ca.registered", "failed", "its issuer is 'CN=Factory CA'"),
    (registration(*REPAIRED), "ca.registered", "failed", "its issuer is 'CN=Factory CA'"),
    (registration((RESOURCE_TYPE, "CREATE_FAILED", "taken")), "ca.registered", "failed", "failed: taken"),
    # from the event to the function
    (NO_CA, "rule", "not_applicable", "not of this deployment"),
    (NO_CA, "rule.target", "not_applicable", "no rule"),
    (selecting("$aws/events/certificates/registered/+"), "rule", "ok", "registered/+"),
    (selecting("$aws/events/certificates/#"), "rule", "ok", "certificates/#"),
    (sending_to("http://127.0.0.1:4566/123456789012/activation"), "rule.target", "ok", "activation"),
    (trusting("*"), "rule.target", "failed", "does not trust"),
    (trusting({"Service": ["iot.amazonaws.com"]}), "rule.target", "ok", ""),
    (PENDING.but(lacking=("sqs:SendMessage",)), "rule.target", "failed", "may not sqs:SendMessage"),
    (PENDING.but(waiting=None), "event_source", "not_applicable", "no queue"),
    (PENDING.but(waiting=None), "backlog", "not_applicable", "no queue"),
    (
        PENDING.responding(lambda_GetFunctionConfiguration=GONE),
        "function.role",
        "not_applicable",
        "no function",
    ),
    (
        PENDING.responding(lambda_GetFunctionConcurrency={"ReservedConcurrentExecutions": 5}),
        "function",
        "ok",
        "",
    ),
    (PENDING.but(log=((1, "[ERROR] x"),)), "function.errors", "ok", "no message waits"),
    (PENDING.but(log=((1, "[ERROR] x"),), decided=2, waiting=3), "function.errors", "ok", "no error"),
    (PENDING.but(waiting=3).responding(logs_FilterLogEvents=GONE), "function.errors", "ok", "no error"),
    (BUSY.but(figures={"ApproximateAgeOfOldestMessage": 600.0}), "backlog", "failed", "oldest is 10 minutes"),
    (BUSY.responding(cloudwatch_GetMetricData=DENIED), "backlog", "failed", "10 a second"),
    (FINE.but(dead_letters=None), "dead_letter", "ok", "no dead-letter queue"),
    (FINE.but(dead_letters=[{**dead_letter(), "Body": "{}"}]), "dead_letter", "ok", "none of this device"),
    # the decision
    (FINE.but(**listing()), "decision.crl", "ok", "no objection"),
    (FINE.but(**listing()), "decision.revocation", "ok", "no objection"),
    (FINE.but(outputs=ALLOW_LIST), "decision.admission", "ok", "no objection"),
    (PENDING.but(outputs={"AllowListTable": "list"}), "decision.admission", "unknown", "AllowListKey"),
    (NO_CA.but(outputs=ALLOW_LIST), "decision.admission", "unknown", "without the certificate and its CA"),
    (FINE.but(row=da.row(task="retire", taskDueAt=1)), "tasks", "ok", "none fails"),
    (FINE.but(row=da.row(**FAILING, task="retire")), "tasks", "failed", TASK),
    (FINE.but(row=da.row(**FAILING, task="of a newer version")), "tasks", "ok", "none fails"),
    # access
    (OFFLINE, "policy.client_id", "ok", "evaluated offline"),
    (OF_ITS_THING.but(things=("sensor-7",)), "policy.client_id", "ok", "evaluated offline"),
    (OF_ITS_THING, "policy.client_id", "failed", "evaluated offline"),
    (OFFLINE.but(policies={"p": "{}"}), "policy.client_id", "unknown", "can be evaluated here"),
    (
        OFFLINE.but(policies={"p": da.POLICY.replace('"Action"', IN_OFFICE)}),
        "policy.client_id",
        "unknown",
        "a condition",
    ),
    (NAMELESS, "policy.client_id", "unknown", "--client-id"),
]


def with_time(evidence: str) -> str:
    """`evidence` with the time of the examination: the name of a test may not depend on it."""
    return evidence.replace("<now>", f"{NOW:%Y-%m-%d %H:%M:%S}Z")


@pytest.mark.parametrize(("device", "check", "status", "evidence"), FOUND)
def test_a_check_reports_what_it_found(
    device: DiagnosedDevice, check: str, status: str, evidence: str
) -> None:
    found = device.diagnose().check(check)

    assert found["status"] == status, found
    assert with_time(evidence) in found["evidence"]
    assert "before" not in found["evidence"]


def test_a_certificate_that_cannot_be_parsed_cannot_be_evaluated() -> None:
    def garbage(_: Any) -> Any:
        answer = FINE._iot_describecertificate({})
        description = {**answer["certificateDescription"], "certificatePem": "garbage"}
        del description["caCertificateId"]
        return {"certificateDescription": description}

    device = FINE.but(chain=None, arguments=("--client-id", "x"), responses=WITHOUT_TEST)
    answer = device.responding(iot_DescribeCertificate=garbage).diagnose()

    assert answer.check("policy.client_id")["status"] == "unknown"
    assert answer.check("certificate.validity")["status"] == "unknown"


@pytest.mark.parametrize("newest", [0, 199])
def test_two_hundred_dead_letters_are_read_at_most(newest: int) -> None:
    letters = [{**dead_letter(), "MessageId": str(number), "Body": "{}"} for number in range(205)]
    letters[newest]["Body"] = dead_letter()["Body"]
    pages = [letters[start : start + 10] for start in range(0, 200, 10)]
    device = PENDING.but(dead_letters=letters).responding(
        sqs_ReceiveMessage=lambda _: {"Messages": pages.pop(0) if pages else letters[:10]}
    )

    assert device.diagnose().cause is Cause.DEAD_LETTERED
    assert device.calls.count("sqs:ReceiveMessage") == 20


def test_a_failed_registration_is_found_in_the_stack_of_a_pipeline_with_a_prefix() -> None:
    def events(parameters: Any) -> Any:
        known = parameters["StackName"] == "stack"
        return stack_events((RESOURCE_TYPE, "CREATE_FAILED", "taken")) if known else GONE

    device = NO_CA.but(arguments=("--stack", "stack:North"))
    found = device.responding(cloudformation_DescribeStackEvents=events).diagnose().check("ca.registered")

    assert "the registration failed: taken" in found["evidence"]


WARNING = json.dumps({"level": "WARNING", "detail": "ERROR of another service"})
METRICS = json.dumps({"_aws": {}, "reason": "service_error"})
ERROR = json.dumps({"level": "ERROR", "message": "deferred"})


@pytest.mark.parametrize(
    ("lines", "evidence"),
    [
        ((WARNING, METRICS), "no error in the last 15 minutes"),
        (("[ERROR] first", "[ERROR] second\n", WARNING), ": [ERROR] second"),
        ((ERROR,), ERROR),
        (("[1, 2] ERROR",), "[1, 2] ERROR"),
    ],
)
def test_the_last_error_of_the_log_is_shown_and_lower_levels_are_ignored(
    lines: tuple[str, ...], evidence: str
) -> None:
    device = PENDING.but(waiting=3, log=tuple(enumerate(lines, 1)))

    assert device.diagnose().check("function.errors")["evidence"].endswith(evidence)


@pytest.mark.parametrize(
    "device",
    [
        PENDING.but(rule=None),
        PENDING.but(waiting=None, mapping=None),
        PENDING.but(mapping=None),
        PENDING.but(trusts=None),
        PENDING.responding(lambda_GetFunctionConfiguration=GONE),
    ],
)
def test_the_fix_for_a_deleted_resource_is_revert_drift(device: Any) -> None:
    """A plain deployment compares templates only, and so changes nothing."""
    assert "cdk deploy --revert-drift" in device.diagnose().json["fix"]


# the connection


@pytest.mark.parametrize(
    ("connection", "status", "evidence"),
    [
        ({"connected": True, "connectedSince": da.milliseconds(NOW)}, "ok", "is connected since <now>"),
        (
            {
                "connected": False,
                "disconnectedSince": da.milliseconds(NOW),
                "disconnectReason": "API_INITIATED_DISCONNECT",
            },
            "ok",
            "is not connected since <now>, API_INITIATED_DISCONNECT",
        ),
        ({"connected": False}, "ok", "'sensor-7' is not connected"),
        (GONE, "not_applicable", "AWS IoT has no connection of 'sensor-7'"),
        (Refusal("InternalFailureException"), "unknown", "InternalFailureException"),
        (Refusal("ForbiddenException"), "unknown", "the permission iot:GetConnection is missing"),
    ],
)
def test_the_connection_is_shown_and_never_changes_the_conclusion(
    connection: Any, status: str, evidence: str
) -> None:
    answer = FINE.responding(iot_GetConnection=connection).diagnose()

    found = answer.check("connection")
    assert (found["status"], with_time(evidence) in found["evidence"]) == (status, True), found
    assert (answer.exit_code, answer.cause) == (0, Cause.ALREADY_FINE)


def test_a_certificate_that_is_not_registered_has_no_connection() -> None:
    device = UNSEEN.but()

    assert device.diagnose().check("connection")["status"] == "not_applicable"
    assert "iot:GetConnection" not in device.calls


def test_a_botocore_without_get_connection_is_reported() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(type(FINE.session.client("iot-data")), "get_connection")
        answer = FINE.diagnose()

    assert answer.check("connection")["status"] == "unknown"
    assert "1.43.17" in answer.check("connection")["evidence"]
    assert answer.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "outputs", "row", "client_id"),
    [
        ((), {}, da.row(), "sensor-7"),
        (("--client-id", "me"), {"SessionClientId": "{{thing_name}}"}, da.row(thingName="thing-7"), "me"),
        ((), {"SessionClientId": "{{thing_name}}"}, da.row(thingName="thing-7"), "thing-7"),
        # The row does not have it.
        ((), {"SessionClientId": "{{thing_name}}"}, da.row(), "sensor-7"),
        ((), {"SessionClientId": "{{thing_name}}"}, None, "sensor-7"),
    ],
)
def test_the_client_id_is_the_option_the_policys_or_the_common_name(
    arguments: tuple[str, ...], outputs: dict[str, str], row: dict[str, Any] | None, client_id: str
) -> None:
    used: list[str] = []

    def connection(parameters: Any) -> Any:
        used.append(parameters["clientId"])
        return {"connected": False}

    device = FINE.but(arguments=arguments, outputs=outputs, row=row)
    answer = device.responding(iot_GetConnection=connection).diagnose()

    assert used == [client_id]
    assert f"'{client_id}'" in answer.check("policy.client_id")["evidence"]
