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
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def document(*statements: dict[str, Any]) -> PolicyDocument:
    return PolicyDocument.parse(json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1))


def rules(*statements: dict[str, Any], kind: str = PolicyKind.SHARED) -> set[Rule]:
    return {finding.rule for finding in lint(document(*statements), kind)}


GOOD = {
    "connect as the common name": statement("iot:Connect", f"{ARN}client/{CN}"),
    "connect with a suffix": statement("iot:Connect", f"{ARN}client/{CN}:backup"),
    "connect as the thing": statement("iot:Connect", f"{ARN}client/${{iot:Connection.Thing.ThingName}}"),
    "own topics": statement(["iot:Publish", "iot:Receive"], f"{ARN}topic/devices/{CN}/*"),
    "own topics by client id": statement("iot:Publish", f"{ARN}topic/devices/${{iot:ClientId}}/*"),
    "own filters": statement("iot:Subscribe", f"{ARN}topicfilter/devices/{CN}/#"),
    "both kinds of resource": statement(
        ["iot:Publish", "iot:Subscribe"], [f"{ARN}topic/{CN}/*", f"{ARN}topicfilter/{CN}/*"]
    ),
    "one broadcast topic": statement("iot:Receive", f"{ARN}topic/broadcast/firmware"),
    "own shadow over HTTP": statement("iot:GetThingShadow", f"{ARN}thing/{CN}"),
    "jobs over HTTP": statement("iotjobsdata:DescribeJobExecution", f"{ARN}thing/{CN}"),
    "credentials provider": statement("iot:AssumeRoleWithCertificate", f"{ARN}rolealias/uploads"),
    "an action that takes only *": statement("iot:ListRetainedMessages", "*"),
    "a denial of everything": statement("iot:Publish", "*") | {"Effect": "Deny"},
    "a condition": statement(
        "iot:Connect",
        f"{ARN}client/{CN}",
        Condition={
            "Bool": {"iot:Connection.Thing.IsAttached": "true"},
            "IpAddress": {"aws:SourceIp": "::/0"},
        },
    ),
    "region and account left to the deployment": statement(
        "iot:Connect", f"arn:${{AWS::Partition}}:iot:${{AWS::Region}}:${{AWS::AccountId}}:client/{CN}"
    ),
    "any region and account": statement("iot:Connect", f"arn:aws:iot:*:*:client/{CN}"),
}


@pytest.mark.parametrize("good", GOOD.values(), ids=GOOD.keys())
def test_what_stays_with_the_device_passes(good: dict[str, Any]) -> None:
    assert lint(document(good), PolicyKind.SHARED) == []


BAD = {
    "every client id": (statement("iot:Connect", f"{ARN}client/*"), Rule.CLIENT_ID_WILDCARD),
    "every resource for connect": (statement("iot:Connect", "*"), Rule.CLIENT_ID_WILDCARD),
    "client ids that begin alike": (statement("iot:Connect", f"{ARN}client/{CN}*"), Rule.CLIENT_ID_WILDCARD),
    "client ids that look alike": (statement("iot:Connect", f"{ARN}client/{CN}-?"), Rule.CLIENT_ID_WILDCARD),
    "the client id a device likes": (
        statement("iot:Connect", f"{ARN}client/${{iot:ClientId}}"),
        Rule.CLIENT_ID_NOT_OWN,
    ),
    "one client id for all": (statement("iot:Connect", f"{ARN}client/sensor"), Rule.CLIENT_ID_NOT_OWN),
    "the issuer is not an identity": (
        statement("iot:Connect", f"{ARN}client/${{iot:Certificate.Issuer.CommonName}}"),
        Rule.CLIENT_ID_NOT_OWN,
    ),
    "all actions": (statement("iot:*", f"{ARN}topic/{CN}"), Rule.ACTION_WILDCARD),
    "some actions": (statement("iot:Pub*", f"{ARN}topic/{CN}"), Rule.ACTION_WILDCARD),
    "another service": (statement("s3:GetObject", f"{ARN}topic/{CN}"), Rule.UNKNOWN_ACTION),
    "a control plane action": (statement("iot:UpdateCertificate", f"{ARN}topic/{CN}"), Rule.UNKNOWN_ACTION),
    "subscribe on a topic": (statement("iot:Subscribe", f"{ARN}topic/{CN}/*"), Rule.WRONG_RESOURCE_TYPE),
    "publish on a filter": (statement("iot:Publish", f"{ARN}topicfilter/{CN}/*"), Rule.WRONG_RESOURCE_TYPE),
    "connect on a topic": (statement("iot:Connect", f"{ARN}topic/{CN}"), Rule.WRONG_RESOURCE_TYPE),
    "a resource nobody takes": (
        statement("iot:Publish", [f"{ARN}topic/{CN}/*", f"{ARN}client/{CN}"]),
        Rule.WRONG_RESOURCE_TYPE,
    ),
    "list with a name": (statement("iot:ListRetainedMessages", f"{ARN}topic/x"), Rule.WRONG_RESOURCE_TYPE),
    "every topic": (statement("iot:Publish", "*"), Rule.RESOURCE_WILDCARD),
    "all topics": (statement("iot:Publish", f"{ARN}topic/*"), Rule.REACHES_NEIGHBOURS),
    "all devices' topics": (statement("iot:Receive", f"{ARN}topic/devices/*"), Rule.REACHES_NEIGHBOURS),
    "wildcard before the identity": (
        statement("iot:Receive", f"{ARN}topic/*/{CN}/x"),
        Rule.REACHES_NEIGHBOURS,
    ),
    "topics that begin alike": (statement("iot:Publish", f"{ARN}topic/{CN}*"), Rule.REACHES_NEIGHBOURS),
    "a filter over all devices": (
        statement("iot:Subscribe", f"{ARN}topicfilter/devices/+/state"),
        Rule.REACHES_NEIGHBOURS,
    ),
    "a filter over everything": (statement("iot:Subscribe", f"{ARN}topicfilter/#"), Rule.REACHES_NEIGHBOURS),
    "all shadows": (statement("iot:GetThingShadow", f"{ARN}thing/*"), Rule.REACHES_NEIGHBOURS),
    "hash taken for a wildcard": (statement("iot:Publish", f"{ARN}topic/{CN}/#"), Rule.MQTT_WILDCARD),
    "a misspelt variable": (
        statement("iot:Publish", f"{ARN}topic/${{iot:Certificate.Subject.Commonname}}/x"),
        Rule.UNKNOWN_VARIABLE,
    ),
    "a variable of IAM": (
        statement("iot:Publish", f"{ARN}topic/${{aws:username}}/x"),
        Rule.UNKNOWN_VARIABLE,
    ),
    "an unknown condition key": (
        statement("iot:Connect", f"{ARN}client/{CN}", Condition={"Bool": {"iot:Thing.IsAttached": "true"}}),
        Rule.UNKNOWN_VARIABLE,
    ),
    "an unknown variable in a condition": (
        statement("iot:Connect", f"{ARN}client/{CN}", Condition={"StringEquals": {"iot:ClientId": "${x}"}}),
        Rule.UNKNOWN_VARIABLE,
    ),
    "not an ARN": (statement("iot:Publish", f"topic/{CN}"), Rule.NOT_AN_ARN),
    "an ARN of another service": (statement("iot:Publish", "arn:aws:sqs:x:1:topic/x"), Rule.NOT_AN_ARN),
    "an unknown type": (statement("iot:Publish", f"{ARN}queue/x"), Rule.NOT_AN_ARN),
    "a placeholder": (statement("iot:Connect", f"{ARN}client/{{{{common_name}}}}"), Rule.UNKNOWN_PLACEHOLDER),
    "an acknowledgement of nothing": (
        statement("iot:Connect", f"{ARN}client/{CN}", acknowledge="just in case"),
        Rule.NEEDLESS_ACKNOWLEDGEMENT,
    ),
    "more than AWS takes": (statement("iot:Publish", f"{ARN}topic/{CN}/" + "x" * 2048), Rule.TOO_LARGE),
}


@pytest.mark.parametrize(("bad", "rule"), BAD.values(), ids=BAD.keys())
def test_what_opens_the_fleet_or_matches_nothing_is_found(bad: dict[str, Any], rule: Rule) -> None:
    assert rule in rules(bad)


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
    gateway = statement("iot:Connect", f"{ARN}client/*", acknowledge="gateways connect for their sensors")

    [finding] = check("gateway.json", document(gateway), PolicyKind.SHARED)

    assert finding.rule is Rule.CLIENT_ID_WILDCARD
    assert finding.acknowledged == "gateways connect for their sensors"


def test_an_acknowledgement_applies_to_its_own_statement_only() -> None:
    excused = statement("iot:Connect", f"{ARN}client/*", acknowledge="gateways")
    other = statement("iot:Publish", f"{ARN}topic/*")

    with pytest.raises(PolicyRejectedError) as rejected:
        check("gateway.json", document(excused, other), PolicyKind.SHARED)

    assert [finding.rule for finding in rejected.value.findings] == [Rule.REACHES_NEIGHBOURS]
    assert str(rejected.value).startswith("device policy gateway.json: line ")


@pytest.mark.parametrize(
    "unforgivable",
    [
        statement("iot:Publish", f"{ARN}topic/{CN}/" + "x" * 2048, acknowledge="we need it"),
        statement("iot:Connect", f"{ARN}client/{{{{name}}}}", acknowledge="we need it"),
    ],
)
def test_what_aws_or_the_renderer_would_refuse_cannot_be_acknowledged(unforgivable: dict[str, Any]) -> None:
    with pytest.raises(PolicyRejectedError):
        check("big.json", document(unforgivable), PolicyKind.PER_DEVICE)


def test_a_per_device_template_may_use_the_three_placeholders_and_no_other() -> None:
    for name in ("common_name", "serial_number", "thing_name"):
        template = statement("iot:Connect", f"{ARN}client/{{{{{name}}}}}")
        assert rules(template, kind=PolicyKind.PER_DEVICE) == set()

    unknown = statement("iot:Publish", f"{ARN}topic/{{{{subject}}}}/x")
    assert rules(unknown, kind=PolicyKind.PER_DEVICE) == {Rule.UNKNOWN_PLACEHOLDER}


def test_a_placeholder_stands_for_the_device_before_a_wildcard() -> None:
    template = statement("iot:Publish", f"{ARN}topic/devices/{{{{serial_number}}}}/*")

    assert rules(template, kind=PolicyKind.PER_DEVICE) == set()


def test_the_size_counts_the_longest_values_and_no_white_space() -> None:
    small = document(statement("iot:Publish", f"{ARN}topic/{{{{thing_name}}}}/x y"))

    assert longest_size(small) == len("".join(small.text().split()).replace("{{thing_name}}", "t" * 128))


def test_2048_characters_pass_and_2049_do_not() -> None:
    room = vocabulary.SIZE_LIMIT - longest_size(document(statement("iot:Publish", f"{ARN}topic/")))

    assert rules(statement("iot:Publish", f"{ARN}topic/" + "x" * room)) == set()
    assert rules(statement("iot:Publish", f"{ARN}topic/" + "x" * (room + 1))) == {Rule.TOO_LARGE}


@given(st.text(min_size=1, max_size=60))
def test_no_spelling_of_a_client_id_without_identity_passes(name: str) -> None:
    found = rules(statement("iot:Connect", f"{ARN}client/{name}"))

    assert found & {
        Rule.CLIENT_ID_WILDCARD,
        Rule.CLIENT_ID_NOT_OWN,
        Rule.NOT_AN_ARN,
    }
