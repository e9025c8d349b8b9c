"""Facts are read from AWS as AWS answers, and what is missing is an answer too."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import ANY

from iot_jitr_cli.doctor.asking import CannotTellError, MissingPermissionError, NoAnswerError
from iot_jitr_cli.doctor.facts.account import AccountFacts
from iot_jitr_cli.doctor.facts.ca import CaFacts
from iot_jitr_cli.doctor.facts.case import Subject, open_case
from iot_jitr_cli.doctor.facts.decision import DecisionFacts, dead_letter_about
from iot_jitr_cli.doctor.facts.device import DeviceFacts
from iot_jitr_cli.doctor.facts.function import FunctionFacts
from iot_jitr_cli.doctor.facts.pipeline import NotDeployedError, PipelineFacts
from iot_jitr_cli.doctor.facts.present import PresentFacts
from iot_jitr_runtime.ca_registration.properties import RESOURCE_TYPE
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.outcomes import Outcome, Reason
from iot_jitr_runtime.stack_outputs import Output
from tests.support import doctor_case as dc
from tests.support.doctor_cloud import NOW, Cloud, configuration, stack

ID = CertificateId("d" * 64)
ARN = f"arn:aws:iot:{dc.REGION}:{dc.ACCOUNT}:cert/{ID}"


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    fresh = Cloud()
    yield fresh
    fresh.check()


def pipeline(cloud: Cloud, **outputs: str) -> PipelineFacts:
    cloud.answers("cloudformation", "describe_stacks", stack(**outputs))
    return PipelineFacts(cloud, "stack")  # type: ignore[arg-type]


def function(cloud: Cloud) -> FunctionFacts:
    return FunctionFacts(cloud, pipeline(cloud), NOW)  # type: ignore[arg-type]


def description(pem: str, **more: Any) -> dict[str, Any]:
    return {
        "certificateDescription": {
            "certificateArn": ARN,
            "certificatePem": pem,
            "status": "PENDING_ACTIVATION",
            "creationDate": NOW,
            **more,
        }
    }


def device_facts(cloud: Cloud, presented: Any = None) -> DeviceFacts:
    return DeviceFacts(cloud, ID, presented)  # type: ignore[arg-type]


# account


def test_the_account_and_the_clock_of_aws_come_in_one_answer(cloud: Cloud) -> None:
    cloud.answers(
        "sts",
        "get_caller_identity",
        {
            "Account": dc.ACCOUNT,
            "ResponseMetadata": {"HTTPHeaders": {"date": "Mon, 01 Jun 2026 12:00:00 GMT"}},
        },
    )

    identity = AccountFacts(cloud).identity  # type: ignore[arg-type]

    assert (identity.account, identity.time) == (dc.ACCOUNT, NOW)


def test_an_answer_without_a_date_leaves_the_clock_unknown(cloud: Cloud) -> None:
    cloud.answers(
        "sts", "get_caller_identity", {"Account": dc.ACCOUNT, "ResponseMetadata": {"HTTPHeaders": {}}}
    )

    assert AccountFacts(cloud).identity.time is None  # type: ignore[arg-type]


def test_the_endpoint_is_the_ats_one_without_its_port(cloud: Cloud) -> None:
    cloud.answers(
        "iot", "describe_endpoint", {"endpointAddress": "ABC-ats.iot.x:443"}, {"endpointType": "iot:Data-ATS"}
    )

    assert AccountFacts(cloud).endpoint == "abc-ats.iot.x"  # type: ignore[arg-type]


# device


def test_a_certificate_that_aws_iot_knows_is_described(cloud: Cloud) -> None:
    pem = dc.device().certificate.pem
    cloud.answers("iot", "describe_certificate", description(pem, caCertificateId=dc.CA_ID))

    facts = device_facts(cloud)

    assert facts.registered is not None
    assert (facts.registered.status, facts.registered.ca_certificate_id) == ("PENDING_ACTIVATION", dc.CA_ID)
    assert facts.certificate == dc.device().certificate


def test_a_certificate_that_cannot_be_parsed_is_known_all_the_same(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_certificate", description("garbage"))

    registered = device_facts(cloud).registered

    assert registered is not None
    assert (registered.certificate, registered.ca_certificate_id) == (None, None)


def test_a_certificate_that_aws_iot_never_saw_has_neither_policies_nor_things(cloud: Cloud) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")

    facts = device_facts(cloud)

    assert (facts.registered, facts.certificate, facts.policies, facts.things) == (None, None, (), ())


def test_the_certificate_in_the_file_needs_no_answer(cloud: Cloud) -> None:
    assert device_facts(cloud, dc.device().certificate).certificate == dc.device().certificate


def test_policies_and_things_of_the_certificate_are_read(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_certificate", description(dc.device().certificate.pem))
    cloud.answers(
        "iot",
        "list_attached_policies",
        {"policies": [{"policyName": "p", "policyArn": "a"}]},
        {"target": ARN},
    )
    cloud.answers("iot", "get_policy", {"policyDocument": dc.POLICY}, {"policyName": "p"})
    cloud.answers("iot", "list_principal_things", {"things": ["t"]}, {"principal": ARN})
    facts = device_facts(cloud)

    assert facts.policies == ("p",)
    assert len(facts.documents[0].statements) == 1
    assert facts.things == ("t",)


def test_a_policy_that_cannot_be_read_is_told(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_certificate", description(dc.device().certificate.pem))
    cloud.answers("iot", "list_attached_policies", {"policies": [{"policyName": "p", "policyArn": "a"}]})
    cloud.answers("iot", "get_policy", {"policyDocument": "{}"})

    with pytest.raises(NoAnswerError, match="not one that can be evaluated"):
        _ = device_facts(cloud).documents


def test_aws_iot_is_asked_whether_the_client_id_is_allowed(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_certificate", description(dc.device().certificate.pem))
    cloud.answers(
        "iot",
        "test_authorization",
        {"authResults": [{"authDecision": "EXPLICIT_DENY"}]},
        {
            "principal": ARN,
            "clientId": "me",
            "authInfos": [{"actionType": "CONNECT", "resources": ["arn:client/me"]}],
        },
    )

    assert device_facts(cloud).authorization("me", "arn:client/me")["authDecision"] == "EXPLICIT_DENY"


def test_where_the_call_is_unknown_that_is_an_answer(cloud: Cloud) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")
    cloud.refuses("iot", "test_authorization", "InvalidRequestException", "Unsupported IoT path")

    with pytest.raises(NoAnswerError, match="Unsupported"):
        device_facts(cloud).authorization("me", "arn")


# CA


def ca_description(**more: Any) -> dict[str, Any]:
    return {
        "certificateDescription": {
            "certificateArn": "arn:ca",
            "certificateId": dc.CA_ID,
            "status": "ACTIVE",
            "certificatePem": dc.ca().certificate.pem,
            "autoRegistrationStatus": "ENABLE",
            **more,
        }
    }


def ca_facts(cloud: Cloud, presented: Any = None) -> CaFacts:
    return CaFacts(cloud, "stack", device_facts(cloud, presented))  # type: ignore[arg-type]


def test_the_ca_of_a_registered_certificate_is_the_one_that_aws_iot_names(cloud: Cloud) -> None:
    pem = dc.device().certificate.pem
    cloud.answers("iot", "describe_certificate", description(pem, caCertificateId=dc.CA_ID))
    cloud.answers("iot", "describe_ca_certificate", ca_description(), {"certificateId": dc.CA_ID})

    issuer = ca_facts(cloud).issuer

    assert issuer.ca is not None
    assert issuer.ca.ca_id == dc.CA_ID


def _list_cas(cloud: Cloud, *pems: str) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")
    ids = [f"{number:064x}" for number in range(len(pems))]
    cloud.answers("iot", "list_ca_certificates", {"certificates": [{"certificateId": each} for each in ids]})
    for each, pem in zip(ids, pems, strict=True):
        cloud.answers(
            "iot", "describe_ca_certificate", ca_description(certificatePem=pem, certificateId=each)
        )


def test_the_ca_of_a_certificate_never_seen_is_the_one_that_signed_it(cloud: Cloud) -> None:
    namesake = dc.DevelopmentCa.create("Factory CA").certificate
    _list_cas(cloud, dc.other_ca().certificate.pem, namesake.pem, dc.ca().certificate.pem)

    issuer = ca_facts(cloud, dc.device().certificate).issuer

    assert issuer.ca is not None
    assert issuer.namesake is not None
    assert issuer.ca.certificate == dc.ca().certificate
    assert issuer.namesake.certificate == namesake


def test_no_registered_ca_may_have_signed_it(cloud: Cloud) -> None:
    _list_cas(cloud, dc.other_ca().certificate.pem)

    issuer = ca_facts(cloud, dc.device().certificate).issuer

    assert (issuer.ca, issuer.namesake) == (None, None)


def test_a_ca_that_is_gone_by_now_is_left_out(cloud: Cloud) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")
    cloud.answers("iot", "list_ca_certificates", {"certificates": [{"certificateId": dc.CA_ID}]})
    cloud.refuses("iot", "describe_ca_certificate", "ResourceNotFoundException")

    assert ca_facts(cloud, dc.device().certificate).issuer.ca is None


def test_without_a_certificate_no_ca_is_looked_for(cloud: Cloud) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")

    with pytest.raises(CannotTellError, match="without a chain file"):
        _ = ca_facts(cloud).issuer


@pytest.mark.parametrize(
    ("code", "expected"),
    [("UnauthorizedException", MissingPermissionError), ("InternalFailureException", NoAnswerError)],
)
def test_a_ca_that_may_not_be_described_is_told(
    cloud: Cloud, code: str, expected: type[CannotTellError]
) -> None:
    cloud.answers("iot", "describe_certificate", description("x", caCertificateId=dc.CA_ID))
    cloud.refuses("iot", "describe_ca_certificate", code)

    with pytest.raises(expected):
        _ = ca_facts(cloud).issuer


def _event(kind: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "StackId": "s",
        "EventId": "e",
        "StackName": "stack",
        "Timestamp": NOW,
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("AWS::SQS::Queue", "CREATE_FAILED", "x")], ""),
        ([(RESOURCE_TYPE, "DELETE_COMPLETE", ""), (RESOURCE_TYPE, "CREATE_FAILED", "taken")], "taken"),
        ([(RESOURCE_TYPE, "UPDATE_COMPLETE", ""), (RESOURCE_TYPE, "CREATE_FAILED", "before")], ""),
    ],
)
def test_why_the_last_registration_of_a_ca_failed_stands_in_the_stacks_events(
    cloud: Cloud, events: list[tuple[str, str, str]], expected: str
) -> None:
    cloud.answers(
        "cloudformation",
        "describe_stack_events",
        {"StackEvents": [_event(*each) for each in events]},
        {"StackName": "stack"},
    )

    assert ca_facts(cloud).registration_failure == expected


# pipeline


def test_a_stack_that_is_not_there_is_not_deployed(cloud: Cloud) -> None:
    cloud.refuses("cloudformation", "describe_stacks", "ValidationError", "Stack stack does not exist")

    with pytest.raises(NotDeployedError, match="no stack 'stack'"):
        _ = PipelineFacts(cloud, "stack").deployment  # type: ignore[arg-type]


def test_a_part_that_is_not_deployed_cannot_be_looked_at(cloud: Cloud) -> None:
    with pytest.raises(CannotTellError, match="no output 'AllowListTable'"):
        pipeline(cloud).output(Output.ALLOW_LIST_TABLE)


def test_a_queue_counts_what_waits_what_is_at_work_and_what_was_put_back(cloud: Cloud) -> None:
    facts = pipeline(cloud)
    cloud.answers(
        "sqs",
        "get_queue_attributes",
        {
            "Attributes": {
                "QueueArn": "arn:aws:sqs:x:1:q",
                "ApproximateNumberOfMessages": "3",
                "ApproximateNumberOfMessagesNotVisible": "2",
                "ApproximateNumberOfMessagesDelayed": "1",
            }
        },
    )

    assert facts.activation_queue is not None
    assert facts.activation_queue.messages == 6


@pytest.mark.parametrize("code", ["AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"])
def test_a_queue_that_is_gone_is_none(cloud: Cloud, code: str) -> None:
    facts = pipeline(cloud)
    cloud.refuses("sqs", "get_queue_attributes", code)

    assert facts.dead_letter_queue is None


def test_a_queue_that_may_not_be_looked_at_names_the_permission(cloud: Cloud) -> None:
    facts = pipeline(cloud)
    cloud.refuses("sqs", "get_queue_attributes", "AccessDenied")

    with pytest.raises(MissingPermissionError, match="sqs:GetQueueAttributes"):
        _ = facts.activation_queue


def test_a_rule_is_read_with_its_queue_and_role(cloud: Cloud) -> None:
    facts = PipelineFacts(cloud, "stack")  # type: ignore[arg-type]
    action = {"sqs": {"queueUrl": "u", "roleArn": dc.ROLE, "useBase64": False}}
    cloud.answers(
        "iot",
        "get_topic_rule",
        {"ruleArn": "a", "rule": {"sql": "SELECT", "actions": [action], "ruleDisabled": True}},
    )

    rule = facts.rule("r")

    assert rule is not None
    assert (rule.queue_url, rule.role_arn, rule.disabled) == ("u", dc.ROLE, True)


def test_a_rule_without_an_sqs_action_sends_to_no_queue(cloud: Cloud) -> None:
    facts = PipelineFacts(cloud, "stack")  # type: ignore[arg-type]
    cloud.answers("iot", "get_topic_rule", {"ruleArn": "a", "rule": {"sql": "SELECT", "actions": []}})

    rule = facts.rule("r")

    assert rule is not None
    assert (rule.queue_url, rule.role_arn, rule.disabled) == (None, None, False)


def test_aws_iot_calls_a_missing_rule_unauthorized_and_a_missing_permission_by_its_name(cloud: Cloud) -> None:
    facts = PipelineFacts(cloud, "stack")  # type: ignore[arg-type]
    cloud.refuses("iot", "get_topic_rule", "UnauthorizedException", "Access to topic rule 'r' was denied")
    cloud.refuses(
        "iot",
        "get_topic_rule",
        "UnauthorizedException",
        "User: x is not authorized to perform: iot:GetTopicRule",
    )

    assert facts.rule("r") is None
    with pytest.raises(MissingPermissionError, match="iot:GetTopicRule"):
        facts.rule("r")


def test_iam_is_asked_what_a_role_may_not_do(cloud: Cloud) -> None:
    facts = PipelineFacts(cloud, "stack")  # type: ignore[arg-type]
    cloud.answers(
        "iam",
        "simulate_principal_policy",
        {
            "EvaluationResults": [
                {"EvalActionName": "a:b", "EvalDecision": "allowed"},
                {"EvalActionName": "a:c", "EvalDecision": "implicitDeny"},
            ]
        },
        {"PolicySourceArn": dc.ROLE, "ActionNames": ["a:b", "a:c"], "ResourceArns": ["arn:q"]},
    )

    assert facts.denied(dc.ROLE, ["a:b", "a:c"], "arn:q") == ["a:c"]


def _role(document: object) -> dict[str, Any]:
    return {
        "Role": {
            "Path": "/",
            "RoleName": "stack-rules",
            "RoleId": "AROAAAAAAAAAAAAAAAAA",
            "Arn": dc.ROLE,
            "CreateDate": NOW,
            "AssumeRolePolicyDocument": json.dumps(document),
        }
    }


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ({"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}}, {"iot.amazonaws.com"}),
        ([{"Effect": "Allow", "Principal": {"Service": ["a", "b"]}}], {"a", "b"}),
        ([{"Effect": "Deny", "Principal": {"Service": "a"}}], set()),
        ([{"Effect": "Allow", "Principal": "*"}], set()),
    ],
)
def test_whom_a_role_trusts_is_read(cloud: Cloud, statement: Any, expected: set[str]) -> None:
    facts = PipelineFacts(cloud, "stack")  # type: ignore[arg-type]
    cloud.answers("iam", "get_role", _role({"Statement": statement}), {"RoleName": "stack-rules"})

    assert facts.trusted_services(dc.ROLE) == expected


def test_a_role_that_is_gone_is_none(cloud: Cloud) -> None:
    cloud.refuses("iam", "get_role", "NoSuchEntity")

    assert PipelineFacts(cloud, "stack").trusted_services(dc.ROLE) is None  # type: ignore[arg-type]


# function


def test_the_activator_says_its_pace_and_its_cas(cloud: Cloud) -> None:
    facts = function(cloud)
    cas = json.dumps({"with": {"revocation": "crl"}, "without": {"revocation": "none"}})
    cloud.answers(
        "lambda",
        "get_function_configuration",
        configuration(JITR_ACTIVATIONS_PER_SECOND="20", JITR_CAS=cas),
    )

    assert facts.activator is not None
    assert facts.activator.activations_per_second == 20
    assert facts.activator.cas_with_crl == {"with"}


def test_an_activator_that_tells_nothing_has_no_pace(cloud: Cloud) -> None:
    facts = function(cloud)
    cloud.answers("lambda", "get_function_configuration", configuration())

    assert facts.activator is not None
    assert (facts.activator.activations_per_second, facts.activator.cas_with_crl) == (None, frozenset())


def test_a_function_that_is_gone_is_none(cloud: Cloud) -> None:
    facts = function(cloud)
    cloud.refuses("lambda", "get_function_configuration", "ResourceNotFoundException")

    assert facts.activator is None


@pytest.mark.parametrize("reserved", [None, 0, 5])
def test_the_reserved_concurrency_is_read(cloud: Cloud, reserved: int | None) -> None:
    facts = function(cloud)
    answer = {} if reserved is None else {"ReservedConcurrentExecutions": reserved}
    cloud.answers("lambda", "get_function_concurrency", answer)

    assert facts.reserved_concurrency == reserved


def test_the_event_source_is_the_one_of_the_activation_queue(cloud: Cloud) -> None:
    facts = function(cloud)
    cloud.answers("sqs", "get_queue_attributes", {"Attributes": {"QueueArn": "arn:q"}})
    cloud.answers(
        "lambda",
        "list_event_source_mappings",
        {
            "EventSourceMappings": [
                {"UUID": "1" * 36, "EventSourceArn": "arn:other"},
                {"UUID": "2" * 36, "EventSourceArn": "arn:q"},
            ]
        },
    )

    assert facts.event_source is not None
    assert facts.event_source["UUID"] == "2" * 36


def _log(cloud: Cloud, *messages: tuple[int, str]) -> None:
    events = [{"timestamp": when, "message": message} for when, message in messages]
    cloud.answers("logs", "filter_log_events", {"events": events})
    for _ in range(2):
        cloud.answers("logs", "filter_log_events", {"events": []})


def _decisions(cloud: Cloud, *timestamps: int) -> None:
    events = [{"timestamp": when, "message": "{}"} for when in timestamps]
    cloud.answers("logs", "filter_log_events", {"events": events})


def test_the_last_error_of_the_log_is_found(cloud: Cloud) -> None:
    facts = function(cloud)
    warning = json.dumps({"level": "WARNING", "detail": "ERROR of somebody else"})
    metrics = json.dumps({"_aws": {}, "reason": "service_error"})
    _log(cloud, (2, "[ERROR] second\n"), (1, "[ERROR] first"), (3, warning), (4, metrics))
    _decisions(cloud, 1)

    assert facts.last_error == "[ERROR] second"


def test_a_structured_error_line_is_an_error(cloud: Cloud) -> None:
    facts = function(cloud)
    line = json.dumps({"level": "ERROR", "message": "deferred"})
    _log(cloud, (1, line), (2, "[1, 2] ERROR"))
    _decisions(cloud)

    assert facts.last_error == "[1, 2] ERROR"


def test_an_error_after_which_certificates_were_decided_is_over(cloud: Cloud) -> None:
    facts = function(cloud)
    _log(cloud, (1, "[ERROR] first"))
    _decisions(cloud, 2)

    assert facts.last_error is None


def test_a_log_that_is_not_there_holds_no_error(cloud: Cloud) -> None:
    facts = function(cloud)
    for _ in range(3):
        cloud.refuses("logs", "filter_log_events", "ResourceNotFoundException")

    assert facts.last_error is None


def test_the_figures_of_the_last_quarter_of_an_hour_are_read(cloud: Cloud) -> None:
    facts = function(cloud)
    results = [("errors", [1.0, 2.0]), ("throttles", []), ("oldest_message_seconds", [90.0, 30.0])]
    cloud.answers(
        "cloudwatch",
        "get_metric_data",
        {"MetricDataResults": [{"Id": name, "Values": values} for name, values in results]},
        {"MetricDataQueries": ANY, "StartTime": NOW - timedelta(minutes=15), "EndTime": NOW},
    )

    assert facts.recent == {"errors": 3.0, "oldest_message_seconds": 90.0}


# decision


def test_the_ledgers_row_is_read(cloud: Cloud) -> None:
    item = {"certificateId": {"S": ID}, "state": {"S": "refused"}, "reason": {"S": "expired"}}
    facts = DecisionFacts(cloud, ID, pipeline(cloud))  # type: ignore[arg-type]
    cloud.answers("dynamodb", "get_item", {"Item": item})

    assert facts.row is not None
    assert facts.row.reason is Reason.EXPIRED


def _letter(message_id: str, certificate_id: str, reason: str = "foreign_ca") -> dict[str, Any]:
    attribute = {"DataType": "String", "StringValue": reason}
    return {
        "MessageId": message_id,
        "Body": json.dumps({"certificateId": certificate_id}),
        "MessageAttributes": {"reason": attribute},
    }


def _peek(cloud: Cloud, *messages: dict[str, Any]) -> None:
    expected = {
        "QueueUrl": dc.DEAD_LETTER_URL,
        "MaxNumberOfMessages": 10,
        "VisibilityTimeout": 0,
        "MessageAttributeNames": ["All"],
    }
    cloud.answers("sqs", "receive_message", {"Messages": [*messages]}, expected)


def test_dead_letters_are_looked_through_until_nothing_new_comes(cloud: Cloud) -> None:
    facts = DecisionFacts(cloud, ID, pipeline(cloud))  # type: ignore[arg-type]
    _peek(cloud, _letter("1", "other"), _letter("2", ID))
    _peek(cloud, _letter("1", "other"), _letter("3", "another"))
    _peek(cloud, _letter("2", ID))

    assert facts.dead_letter is not None
    assert facts.dead_letter.reason == "foreign_ca"


def test_a_letter_of_nobody_we_look_for_is_none(cloud: Cloud) -> None:
    facts = DecisionFacts(cloud, ID, pipeline(cloud))  # type: ignore[arg-type]
    _peek(cloud)

    assert facts.dead_letter is None


def test_never_more_than_two_hundred_dead_letters_are_looked_at(cloud: Cloud) -> None:
    facts = DecisionFacts(cloud, ID, pipeline(cloud))  # type: ignore[arg-type]
    for number in range(20):
        _peek(cloud, _letter(str(number), "other"))

    assert facts.dead_letter is None


def test_the_report_of_a_rule_that_could_not_deliver_is_understood() -> None:
    payload = base64.b64encode(json.dumps({"certificateId": ID}).encode()).decode()
    body = {
        "ruleName": "r",
        "base64OriginalPayload": payload,
        "failures": [{"errorMessage": "AccessDenied"}],
    }

    letter = dead_letter_about(ID, {"Body": json.dumps(body)})

    assert letter is not None
    assert (letter.reason, letter.detail) == ("not_delivered", "rule r: AccessDenied")


@pytest.mark.parametrize(
    "body", ["", "[]", "no json", '{"base64OriginalPayload": "%"}', '{"base64OriginalPayload": "a"}']
)
def test_a_letter_that_makes_no_sense_is_about_nobody(body: str) -> None:
    assert dead_letter_about(ID, {"Body": body}) is None


# present


def present(cloud: Cloud, pipe: PipelineFacts, variables: dict[str, str] | None = None) -> PresentFacts:
    pem = dc.device().certificate.pem
    cloud.answers("iot", "describe_certificate", description(pem, caCertificateId=dc.CA_ID))
    cloud.answers("iot", "describe_ca_certificate", ca_description())
    if variables is not None:
        cloud.answers("lambda", "get_function_configuration", configuration(**variables))
    device = device_facts(cloud)
    ca = CaFacts(cloud, "stack", device)  # type: ignore[arg-type]
    return PresentFacts(cloud, device, ca, pipe, FunctionFacts(cloud, pipe, NOW))  # type: ignore[arg-type]


def test_a_ca_without_a_crl_has_no_verdict(cloud: Cloud) -> None:
    assert present(cloud, pipeline(cloud), {"JITR_CAS": "{}"}).revocation is None


def test_an_index_that_is_missing_is_the_verdict_of_the_pipelines_own_code(cloud: Cloud) -> None:
    variables = {
        "JITR_CAS": json.dumps({dc.CA_ID: {"revocation": "crl"}}),
        "JITR_REVOCATION_BUCKET": "indexes",
    }
    facts = present(cloud, pipeline(cloud), variables)
    cloud.refuses("s3", "get_object", "NoSuchKey", http_status_code=404)

    assert facts.revocation is not None
    assert facts.revocation.reason is Reason.CRL_MISSING


def test_without_an_allow_list_there_is_no_verdict(cloud: Cloud) -> None:
    cloud.answers("cloudformation", "describe_stacks", stack())
    facts = PipelineFacts(cloud, "stack")  # type: ignore[arg-type]
    device = device_facts(cloud)
    ca = CaFacts(cloud, "stack", device)  # type: ignore[arg-type]

    assert PresentFacts(cloud, device, ca, facts, FunctionFacts(cloud, facts, NOW)).admission is None  # type: ignore[arg-type]


@pytest.mark.parametrize(("item", "outcome"), [(None, Outcome.REFUSED), ({}, Outcome.ACTIVATED)])
def test_the_allow_list_is_asked_as_the_activator_asks_it(
    cloud: Cloud, item: dict[str, Any] | None, outcome: Outcome
) -> None:
    pipe = pipeline(cloud, AllowListTable="list", AllowListKey="common_name")
    facts = present(cloud, pipe)
    answer = {} if item is None else {"Item": {"deviceKey": {"S": "sensor-7"}, **item}}
    cloud.answers(
        "dynamodb",
        "get_item",
        answer,
        {"TableName": "list", "Key": {"deviceKey": {"S": "sensor-7"}}, "ConsistentRead": True},
    )

    assert facts.admission is not None
    assert facts.admission.outcome is outcome


def test_without_its_ca_nobody_knows_how_it_would_be_judged(cloud: Cloud) -> None:
    pipe = pipeline(cloud, AllowListTable="list", AllowListKey="common_name")
    _list_cas(cloud)
    device = device_facts(cloud, dc.device().certificate)
    ca = CaFacts(cloud, "stack", device)  # type: ignore[arg-type]
    facts = PresentFacts(cloud, device, ca, pipe, FunctionFacts(cloud, pipe, NOW))  # type: ignore[arg-type]

    with pytest.raises(CannotTellError, match="nobody knows how"):
        _ = facts.admission


# case


def test_a_case_asks_nothing_before_a_check_does(cloud: Cloud) -> None:
    case = open_case(cloud, "stack", Subject(ID))  # type: ignore[arg-type]

    assert case.subject.certificate_id == ID
    assert abs(datetime.now(UTC) - case.now) < timedelta(minutes=1)
