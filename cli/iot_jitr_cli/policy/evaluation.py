"""Evaluates offline the actions that a policy allows one device: AWS's `TestAuthorization` needs an account.

It follows the Developer Guide, "AWS IoT Core policies" and "AWS IoT Core policy variables": a denying
statement overrides an allowing one, and an action that no statement allows is not allowed. Region and account
of a resource are not compared, so the result may be "allowed" for a resource that AWS does not allow.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from iot_jitr_policy import vocabulary as v
from iot_jitr_policy.document import Condition, Effect, PolicyDocument, Statement
from iot_jitr_policy.resources import NotAnIotArnError, Resource
from iot_jitr_runtime.certificates import Certificate

_UNREPLACED = set("*$+?#")
"""If a certificate's field contains one of these characters, AWS does not replace the variable."""

TOKEN = re.compile(rf"{v.VARIABLE.pattern}|[*?]")
"""A policy variable, whose name is the first group, or a wildcard of policies."""


class Access(StrEnum):
    """Whether a device may perform an action."""

    ALLOWED = "allowed"
    DENIED = "denied"
    """A statement denies it."""
    NOT_ALLOWED = "not allowed"
    """No statement allows it."""
    DEPENDS = "depends"
    """The result depends on a condition that cannot be evaluated offline, such as the source address."""


@dataclass(frozen=True)
class Decision:
    """The result, and the deciding statement, if there is one."""

    access: Access
    statement: Statement | None = None


@dataclass(frozen=True)
class Session:
    """The names of one device's connection at the broker; None: the device has no such name."""

    client_id: str
    common_name: str | None
    thing_name: str | None
    serial_number: str | None = None

    @classmethod
    def of(cls, certificate: Certificate, client_id: str, thing_name: str | None = None) -> "Session":
        """Return the session of a device that connects with `certificate` as `client_id`."""
        common_name = next(iter(certificate.common_names), None)
        return cls(client_id, common_name, thing_name, certificate.serial_number)

    @cached_property
    def values(self) -> Mapping[str, str | None]:
        """The policy variables that are known offline; None: the variable has no value for this device."""
        return {
            v.CLIENT_ID: self.client_id,
            v.COMMON_NAME: self.common_name,
            "iot:Certificate.SerialNumber": self.serial_number,
            v.THING_NAME: self.thing_name,
            v.IS_ATTACHED: "false" if self.thing_name is None else "true",
        }

    def replaced(self, name: str) -> str | None:
        """Return the value of `${name}` in a resource; None if AWS does not replace it."""
        if name in set("*?$"):
            return name
        value = self.values.get(name)
        if value is None or (name != v.CLIENT_ID and _UNREPLACED & set(value)):
            return None
        return value


def decide(
    documents: Iterable[PolicyDocument], session: Session, action: str, resource: Resource
) -> Decision:
    """Decide whether a device may perform `action` on `resource`; its name must not contain policy wildcards.

    Args:
        documents: All policies attached to the device's certificate.
        session: The device.
        action: For example `iot:Publish`.
        resource: For example `Resource("topic", "devices/sensor-7/state")`.
    """
    matching = [
        (statement, _conditions_hold(statement.conditions, session))
        for document in documents
        for statement in document.statements
        if _matches(statement, session, action, resource)
    ]
    denies = {holds: each for each, holds in reversed(matching) if each.effect is Effect.DENY}
    allows = {holds: each for each, holds in reversed(matching) if each.effect is Effect.ALLOW}
    if True in denies:
        return Decision(Access.DENIED, denies[True])
    if True in allows and None not in denies:
        return Decision(Access.ALLOWED, allows[True])
    if True in allows:
        return Decision(Access.DEPENDS, denies[None])
    if None in allows:
        return Decision(Access.DEPENDS, allows[None])
    return Decision(Access.NOT_ALLOWED)


def pattern(template: str, session: Session) -> re.Pattern[str]:
    """Return the pattern of a name in a policy for one device, with variables and wildcards replaced."""
    parts, at = [], 0
    for token in TOKEN.finditer(template):
        parts.append(re.escape(template[at : token.start()]))
        parts.append(_part(token, session))
        at = token.end()
    parts.append(re.escape(template[at:]))
    return re.compile("".join(parts), re.DOTALL)


def _part(token: re.Match[str], session: Session) -> str:
    if token[1] is None:
        return ".*" if token[0] == "*" else "."
    value = session.replaced(token[1])
    return re.escape(token[0] if value is None else value)


def _matches(statement: Statement, session: Session, action: str, resource: Resource) -> bool:
    # Actions are compared without case, as in IAM: an error in this direction is safe.
    if not any(pattern(each.text.lower(), session).fullmatch(action.lower()) for each in statement.actions):
        return False
    return any(_covers(each.text, session, resource) for each in statement.resources)


def _covers(text: str, session: Session, resource: Resource) -> bool:
    try:
        granted = Resource.parse(text)
    except NotAnIotArnError:
        return False
    if granted.type == "*":
        return True
    named = pattern(granted.name, session)
    return granted.type == resource.type and named.fullmatch(resource.name) is not None


def _conditions_hold(conditions: Iterable[Condition], session: Session) -> bool | None:
    """Whether all conditions are true; None if that depends on values that are unknown offline."""
    results = {_condition_holds(condition, session) for condition in conditions}
    if False in results:
        return False
    return None if None in results else True


def _condition_holds(condition: Condition, session: Session) -> bool | None:
    operator = condition.operator.removesuffix("IfExists")
    if operator not in _TESTS or condition.key not in session.values:
        return None
    value = session.values[condition.key]
    if value is None:
        return operator != condition.operator or operator in _NEGATED
    found = any(_TESTS[operator](each.text, value, session) for each in condition.values)
    return found != (operator in _NEGATED)


def _equals(expected: str, value: str, session: Session) -> bool:
    literal = v.VARIABLE.sub(lambda match: session.replaced(match[1]) or match[0], expected)
    return literal == value


def _like(expected: str, value: str, session: Session) -> bool:
    return pattern(expected, session).fullmatch(value) is not None


def _same_truth(expected: str, value: str, session: Session) -> bool:  # noqa: ARG001 - one of `_TESTS`
    return expected.lower() == value.lower()


_TESTS = {
    "StringEquals": _equals,
    "StringNotEquals": _equals,
    "StringLike": _like,
    "StringNotLike": _like,
    "Bool": _same_truth,
}
_NEGATED = {"StringNotEquals", "StringNotLike"}
