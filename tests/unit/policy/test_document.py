import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_policy.document import Effect, PolicyDocument, PolicySyntaxError

STATEMENT = {"Effect": "Allow", "Action": "iot:Connect", "Resource": "*"}


def policy(*statements: dict[str, Any], version: str = "2012-10-17") -> str:
    return json.dumps({"Version": version, "Statement": list(statements)}, indent=1)


def test_a_policy_is_read_with_the_lines_of_its_terms() -> None:
    text = policy({"Effect": "Deny", "Action": ["iot:Publish", "iot:Receive"], "Resource": "*"})

    [statement] = PolicyDocument.parse(text).statements

    assert statement.effect is Effect.DENY
    assert [(term.text, text.splitlines()[term.line - 1].strip(' ",')) for term in statement.actions] == [
        ("iot:Publish", "iot:Publish"),
        ("iot:Receive", "iot:Receive"),
    ]


def test_a_single_statement_needs_no_list() -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": STATEMENT})

    assert len(PolicyDocument.parse(text).statements) == 1


def test_an_acknowledgement_is_read_and_not_deployed() -> None:
    document = PolicyDocument.parse(policy(STATEMENT | {"acknowledge": " the gateway "}))

    assert document.statements[0].acknowledge == "the gateway"
    assert json.loads(document.text()) == {"Version": "2012-10-17", "Statement": [STATEMENT]}


def test_statements_are_joined_in_order() -> None:
    one = PolicyDocument.parse(policy(STATEMENT | {"Sid": "One"}))
    two = PolicyDocument.parse(policy(STATEMENT | {"Sid": "Two"}))

    assert [each.name for each in one.with_statements_of(two).statements] == ["One", "Two"]


def test_a_statement_without_sid_is_named_by_its_line() -> None:
    assert PolicyDocument.parse(policy(STATEMENT)).statements[0].name == "statement in line 4"


def test_conditions_are_read_with_booleans_as_text() -> None:
    conditions = {
        "Bool": {"iot:Connection.Thing.IsAttached": True},
        "StringEquals": {"iot:ClientId": ["a", "b"]},
    }

    [statement] = PolicyDocument.parse(policy(STATEMENT | {"Condition": conditions})).statements

    assert [
        (each.operator, each.key, [value.text for value in each.values]) for each in statement.conditions
    ] == [
        ("Bool", "iot:Connection.Thing.IsAttached", ["true"]),
        ("StringEquals", "iot:ClientId", ["a", "b"]),
    ]


BROKEN = {
    "not JSON": ('{"Version":\n "2012-10-17"\n"Statement": []}', 3, "not JSON"),
    "empty": ("", 1, "not JSON"),
    "a list": ("[]", 1, "expected a JSON object"),
    "duplicate key": ('{"Version": "2012-10-17",\n"Statement": [],\n"Statement": []}', 3, "appears twice"),
    "unknown key": ('{"Version": "2012-10-17",\n"Statements": []}', 2, "unknown key 'Statements'"),
    "no version": ('{"Statement": []}', 1, "Version is nothing"),
    "old version": ('{\n"Version": "2008-10-17"}', 2, "replace no policy variables"),
    "no statement": ('{"Version": "2012-10-17"}', 1, "Statement is nothing"),
    "empty statement": ('{"Version": "2012-10-17",\n"Statement": []}', 2, "expected a list of statements"),
    "statement is text": ('{"Version": "2012-10-17",\n"Statement": [\n"x"]}', 3, "expected a statement"),
    "no effect": (policy({"Action": "a", "Resource": "*"}), 4, '"Allow" or "Deny"'),
    "wrong effect": (policy(STATEMENT | {"Effect": "allow"}), 5, '"Allow" or "Deny"'),
    "effect is a list": (policy(STATEMENT | {"Effect": ["Allow"]}), 5, '"Allow" or "Deny"'),
    "not action": (policy(STATEMENT | {"NotAction": "iot:Connect"}), 8, "unknown key 'NotAction'"),
    "sid is a number": (policy(STATEMENT | {"Sid": 7}), 8, "a string"),
    "no action": (policy({"Effect": "Allow", "Resource": "*"}), 4, "Action is nothing"),
    "empty action": (policy(STATEMENT | {"Action": []}), 6, "not empty"),
    "action of a number": (policy(STATEMENT | {"Action": [1]}), 6, "a string or a list of strings"),
    "condition is text": (policy(STATEMENT | {"Condition": "x"}), 8, "a JSON object of operators"),
    "condition of text": (policy(STATEMENT | {"Condition": {"Bool": "x"}}), 9, "of condition keys"),
    "blank acknowledgement": (policy(STATEMENT | {"acknowledge": " "}), 8, "as text"),
    "acknowledged with true": (policy(STATEMENT | {"acknowledge": True}), 8, "as text"),
    "the same key in other words": (
        '{"Version": "2012-10-17",\n"V\\u0065rsion": "2012-10-17"}',
        2,
        "appears twice",
    ),
    "nested deeply": ("[" * 700 + "]" * 700, 1, "nested too deeply|expected a JSON object"),
    "nested without end": ("[" * 100_000 + "]" * 100_000, 1, "nested too deeply"),
}


@pytest.mark.parametrize(("text", "line", "problem"), BROKEN.values(), ids=BROKEN.keys())
def test_text_that_is_no_policy_is_refused_with_its_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(PolicySyntaxError, match=problem) as refused:
        PolicyDocument.parse(text)

    assert refused.value.line == line
    assert str(refused.value).startswith(f"line {line}: ")


@pytest.mark.parametrize(
    ("topic", "needed"),
    [
        ("${iot:Certificate.Subject.CommonName}/*", True),
        ("{{common_name}}/*", True),
        ("{{serial_number}}/${iot:ClientId}", False),
    ],
)
def test_a_policy_needs_the_common_name_by_variable_or_by_placeholder(topic: str, needed: bool) -> None:  # noqa: FBT001
    statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": f"arn:aws:iot:*:*:topic/{topic}"}
    policy = {"Version": "2012-10-17", "Statement": statement}

    assert PolicyDocument.parse(json.dumps(policy)).needs_common_name is needed


_TERMS = st.text() | st.lists(st.text())
_STATEMENTS = st.lists(
    st.text() | st.dictionaries(st.sampled_from(["Effect", "Action", "Resource", "Sid"]), _TERMS)
)
_DOCUMENTS = st.fixed_dictionaries(
    {"Version": st.just("2012-10-17")}, optional={"Statement": _TERMS | _STATEMENTS}
)


@given(st.text(max_size=200) | st.builds(json.dumps, _DOCUMENTS))
def test_any_text_is_a_policy_or_a_syntax_error(text: str) -> None:
    try:
        PolicyDocument.parse(text)
    except PolicySyntaxError as error:
        line = error.line
    else:
        line = 1
    assert 1 <= line <= text.count("\n") + 1
