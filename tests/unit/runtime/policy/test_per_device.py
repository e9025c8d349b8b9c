import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from iot_jitr_cli.policy.evaluation import Access, Session, decide
from iot_jitr_policy.document import PolicyDocument
from iot_jitr_policy.lint import lint
from iot_jitr_policy.resources import Resource
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.policy import PolicyKind
from iot_jitr_runtime.policy.attachment import render
from tests.support.device_certificates import device_certificate
from tests.unit.runtime.policy.test_common_name import HOSTILE as HOSTILE_NAMES

# The certificates of these tests are of a kind that no CA should issue, and `cryptography` warns of them.
pytestmark = pytest.mark.filterwarnings("ignore:Attribute's length must be")

ARN = "arn:aws:iot:eu-central-1:123456789012:"


def template(*names: str, placeholder: str = "{{common_name}}") -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["iot:Connect", "iot:Publish", "iot:Subscribe"],
                "Resource": [
                    f"{ARN}client/{placeholder}",
                    f"{ARN}topic/devices/{placeholder}/*",
                    f"{ARN}topicfilter/devices/{placeholder}/*",
                    *names,
                ],
            }
        ],
    }


def test_the_three_placeholders_are_filled_from_the_certificate_and_its_thing() -> None:
    names = f"{ARN}topic/{{{{common_name}}}}/{{{{serial_number}}}}/{{{{thing_name}}}}"
    certificate = device_certificate("sensor-7", serial_number=0x0A1B)

    rendered = render({"Resource": [names]}, certificate, "thing:7")

    assert json.loads(rendered) == {"Resource": [f"{ARN}topic/sensor-7/a1b/thing:7"]}


def test_policy_variables_of_the_template_stay_as_they_are() -> None:
    rendered = render({"Resource": "topic/${iot:ClientId}"}, device_certificate("sensor-7"), None)

    assert json.loads(rendered) == {"Resource": "topic/${iot:ClientId}"}


def test_a_rendered_policy_is_compact_and_keeps_other_json_types() -> None:
    assert render({"a": [1, True, None]}, device_certificate("x"), None) == '{"a":[1,true,null]}'


def test_a_field_that_a_template_does_not_use_is_not_checked() -> None:
    rendered = render(
        template(placeholder="{{serial_number}}"), device_certificate("*/${iot:ClientId}"), None
    )

    assert "${iot" not in rendered
    assert "devices/a1b/*" in rendered


def test_a_thing_name_is_needed_where_the_template_names_it() -> None:
    with pytest.raises(RefusedError, match="it has none") as refused:
        render(template(placeholder="{{thing_name}}"), device_certificate("x"), None)

    assert refused.value.reason is Reason.INVALID_THING_NAME


HOSTILE = st.sampled_from([*HOSTILE_NAMES.values(), "x" * 64])
NAMES = HOSTILE | st.text(min_size=1, max_size=66) | st.builds(lambda a, b: a + b, HOSTILE, HOSTILE)


@given(name=NAMES)
@example(name="a2")
def test_no_common_name_widens_what_the_template_grants(name: str) -> None:
    """Any value is refused, or gives exactly the template's statements, for this device alone."""
    assume(name.isascii() or "\ud800" not in name)
    try:
        rendered = render(template(), device_certificate(name), None)
    except (RefusedError, UnicodeEncodeError):
        return
    document = PolicyDocument.parse(rendered)
    assert len(document.statements) == 1
    assert [term.text for term in document.statements[0].resources] == [
        f"{ARN}client/{name}",
        f"{ARN}topic/devices/{name}/*",
        f"{ARN}topicfilter/devices/{name}/*",
    ]
    session = Session(name, name, None)
    for other in ("neighbour", f"{name}2", f"{name}-", name[:-1] or "y", "*", "+", "#"):
        for action, resource in (
            ("iot:Connect", Resource("client", other)),
            ("iot:Publish", Resource("topic", f"devices/{other}/state")),
            ("iot:Subscribe", Resource("topicfilter", f"devices/{other}/#")),
        ):
            reached = decide([document], session, action, resource).access is Access.ALLOWED
            assert reached == (other == name)


@given(thing=NAMES)
def test_no_thing_name_widens_what_the_template_grants(thing: str | None) -> None:
    try:
        rendered = render(template(placeholder="{{thing_name}}"), device_certificate("x"), thing)
    except RefusedError:
        return
    assert f"{ARN}client/{thing}" in json.loads(rendered)["Statement"][0]["Resource"]
    assert set(thing) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-")


def test_an_accepted_template_stays_within_the_size_limit_when_rendered() -> None:
    accepted = template(f"{ARN}topic/{{{{thing_name}}}}/" + "x" * 1285)
    document = PolicyDocument.parse(json.dumps(accepted))
    assert [finding.rule for finding in lint(document, PolicyKind.PER_DEVICE)] == []

    longest = device_certificate("c" * 64, serial_number=2**159 - 1)

    assert 1900 < len(render(accepted, longest, "t" * 128)) <= 2048
