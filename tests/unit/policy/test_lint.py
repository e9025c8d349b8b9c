import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_policy import vocabulary
from iot_jitr_policy.document import PolicyDocument
from iot_jitr_policy.lint import PolicyRejectedError, Rule, check, lint, longest_size
from iot_jitr_runtime.policy import PolicyKind

ARN = "arn:aws:iot:eu-central-1:123456789012:"
CN = "${iot:Certificate.Subject.CommonName}"


def statement(action: str | list[str], resource: str | list[str], **more: Any) -> dict[str, Any]:
    """A statement that allows; a resource that is no ARN and not `*` is one of the account's."""
    resources = [
        each if each == "*" or ":" in each.partition("/")[0] else f"{ARN}{each}"
        for each in ([resource] if isinstance(resource, str) else resource)
    ]
    return {"Effect": "Allow", "Action": action, "Resource": resources, **more}


def document(*statements: dict[str, Any]) -> PolicyDocument:
    return PolicyDocument.parse(json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1))


def rules(*statements: dict[str, Any], kind: str = PolicyKind.SHARED) -> set[Rule]:
    return {finding.rule for finding in lint(document(*statements), kind)}


GOOD = {
    "connect as the common name": ("iot:Connect", f"client/{CN}"),
    "connect with a suffix": ("iot:Connect", f"client/{CN}:backup"),
    "connect as the thing": ("iot:Connect", "client/${iot:Connection.Thing.ThingName}"),
    "own topics": (["iot:Publish", "iot:Receive"], f"topic/devices/{CN}/*"),
    "own topics by client id": ("iot:Publish", "topic/devices/${iot:ClientId}/*"),
    "own filters": ("iot:Subscribe", f"topicfilter/devices/{CN}/#"),
    "both kinds of resource": (["iot:Publish", "iot:Subscribe"], [f"topic/{CN}/*", f"topicfilter/{CN}/*"]),
    "one broadcast topic": ("iot:Receive", "topic/broadcast/firmware"),
    "own shadow over HTTP": ("iot:GetThingShadow", f"thing/{CN}"),
    "jobs over HTTP": ("iotjobsdata:DescribeJobExecution", f"thing/{CN}"),
    "credentials provider": ("iot:AssumeRoleWithCertificate", "rolealias/uploads"),
    "an action that takes only *": ("iot:ListRetainedMessages", "*"),
    "region and account left to the deployment": (
        "iot:Connect",
        f"arn:${{AWS::Partition}}:iot:${{AWS::Region}}:${{AWS::AccountId}}:client/{CN}",
    ),
    "any region and account": ("iot:Connect", f"arn:aws:iot:*:*:client/{CN}"),
}
CONDITIONS = {
    "Bool": {"iot:Connection.Thing.IsAttached": "true"},
    "IpAddress": {"aws:SourceIp": "::/0"},
}


@pytest.mark.parametrize("name", GOOD)
def test_a_policy_for_the_device_alone_passes(name: str) -> None:
    assert rules(statement(*GOOD[name])) == set()


def test_conditions_and_denials_pass() -> None:
    assert rules(statement("iot:Connect", f"client/{CN}", Condition=CONDITIONS)) == set()
    assert rules(statement("iot:Publish", "*", Effect="Deny")) == set()


BAD = {
    "every client id": ("iot:Connect", "client/*", Rule.CLIENT_ID_WILDCARD),
    "every resource for connect": ("iot:Connect", "*", Rule.CLIENT_ID_WILDCARD),
    "client ids that begin alike": ("iot:Connect", f"client/{CN}*", Rule.CLIENT_ID_WILDCARD),
    "client ids of one shape": ("iot:Connect", f"client/{CN}-?", Rule.CLIENT_ID_WILDCARD),
    "the client id that a device chooses": ("iot:Connect", "client/${iot:ClientId}", Rule.CLIENT_ID_NOT_OWN),
    "one client id for all": ("iot:Connect", "client/sensor", Rule.CLIENT_ID_NOT_OWN),
    "the issuer is not an identity": (
        "iot:Connect",
        "client/${iot:Certificate.Issuer.CommonName}",
        Rule.CLIENT_ID_NOT_OWN,
    ),
    "all actions": ("iot:*", f"topic/{CN}", Rule.ACTION_WILDCARD),
    "some actions": ("iot:Pub*", f"topic/{CN}", Rule.ACTION_WILDCARD),
    "another service": ("s3:GetObject", f"topic/{CN}", Rule.UNKNOWN_ACTION),
    "a control plane action": ("iot:UpdateCertificate", f"topic/{CN}", Rule.UNKNOWN_ACTION),
    "subscribe on a topic": ("iot:Subscribe", f"topic/{CN}/*", Rule.WRONG_RESOURCE_TYPE),
    "publish on a filter": ("iot:Publish", f"topicfilter/{CN}/*", Rule.WRONG_RESOURCE_TYPE),
    "connect on a topic": ("iot:Connect", f"topic/{CN}", Rule.WRONG_RESOURCE_TYPE),
    "a resource of no action": ("iot:Publish", [f"topic/{CN}/*", f"client/{CN}"], Rule.WRONG_RESOURCE_TYPE),
    "list with a name": ("iot:ListRetainedMessages", "topic/x", Rule.WRONG_RESOURCE_TYPE),
    "every topic": ("iot:Publish", "*", Rule.RESOURCE_WILDCARD),
    "all topics": ("iot:Publish", "topic/*", Rule.REACHES_NEIGHBOURS),
    "all devices' topics": ("iot:Receive", "topic/devices/*", Rule.REACHES_NEIGHBOURS),
    "wildcard before the identity": ("iot:Receive", f"topic/*/{CN}/x", Rule.REACHES_NEIGHBOURS),
    "topics that begin alike": ("iot:Publish", f"topic/{CN}*", Rule.REACHES_NEIGHBOURS),
    "a filter over all devices": ("iot:Subscribe", "topicfilter/devices/+/state", Rule.REACHES_NEIGHBOURS),
    "a filter over everything": ("iot:Subscribe", "topicfilter/#", Rule.REACHES_NEIGHBOURS),
    "all shadows": ("iot:GetThingShadow", "thing/*", Rule.REACHES_NEIGHBOURS),
    "hash taken for a wildcard": ("iot:Publish", f"topic/{CN}/#", Rule.MQTT_WILDCARD),
    "a misspelt variable": (
        "iot:Publish",
        "topic/${iot:Certificate.Subject.Commonname}/x",
        Rule.UNKNOWN_VARIABLE,
    ),
    "a variable of IAM": ("iot:Publish", "topic/${aws:username}/x", Rule.UNKNOWN_VARIABLE),
    "not an ARN": ("iot:Publish", f"topic:{CN}", Rule.NOT_AN_ARN),
    "an ARN of another service": ("iot:Publish", "arn:aws:sqs:x:1:topic/x", Rule.NOT_AN_ARN),
    "an unknown type": ("iot:Publish", "queue/x", Rule.NOT_AN_ARN),
    "a placeholder": ("iot:Connect", "client/{{common_name}}", Rule.UNKNOWN_PLACEHOLDER),
    "more than AWS takes": ("iot:Publish", f"topic/{CN}/" + "x" * 2048, Rule.TOO_LARGE),
}


@pytest.mark.parametrize("name", BAD)
def test_a_policy_for_other_devices_or_for_nothing_is_found(name: str) -> None:
    action, resource, rule = BAD[name]

    assert rule in rules(statement(action, resource))


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"Condition": {"Bool": {"iot:Thing.IsAttached": "true"}}}, Rule.UNKNOWN_VARIABLE),
        ({"Condition": {"StringEquals": {"iot:ClientId": "${x}"}}}, Rule.UNKNOWN_VARIABLE),
        ({"acknowledge": "just in case"}, Rule.NEEDLESS_ACKNOWLEDGEMENT),
    ],
    ids=["a condition key", "a variable in a condition", "an acknowledgement of nothing"],
)
def test_an_unknown_condition_and_a_needless_acknowledgement_are_found(
    more: dict[str, Any], rule: Rule
) -> None:
    assert rules(statement("iot:Connect", f"client/{CN}", **more)) == {rule}


def test_each_finding_names_its_line_and_a_fix() -> None:
    text = """{
      "Version": "2012-10-17",
      "Statement": [{
        "Effect": "Allow",
        "Action": [
          "iot:Subscribe",
          "iot:Publsh"
        ],
        "Resource": "arn:aws:iot:*:*:topic/devices/${iot:ClientID}/*"
      }]
    }"""

    findings = lint(PolicyDocument.parse(text), PolicyKind.SHARED)

    assert [(finding.line, finding.rule) for finding in findings] == [
        (6, Rule.WRONG_RESOURCE_TYPE),
        (7, Rule.UNKNOWN_ACTION),
        (9, Rule.REACHES_NEIGHBOURS),
        (9, Rule.UNKNOWN_VARIABLE),
    ]
    assert "takes resources of type 'topicfilter/'" in str(findings[0])
    assert "did you mean 'iot:Publish'?" in str(findings[1])
    assert "did you mean 'iot:ClientId'?" in str(findings[3])
    assert str(findings[3]).startswith("line 9: ")


def test_an_acknowledged_exception_passes_and_is_still_reported_with_its_reason() -> None:
    gateway = statement("iot:Connect", "client/*", acknowledge="gateways connect for their sensors")

    [finding] = check("gateway.json", document(gateway), PolicyKind.SHARED)

    assert finding.rule is Rule.CLIENT_ID_WILDCARD
    assert finding.acknowledged == "gateways connect for their sensors"


def test_an_acknowledgement_applies_to_its_own_statement_only() -> None:
    excused = statement("iot:Connect", "client/*", acknowledge="gateways")
    other = statement("iot:Publish", "topic/*")

    with pytest.raises(PolicyRejectedError) as rejected:
        check("gateway.json", document(excused, other), PolicyKind.SHARED)

    assert [finding.rule for finding in rejected.value.findings] == [Rule.REACHES_NEIGHBOURS]
    assert str(rejected.value).startswith("device policy gateway.json: line ")


@pytest.mark.parametrize(
    "rejected_anyway",
    [
        statement("iot:Publish", f"topic/{CN}/" + "x" * 2048, acknowledge="we need it"),
        statement("iot:Connect", "client/{{name}}", acknowledge="we need it"),
    ],
)
def test_what_aws_or_the_renderer_would_refuse_cannot_be_acknowledged(
    rejected_anyway: dict[str, Any],
) -> None:
    with pytest.raises(PolicyRejectedError):
        check("big.json", document(rejected_anyway), PolicyKind.PER_DEVICE)


def test_a_per_device_template_may_use_the_three_placeholders_and_no_other() -> None:
    for name in ("common_name", "serial_number", "thing_name"):
        template = statement("iot:Connect", f"client/{{{{{name}}}}}")
        assert rules(template, kind=PolicyKind.PER_DEVICE) == set()

    unknown = statement("iot:Publish", "topic/{{subject}}/x")
    assert rules(unknown, kind=PolicyKind.PER_DEVICE) == {Rule.UNKNOWN_PLACEHOLDER}


def test_a_placeholder_before_a_wildcard_identifies_the_device() -> None:
    template = statement("iot:Publish", "topic/devices/{{serial_number}}/*")

    assert rules(template, kind=PolicyKind.PER_DEVICE) == set()


def test_the_size_counts_the_longest_values_and_no_white_space() -> None:
    small = document(statement("iot:Publish", "topic/{{thing_name}}/x y"))

    assert longest_size(small) == len("".join(small.text().split()).replace("{{thing_name}}", "t" * 128))


def test_2048_characters_pass_and_2049_do_not() -> None:
    room = vocabulary.SIZE_LIMIT - longest_size(document(statement("iot:Publish", "topic/")))

    assert rules(statement("iot:Publish", "topic/" + "x" * room)) == set()
    assert rules(statement("iot:Publish", "topic/" + "x" * (room + 1))) == {Rule.TOO_LARGE}


@given(st.text(min_size=1, max_size=60))
def test_no_client_id_without_a_device_identity_passes(name: str) -> None:
    found = rules(statement("iot:Connect", f"client/{name}"))

    assert found & {
        Rule.CLIENT_ID_WILDCARD,
        Rule.CLIENT_ID_NOT_OWN,
        Rule.NOT_AN_ARN,
    }
