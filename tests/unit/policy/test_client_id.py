"""Which client id a policy allows: known from the certificate, or unknown, with the reason."""

import json
from typing import Any

import pytest

from iot_jitr import DevicePolicy
from iot_jitr_policy.client_id import UnknownClientIdError, client_id_template
from iot_jitr_policy.document import PolicyDocument

ARN = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:"
NAME = "${iot:Certificate.Subject.CommonName}"
THING = "${iot:Connection.Thing.ThingName}"


def allow(*resources: str, action: Any = "iot:Connect", effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": [*resources]}


def template_of(*statements: dict[str, Any], has_things: bool = True) -> str:
    text = json.dumps({"Version": "2012-10-17", "Statement": [*statements]})
    return client_id_template(PolicyDocument.parse(text), has_things=has_things)


@pytest.mark.parametrize("policy", [DevicePolicy.shared(), DevicePolicy.per_device()], ids=lambda p: p.kind)
def test_the_policies_of_the_project_use_the_common_name(policy: DevicePolicy) -> None:
    assert client_id_template(policy.document, has_things=False) == "{{common_name}}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (NAME, "{{common_name}}"),
        (f"line-1-{NAME}", "line-1-{{common_name}}"),
        (THING, "{{thing_name}}"),
        ("{{serial_number}}", "{{serial_number}}"),
        ("{{thing_name}}-{{common_name}}", "{{thing_name}}-{{common_name}}"),
    ],
)
def test_a_known_client_id_is_a_template(name: str, expected: str) -> None:
    assert template_of(allow(f"{ARN}client/{name}")) == expected


def test_statements_for_other_actions_are_ignored() -> None:
    found = template_of(
        allow(f"{ARN}client/{NAME}", f"{ARN}topic/devices/{NAME}/*", action=["iot:Connect", "iot:Publish"]),
        allow(f"{ARN}client/*", effect="Deny"),
        allow(f"{ARN}client/*", action="iot:GetConnection"),
        allow("*", action="iot:ListRetainedMessages"),
    )

    assert found == "{{common_name}}"


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (allow(f"{ARN}client/${{iot:ClientId}}"), "what the device sends"),
        (allow(f"{ARN}client/*"), "many"),
        (allow(f"{ARN}client/{NAME}-?"), "many"),
        (allow("*"), "many"),
        (allow("${Token[Name.1]}"), "is not known"),
        (allow("*", action="iot:*"), "many"),
        (allow(f"{ARN}client/{NAME}", f"{ARN}client/{NAME}-console", action="iot:Con*"), "several"),
        (allow(f"{ARN}client/${{iot:Certificate.SerialNumber}}"), "has no value"),
        (allow(f"{ARN}client/gateway"), "the same client id"),
        (allow(f"{ARN}topic/devices/{NAME}/*", action="iot:Publish"), "no client id"),
    ],
)
def test_an_unknown_client_id_has_its_reason(statement: dict[str, Any], why: str) -> None:
    with pytest.raises(UnknownClientIdError, match=why):
        template_of(statement)


def test_without_things_a_thing_name_is_unknown() -> None:
    with pytest.raises(UnknownClientIdError, match="registers no things"):
        template_of(allow(f"{ARN}client/{THING}"), has_things=False)
