"""How far a policy takes a device: to its own client id, topics and thing, and to its neighbour's.

The questions come from the policy itself (each resource, once with the device's names and once with a
neighbour's) and from a list that every policy is asked. The neighbour's name begins like the device's own,
because `devices/${…CommonName}*` opens exactly those topics.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from iot_jitr_cli.policy.evaluation import Access, Decision, Session, decide
from iot_jitr_policy import vocabulary as v
from iot_jitr_policy.document import Effect, PolicyDocument, Statement
from iot_jitr_policy.resources import NotAnIotArnError, Resource

SAMPLE = "sample"
"""What stands for a wildcard in the names that are asked about."""

_PART = re.compile(r"(\$\{[^}]*\}|[*?])")


class Whose(StrEnum):
    """To whom something belongs that a device might reach."""

    OWN = "own"
    NEIGHBOUR = "neighbour"
    EVERYONE = "everyone"
    """It names no device: a broadcast topic, or a filter over all devices."""


@dataclass(frozen=True, order=True)
class Question:
    """May the device do this?"""

    whose: Whose
    action: str
    type: str
    name: str

    @property
    def resource(self) -> Resource:
        """What it is about."""
        return Resource(self.type, self.name)


@dataclass(frozen=True)
class Answer:
    """Whether it may, and by which statement."""

    question: Question
    decision: Decision

    @property
    def reaches_neighbour(self) -> bool:
        """Whether the policy lets, or may let, the device act on what is its neighbour's."""
        reached = {Access.ALLOWED, Access.DEPENDS}
        return self.question.whose is Whose.NEIGHBOUR and self.decision.access in reached


@dataclass(frozen=True)
class Device:
    """A device and the policies attached to its certificate, those of its own rendered for it."""

    session: Session
    documents: Sequence[PolicyDocument]


def reach(device: Device, neighbour: Device) -> list[Answer]:
    """Ask a device's policies what it could do, on what is its own and on what is its neighbour's."""
    questions = {*_always(device.session, neighbour.session), *_from_policies(device, neighbour)}
    return [
        Answer(each, decide(device.documents, _asking(device.session, each), each.action, each.resource))
        for each in sorted(questions, key=_order)
    ]


def _asking(session: Session, question: Question) -> Session:
    """Whoever connects chooses the client id, so the variable has the value that is asked about."""
    if question.action != "iot:Connect":
        return session
    return Session(question.name, {**session.values, v.CLIENT_ID: question.name})


def own_client_id(device: Device) -> str | None:
    """Return a client id that the device's policies let it connect with, None where there is none."""
    clients = [each.name for action, each in _granted(device) if action == "iot:Connect"]
    return next(iter(clients), None)


def _order(question: Question) -> tuple[int, int, str]:
    return (
        list(Whose).index(question.whose),
        list(v.RESOURCE_TYPE_OF).index(question.action),
        question.name,
    )


def _always(own: Session, neighbour: Session) -> Iterator[Question]:
    for whose, session in ((Whose.OWN, own), (Whose.NEIGHBOUR, neighbour)):
        yield Question(whose, "iot:Connect", v.ResourceType.CLIENT, session.client_id)
        topic = f"devices/{session.client_id}/{SAMPLE}"
        yield Question(whose, "iot:Publish", v.ResourceType.TOPIC, topic)
        yield Question(whose, "iot:Receive", v.ResourceType.TOPIC, topic)
        yield Question(whose, "iot:Subscribe", v.ResourceType.TOPIC_FILTER, f"devices/{session.client_id}/#")
        thing = session.values.get(v.THING_NAME, session.client_id)
        shadow = f"$aws/things/{thing}/shadow/update"
        yield Question(whose, "iot:Publish", v.ResourceType.TOPIC, shadow)
    for topic_filter in ("#", f"devices/+/{SAMPLE}"):
        # A subscription to everybody's topics brings the neighbour's messages.
        yield Question(Whose.NEIGHBOUR, "iot:Subscribe", v.ResourceType.TOPIC_FILTER, topic_filter)


def _from_policies(device: Device, neighbour: Device) -> Iterator[Question]:
    mine, theirs = set(_granted(device)), set(_granted(neighbour))
    for whose, granted in (
        (Whose.OWN, mine - theirs),
        (Whose.NEIGHBOUR, theirs - mine),
        (Whose.EVERYONE, mine & theirs),
    ):
        for action, resource in granted:
            yield Question(whose, action, resource.type, resource.name)


def _granted(device: Device) -> Iterator[tuple[str, Resource]]:
    """One example of each thing that some statement grants the device."""
    for document in device.documents:
        for statement in document.statements:
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
    """A name that the pattern matches, None where a variable of it has no value for this device."""
    parts = []
    for part in _PART.split(name):
        variable = v.VARIABLE.fullmatch(part)
        value = session.replaced(variable[1]) if variable else {"*": SAMPLE, "?": "x"}.get(part, part)
        if value is None:
            return None
        parts.append(value)
    return "".join(parts)
