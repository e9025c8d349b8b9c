import json
from typing import Any

import pytest

from iot_jitr_cli.policy.evaluation import Access, Session
from iot_jitr_cli.policy.reach import Device, Evaluation, Whose, reach
from iot_jitr_policy.document import PolicyDocument

ARN = "arn:aws:iot:eu-central-1:123456789012:"
CN = "${iot:Certificate.Subject.CommonName}"


def evaluations(
    *grants: tuple[str, str], thing: str | None = False, effect: str = "Allow"
) -> list[Evaluation]:
    statements = [
        {"Effect": effect, "Action": action, "Resource": f"{ARN}{name}" if "/" in name else name}
        for action, name in grants
    ]
    document = PolicyDocument.parse(json.dumps({"Version": "2012-10-17", "Statement": statements}))
    own, neighbour = (
        Device(Session.named(name, name, name if thing else None), [document]) for name in ("s7", "s72")
    )
    return reach(own, neighbour)


def reached(*grants: tuple[str, str], **more: Any) -> set[tuple[str, str]]:
    return {(a.action, a.resource.name) for a in evaluations(*grants, **more) if a.reaches_neighbour}


def test_a_policy_bound_to_the_identity_reaches_no_neighbour() -> None:
    grants = [
        ("iot:Connect", f"client/{CN}"),
        ("iot:Publish", f"topic/devices/{CN}/*"),
        ("iot:Subscribe", f"topicfilter/devices/{CN}/*"),
    ]

    assert reached(*grants) == set()
    own = {a.resource.name for a in evaluations(*grants) if a.decision.access is Access.ALLOWED}
    assert own == {"s7", "devices/s7/sample", "devices/s7/#"}


HOLES = {
    "any client id": (("iot:Connect", "client/*"), ("iot:Connect", "s72")),
    "the client id a device likes": (("iot:Connect", "client/${iot:ClientId}"), ("iot:Connect", "s72")),
    "a wildcard straight after the name": (
        ("iot:Publish", f"topic/devices/{CN}*"),
        ("iot:Publish", "devices/s72/sample"),
    ),
    "every topic": (("iot:Receive", "topic/*"), ("iot:Receive", "devices/s72/sample")),
    "every filter": (("iot:Subscribe", "topicfilter/*"), ("iot:Subscribe", "#")),
    "a filter over all devices": (
        ("iot:Subscribe", "topicfilter/devices/+/sample"),
        ("iot:Subscribe", "devices/+/sample"),
    ),
    "every shadow": (
        ("iot:Publish", "topic/$aws/things/*"),
        ("iot:Publish", "$aws/things/s72/shadow/update"),
    ),
    "topics of a form of its own": (
        ("iot:Publish", f"topic/f/{CN}*/up"),
        ("iot:Publish", "f/s72sample/up"),
    ),
}


@pytest.mark.parametrize(("grant", "hole"), HOLES.values(), ids=HOLES.keys())
def test_access_to_a_neighbour_is_shown(grant: tuple[str, str], hole: tuple[str, str]) -> None:
    assert hole in reached(grant)


def test_what_names_no_device_is_for_everyone() -> None:
    [broadcast] = [a for a in evaluations(("iot:Receive", "topic/broadcast")) if a.whose is Whose.EVERYONE]

    assert broadcast.resource.name == "broadcast"
    assert broadcast.decision.access is Access.ALLOWED


def test_a_thing_variable_without_a_thing_is_not_evaluated() -> None:
    grant = ("iot:Publish", "topic/$aws/things/${iot:Connection.Thing.ThingName}/jobs/*")

    assert not any("jobs" in a.resource.name for a in evaluations(grant))
    assert any(a.resource.name == "$aws/things/s7/jobs/sample" for a in evaluations(grant, thing=True))


def test_per_device_policies_are_evaluated_for_the_neighbours_names() -> None:
    def rendered(name: str) -> Device:
        statement = {"Effect": "Allow", "Action": "iot:Publish", "Resource": f"{ARN}topic/f/{name}/*"}
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        return Device(Session.named(name, name, None), [PolicyDocument.parse(text)])

    found = {
        (a.whose, a.resource.name): a.decision.access
        for a in reach(rendered("s7"), rendered("s72"))
        if a.resource.name.startswith("f/")
    }

    assert found == {
        (Whose.OWN, "f/s7/sample"): Access.ALLOWED,
        (Whose.NEIGHBOUR, "f/s72/sample"): Access.NOT_ALLOWED,
    }


def test_denials_and_resources_without_an_arn_add_no_question() -> None:
    for grants, effect in (([("iot:Publish", "topic/f/x")], "Deny"), ([("iot:Publish", "f-x")], "Allow")):
        assert not any(a.resource.name in {"f/x", "f-x"} for a in evaluations(*grants, effect=effect))


def test_escaped_wildcards_are_evaluated_as_ordinary_characters() -> None:
    assert any(a.resource.name == "a/*/x" for a in evaluations(("iot:Publish", "topic/a/${*}/?")))
