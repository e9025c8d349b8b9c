"""Evaluation of policies, compared with the independent evaluator of the local cloud."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.policy.evaluation import Access, Session, decide
from iot_jitr_policy.document import PolicyDocument
from iot_jitr_policy.resources import Resource
from tests.support.device_certificates import device_certificate

ARN = "arn:aws:iot:eu-central-1:123456789012:"
SEVEN = Session("sensor-7", "sensor-7", None, "a1b")


def document(*statements: dict[str, Any]) -> PolicyDocument:
    return PolicyDocument.parse(
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"} | each
                    for each in statements
                ],
            }
        )
    )


OWN_TOPIC = Resource("topic", "devices/sensor-7/x")


def access(
    *statements: dict[str, Any],
    session: Session = SEVEN,
    action: str = "iot:Publish",
    resource: Resource = OWN_TOPIC,
) -> Access:
    return decide([document(*statements)], session, action, resource).access


def topic(name: str) -> dict[str, str]:
    return {"Resource": f"{ARN}topic/{name}"}


def test_access_without_an_allowing_statement_is_not_allowed() -> None:
    assert decide([], SEVEN, "iot:Publish", Resource("topic", "x")).access is Access.NOT_ALLOWED


def test_a_deny_overrides_an_allow_in_any_order_and_across_policies() -> None:
    allow, deny = {"Sid": "Yes"}, {"Sid": "No", "Effect": "Deny"}

    for policies in ([document(allow, deny)], [document(deny, allow)], [document(deny), document(allow)]):
        decision = decide(policies, SEVEN, "iot:Publish", Resource("topic", "x"))
        assert decision.access is Access.DENIED
        assert decision.statement.name == "No"


def test_the_first_statement_that_allows_is_named() -> None:
    decision = decide([document({"Sid": "A"}, {"Sid": "B"})], SEVEN, "iot:Publish", Resource("topic", "x"))

    assert decision.statement.name == "A"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("devices/sensor-7/x", Access.ALLOWED),
        ("devices/${iot:Certificate.Subject.CommonName}/*", Access.ALLOWED),
        ("devices/${iot:ClientId}/?", Access.ALLOWED),
        ("devices/sensor-?/*", Access.ALLOWED),
        ("devices/${iot:Certificate.SerialNumber}/*", Access.NOT_ALLOWED),
        ("devices/sensor-7", Access.NOT_ALLOWED),
        ("devices/sensor-7/x/y", Access.NOT_ALLOWED),
        ("devices/+/x", Access.NOT_ALLOWED),
        ("devices/#", Access.NOT_ALLOWED),
        ("DEVICES/sensor-7/x", Access.NOT_ALLOWED),
        ("devices/${iot:Unknown}/x", Access.NOT_ALLOWED),
    ],
)
def test_names_match_with_variables_replaced_and_policy_wildcards_only(name: str, expected: Access) -> None:
    assert access(topic(name)) is expected


@pytest.mark.parametrize("character", "*$+?#")
def test_a_variable_with_an_unsupported_character_is_not_replaced(character: str) -> None:
    name = f"a{character}"
    session = Session("a", name, None)

    decision = access(
        topic("${iot:Certificate.Subject.CommonName}"), session=session, resource=Resource("topic", name)
    )

    assert decision is Access.NOT_ALLOWED


def test_a_client_id_that_is_an_mqtt_wildcard_allows_a_filter_over_all_devices() -> None:
    session = Session("+", "sensor-7", None)

    decision = access(
        {"Action": "iot:Subscribe", "Resource": f"{ARN}topicfilter/devices/${{iot:ClientId}}/x"},
        session=session,
        action="iot:Subscribe",
        resource=Resource("topicfilter", "devices/+/x"),
    )

    assert decision is Access.ALLOWED


def test_escaped_wildcards_are_ordinary_characters() -> None:
    assert access(topic("a/${*}"), resource=Resource("topic", "a/*")) is Access.ALLOWED
    assert access(topic("a/${*}"), resource=Resource("topic", "a/b")) is Access.NOT_ALLOWED


def test_a_resource_of_another_type_or_no_arn_at_all_grants_nothing() -> None:
    assert access({"Resource": f"{ARN}topicfilter/*"}) is Access.NOT_ALLOWED
    assert access({"Resource": "devices/sensor-7/x"}) is Access.NOT_ALLOWED


def test_wildcards_in_actions_match() -> None:
    assert access({"Action": "iot:*"}) is Access.ALLOWED
    assert access({"Action": "IOT:publish"}) is Access.ALLOWED
    assert access({"Action": "iot:Sub*"}) is Access.NOT_ALLOWED


CLIENT, THING = "iot:ClientId", "iot:Connection.Thing.ThingName"
ATTACHED, SITE = "iot:Connection.Thing.IsAttached", "iot:Connection.Thing.Attributes[site]"
CN = "${iot:Certificate.Subject.CommonName}"
CONDITIONS: dict[str, tuple[str, str, str | list[str], str | None, Access]] = {
    "attached, and it is": ("Bool", ATTACHED, "true", "thing", Access.ALLOWED),
    "attached, and it is not": ("Bool", ATTACHED, "true", None, Access.NOT_ALLOWED),
    "equal": ("StringEquals", CLIENT, ["x", "sensor-7"], None, Access.ALLOWED),
    "equal with a variable": ("StringEquals", CLIENT, CN, None, Access.ALLOWED),
    "not equal": ("StringNotEquals", CLIENT, "sensor-7", None, Access.NOT_ALLOWED),
    "like": ("StringLike", CLIENT, "sensor-*", None, Access.ALLOWED),
    "not like": ("StringNotLike", CLIENT, "pump-*", None, Access.ALLOWED),
    "a value it has not": ("StringEquals", THING, "x", None, Access.NOT_ALLOWED),
    "not equal to a value it has not": ("StringNotEquals", THING, "x", None, Access.ALLOWED),
    "if exists, and it does not": ("StringEqualsIfExists", THING, "x", None, Access.ALLOWED),
    "the source address": ("IpAddress", "aws:SourceIp", "10.0.0.0/8", None, Access.DEPENDS),
    "an attribute of the thing": ("StringEquals", SITE, "lab", "thing", Access.DEPENDS),
}


@pytest.mark.parametrize(
    ("operator", "key", "values", "thing", "expected"), CONDITIONS.values(), ids=CONDITIONS.keys()
)
def test_conditions_are_evaluated_if_their_value_is_known(
    operator: str, key: str, values: str | list[str], thing: str | None, expected: Access
) -> None:
    session = Session("sensor-7", "sensor-7", thing)

    assert access({"Condition": {operator: {key: values}}}, session=session) is expected


def test_all_conditions_must_hold() -> None:
    unknown, failing = {"aws:SourceIp": "10.0.0.0/8"}, {"iot:ClientId": "x"}

    assert access({"Condition": {"IpAddress": unknown, "StringEquals": failing}}) is Access.NOT_ALLOWED


def test_access_depends_if_a_conditional_deny_may_apply() -> None:
    maybe = {"Effect": "Deny", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}

    assert access({}, maybe) is Access.DEPENDS
    assert access(maybe) is Access.NOT_ALLOWED


def test_a_session_has_the_values_of_the_certificate() -> None:
    session = Session.of(device_certificate("sensor-7", serial_number=0xA1B), "sensor-7")

    assert session == SEVEN
    assert (
        Session.of(device_certificate(organization="Acme"), "x").replaced(
            "iot:Certificate.Subject.CommonName"
        )
        is None
    )


_LEVELS = st.sampled_from(
    ["devices", "sensor-7", "sensor-72", "*", "?", "x", "a*", "${iot:ClientId}", CN, f"${{{THING}}}"]
)
_NAMES = st.lists(_LEVELS, min_size=1, max_size=4).map("/".join)
_ACTIONS = st.sampled_from(["iot:Publish", "iot:Subscribe", "iot:*", "iot:Pub*"])
_STATEMENTS = st.lists(
    st.fixed_dictionaries(
        {
            "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
            "Action": _ACTIONS | st.lists(_ACTIONS, min_size=1, max_size=2),
            "Resource": st.lists(
                st.builds(
                    lambda kind, name: f"{ARN}{kind}/{name}",
                    st.sampled_from(["topic", "topicfilter"]),
                    _NAMES,
                )
                | st.just("*"),
                min_size=1,
                max_size=3,
            ),
        },
        optional={
            "Condition": st.sampled_from(
                [
                    {"Bool": {"iot:Connection.Thing.IsAttached": "true"}},
                    {"StringLike": {"iot:ClientId": "sensor-*"}},
                    {"StringNotEquals": {"iot:ClientId": ["sensor-7", "x"]}},
                ]
            )
        },
    ),
    min_size=1,
    max_size=4,
)
_CONCRETE = st.lists(st.sampled_from(["devices", "sensor-7", "sensor-72", "x", "ab"]), min_size=1, max_size=4)


@given(
    statements=_STATEMENTS,
    name=_CONCRETE.map("/".join),
    kind=st.sampled_from(["topic", "topicfilter"]),
    action=st.sampled_from(["iot:Publish", "iot:Subscribe"]),
    thing=st.sampled_from([None, "sensor-7"]),
)
def test_the_local_clouds_evaluator_has_the_same_result(
    statements: list[dict[str, Any]], name: str, kind: str, action: str, thing: str | None
) -> None:
    from ministack.core.iam_evaluator import EvalContext, evaluate
    from ministack.services.iot import _parsed_iot_policy

    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    session = Session("sensor-7", "sensor-7", thing)
    context = {key.lower(): value for key, value in session.values.items() if value is not None}

    theirs = evaluate(
        EvalContext(
            principal_arn=f"{ARN}cert/x",
            principal_type="Certificate",
            principal_account="123456789012",
            action=action,
            resource_arn=f"{ARN}{kind}/{name}",
            region="eu-central-1",
            service_context=context,
        ),
        [_parsed_iot_policy(text, tuple(sorted(context.items())))],
    ).decision
    ours = decide([PolicyDocument.parse(text)], session, action, Resource(kind, name)).access

    assert {"Allow": Access.ALLOWED, "Deny": Access.DENIED, "ImplicitDeny": Access.NOT_ALLOWED}[
        theirs
    ] is ours
