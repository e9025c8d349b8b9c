"""Evaluates a device's access to its own client id, topics and thing, and to those of a neighbour.

The questions are derived from the policy itself (each resource, once with the device's names and once with
the neighbour's), and a fixed list of questions is added. The neighbour's name begins with the device's name,
because `devices/${…CommonName}*` allows access to exactly those topics.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from iot_jitr_cli.policy.evaluation import TOKEN, Access, Decision, Session, decide
from iot_jitr_policy import vocabulary as v
from iot_jitr_policy.document import Effect, PolicyDocument, Statement
from iot_jitr_policy.resources import NotAnIotArnError, Resource

SAMPLE = "sample"
"""The text that replaces a wildcard in the names to evaluate."""

_OF_WILDCARDS = {"*": SAMPLE, "?": "x"}


class Whose(StrEnum):
    """The owner of a resource."""

    OWN = "own"
    NEIGHBOUR = "neighbour"
    EVERYONE = "everyone"
    """The resource has no device in its name: a broadcast topic, or a filter for all devices."""


Question = tuple[Whose, str, Resource]
"""Owner of the resource, action, resource."""


@dataclass(frozen=True)
class Evaluation:
    """The decision about one action on one resource."""

    whose: Whose
    action: str
    resource: Resource
    decision: Decision

    @property
    def reaches_neighbour(self) -> bool:
        """Whether the policy allows, or may allow, access to a neighbour's resource."""
        reached = {Access.ALLOWED, Access.DEPENDS}
        return self.whose is Whose.NEIGHBOUR and self.decision.access in reached


@dataclass(frozen=True)
class Device:
    """A device and the policy attached to its certificate, rendered for this device."""

    session: Session
    document: PolicyDocument


def reach(device: Device, neighbour: Device) -> list[Evaluation]:
    """Evaluate a device's policy for its own resources and for those of its neighbour."""
    questions = {*_always(device.session, neighbour.session), *_from_policy(device, neighbour)}
    return [
        Evaluation(whose, action, resource, _decide(device, action, resource))
        for whose, action, resource in sorted(questions, key=_order)
    ]


def _decide(device: Device, action: str, resource: Resource) -> Decision:
    session = device.session
    if action == "iot:Connect":
        # The device may use any client id, so the variable has the evaluated value.
        session = replace(session, client_id=resource.name)
    return decide([device.document], session, action, resource)


def own_client_id(device: Device) -> str | None:
    """Return a client id with which the device's policy allows it to connect; None if there is none."""
    return next((each.name for action, each in _granted(device) if action == "iot:Connect"), None)


def _order(question: Question) -> tuple[int, int, str]:
    whose, action, resource = question
    return list(Whose).index(whose), list(v.RESOURCE_TYPE_OF).index(action), resource.name


def _always(own: Session, neighbour: Session) -> Iterator[Question]:
    for whose, session in ((Whose.OWN, own), (Whose.NEIGHBOUR, neighbour)):
        client_id = session.client_id
        topic = Resource(v.ResourceType.TOPIC, f"devices/{client_id}/{SAMPLE}")
        thing = session.thing_name or client_id
        yield whose, "iot:Connect", Resource(v.ResourceType.CLIENT, client_id)
        yield whose, "iot:Publish", topic
        yield whose, "iot:Receive", topic
        yield whose, "iot:Subscribe", Resource(v.ResourceType.TOPIC_FILTER, f"devices/{client_id}/#")
        yield whose, "iot:Publish", Resource(v.ResourceType.TOPIC, f"$aws/things/{thing}/shadow/update")
    for topic_filter in ("#", f"devices/+/{SAMPLE}"):
        # A subscription to the topics of all devices receives the neighbour's messages.
        yield Whose.NEIGHBOUR, "iot:Subscribe", Resource(v.ResourceType.TOPIC_FILTER, topic_filter)


def _from_policy(device: Device, neighbour: Device) -> Iterator[Question]:
    mine, theirs = set(_granted(device)), set(_granted(neighbour))
    for whose, granted in (
        (Whose.OWN, mine - theirs),
        (Whose.NEIGHBOUR, theirs - mine),
        (Whose.EVERYONE, mine & theirs),
    ):
        for action, resource in granted:
            yield whose, action, resource


def _granted(device: Device) -> Iterator[tuple[str, Resource]]:
    """One example of each permission that a statement grants the device."""
    for statement in device.document.statements:
        if statement.effect is Effect.ALLOW:
            yield from _granted_by(statement, device.session)


def _granted_by(statement: Statement, session: Session) -> Iterator[tuple[str, Resource]]:
    for term in statement.resources:
        try:
            resource = Resource.parse(term.text)
        except NotAnIotArnError:
            continue
        name = _example(resource.name, session)
        for action in statement.actions:
            if name and resource.type == v.RESOURCE_TYPE_OF.get(action.text, ""):
                yield action.text, Resource(resource.type, name)


def _example(name: str, session: Session) -> str | None:
    """A name that matches the pattern; None if one of its variables has no value for this device."""
    if None in map(session.replaced, v.VARIABLE.findall(name)):
        return None
    return TOKEN.sub(lambda token: _OF_WILDCARDS.get(token[0]) or session.replaced(token[1]) or "", name)
