"""Facts about the deployed stack: queues, rules, roles; what is missing is an answer too."""

import json
from typing import Any

import pytest

from iot_jitr_cli.doctor.facts.fact import CannotTellError, MissingPermissionError
from iot_jitr_cli.doctor.facts.pipeline import NotDeployedError, PipelineFacts
from iot_jitr_runtime.stack_outputs import Output
from tests.support import doctor_case as dc
from tests.support.doctor_cloud import NOW, Cloud
from tests.support.doctor_facts import pipeline


def test_a_stack_that_is_not_there_is_not_deployed(cloud: Cloud) -> None:
    cloud.refuses("cloudformation", "describe_stacks", "ValidationError", "Stack stack does not exist")

    with pytest.raises(NotDeployedError, match="no stack 'stack'"):
        _ = PipelineFacts(cloud, "stack").deployment  # type: ignore[arg-type]


def test_a_resource_that_is_not_deployed_cannot_be_read(cloud: Cloud) -> None:
    with pytest.raises(CannotTellError, match="no output 'AllowListTable'"):
        pipeline(cloud).output(Output.ALLOW_LIST_TABLE)


def test_a_queue_counts_visible_in_flight_and_delayed_messages(cloud: Cloud) -> None:
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


def test_a_queue_that_may_not_be_read_names_the_permission(cloud: Cloud) -> None:
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


def test_denied_actions_come_from_the_iam_simulation(cloud: Cloud) -> None:
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
def test_the_services_that_a_role_trusts_are_read(cloud: Cloud, statement: Any, expected: set[str]) -> None:
    facts = PipelineFacts(cloud, "stack")  # type: ignore[arg-type]
    cloud.answers("iam", "get_role", _role({"Statement": statement}), {"RoleName": "stack-rules"})

    assert facts.trusted_services(dc.ROLE) == expected


def test_a_role_that_is_gone_is_none(cloud: Cloud) -> None:
    cloud.refuses("iam", "get_role", "NoSuchEntity")

    assert PipelineFacts(cloud, "stack").trusted_services(dc.ROLE) is None  # type: ignore[arg-type]
