"""The rules for a device policy, checked before it is deployed; each finding has its line and a fix.

A finding on a statement with an `acknowledge` does not fail the synthesis: it is shown with that reason. If
AWS itself refuses the policy, the finding cannot be acknowledged.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

from iot_jitr_policy import vocabulary as v
from iot_jitr_policy.document import Effect, PolicyDocument, Statement, Term
from iot_jitr_policy.resources import NotAnIotArnError, Resource, identity_end, reaches_beyond
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.policy import PLACEHOLDER, Placeholder, PolicyKind


class Rule(StrEnum):
    """The rule of a finding. The values are stable: they are printed and can be searched for."""

    TOO_LARGE = "too-large"
    UNKNOWN_PLACEHOLDER = "unknown-placeholder"
    UNKNOWN_ACTION = "unknown-action"
    ACTION_WILDCARD = "action-wildcard"
    UNKNOWN_VARIABLE = "unknown-variable"
    NOT_AN_ARN = "not-an-arn"
    WRONG_RESOURCE_TYPE = "wrong-resource-type"
    RESOURCE_WILDCARD = "resource-wildcard"
    CLIENT_ID_WILDCARD = "client-id-wildcard"
    CLIENT_ID_NOT_OWN = "client-id-not-own"
    REACHES_NEIGHBOURS = "reaches-neighbours"
    MQTT_WILDCARD = "mqtt-wildcard"
    NEEDLESS_ACKNOWLEDGEMENT = "needless-acknowledgement"


NOT_ACKNOWLEDGEABLE = {Rule.TOO_LARGE, Rule.UNKNOWN_PLACEHOLDER, Rule.NEEDLESS_ACKNOWLEDGEMENT}
"""Rules that cannot be acknowledged: AWS or the renderer refuses such a policy anyway."""


@dataclass(frozen=True)
class Finding:
    """One way in which a policy breaks a rule."""

    line: int
    rule: Rule
    message: str
    acknowledged: str | None = None

    def __str__(self) -> str:
        return f"line {self.line}: {self.message} [{self.rule}]"


class PolicyRejectedError(JitrError):
    """A device policy breaks rules that its statements do not acknowledge."""

    def __init__(self, name: str, findings: list[Finding]) -> None:
        self.findings = findings
        super().__init__(f"device policy {name}: " + "; ".join(map(str, findings)))


def lint(document: PolicyDocument, kind: PolicyKind) -> list[Finding]:
    """Return all findings about a policy template, in the order of its lines."""
    found = [*_whole(document, kind)]
    for statement in document.statements:
        found += _acknowledged(statement, list(_statement(statement, kind)))
    return sorted(set(found), key=lambda finding: (finding.line, finding.rule, finding.message))


def check(name: str, document: PolicyDocument, kind: PolicyKind) -> list[Finding]:
    """Return the acknowledged findings of a policy that may be deployed.

    Raises:
        PolicyRejectedError: There are findings that are not acknowledged.
    """
    findings = lint(document, kind)
    broken = [finding for finding in findings if finding.acknowledged is None]
    if broken:
        raise PolicyRejectedError(name, broken)
    return findings


def _acknowledged(statement: Statement, findings: list[Finding]) -> list[Finding]:
    if statement.acknowledge is None:
        return findings
    if all(finding.rule in NOT_ACKNOWLEDGEABLE for finding in findings):
        message = f"'acknowledge' of {statement.name} applies to no finding; remove it"
        findings = [*findings, Finding(statement.line, Rule.NEEDLESS_ACKNOWLEDGEMENT, message)]
    return [
        f if f.rule in NOT_ACKNOWLEDGEABLE else replace(f, acknowledged=statement.acknowledge)
        for f in findings
    ]


def _whole(document: PolicyDocument, kind: PolicyKind) -> Iterator[Finding]:
    size = longest_size(document)
    if size > v.SIZE_LIMIT:
        longest = " with the longest values of its placeholders" if kind is PolicyKind.PER_DEVICE else ""
        yield Finding(
            1,
            Rule.TOO_LARGE,
            f"{size} characters without white space{longest}; AWS IoT takes {v.SIZE_LIMIT}: "
            "shorten topics or merge statements",
        )


def longest_size(document: PolicyDocument) -> int:
    """Return the maximum number of characters of the deployed policy, white space not counted."""
    text = "".join(document.text().split())
    for name, value in v.PSEUDO_PARAMETERS.items():
        text = text.replace(f"${{{name}}}", value)
    for name, length in v.LONGEST.items():
        text = text.replace(f"{{{{{name}}}}}", "x" * length)
    return len(text)


def _statement(statement: Statement, kind: PolicyKind) -> Iterator[Finding]:
    for term in _terms(statement):
        yield from _placeholders(term, kind)
        yield from _variables(term)
    for condition in statement.conditions:
        if not v.is_known_condition_key(condition.key):
            yield _unknown_variable(condition.line, condition.key, f"condition key '{condition.key}'")
    for action in statement.actions:
        yield from _action(action)
    resources = []
    for term in statement.resources:
        try:
            resources.append((term, Resource.parse(term.text)))
        except NotAnIotArnError as error:
            yield Finding(term.line, Rule.NOT_AN_ARN, str(error))
    yield from _types(statement, resources)
    if statement.effect is Effect.ALLOW:
        for term, resource in resources:
            yield from _reach(statement, term, resource)


def _terms(statement: Statement) -> Iterator[Term]:
    yield from statement.actions
    yield from statement.resources
    for condition in statement.conditions:
        yield from condition.values


def _placeholders(term: Term, kind: PolicyKind) -> Iterator[Finding]:
    for name in PLACEHOLDER.findall(term.text):
        if kind is PolicyKind.SHARED:
            message = (
                f"the placeholder '{{{{{name}}}}}' is for per-device policies; "
                f"a shared one takes policy variables such as '${{{v.COMMON_NAME}}}'"
            )
            yield Finding(term.line, Rule.UNKNOWN_PLACEHOLDER, message)
        elif name not in set(Placeholder):
            known = ", ".join(f"'{{{{{each}}}}}'" for each in Placeholder)
            message = f"unknown placeholder '{{{{{name}}}}}'; known are {known}"
            yield Finding(term.line, Rule.UNKNOWN_PLACEHOLDER, message)


def _variables(term: Term) -> Iterator[Finding]:
    for name in v.VARIABLE.findall(term.text):
        if name not in v.PSEUDO_PARAMETERS and not v.is_known_variable(name):
            yield _unknown_variable(term.line, name, f"policy variable '${{{name}}}'")


def _unknown_variable(line: int, name: str, what: str) -> Finding:
    hint = _did_you_mean(name, [*v.COMMON_VARIABLES, *v.PSEUDO_PARAMETERS])
    return Finding(line, Rule.UNKNOWN_VARIABLE, f"AWS IoT has no {what}, so it matches nothing{hint}")


def _did_you_mean(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _action(action: Term) -> Iterator[Finding]:
    if "*" in action.text or "?" in action.text:
        yield Finding(
            action.line,
            Rule.ACTION_WILDCARD,
            f"'{action.text}' also grants what AWS adds later; name each action",
        )
    elif action.text not in v.RESOURCE_TYPE_OF:
        hint = _did_you_mean(action.text, v.RESOURCE_TYPE_OF)
        message = f"'{action.text}' is not an action that a device can be granted{hint}"
        yield Finding(action.line, Rule.UNKNOWN_ACTION, message)


def _types(statement: Statement, resources: list[tuple[Term, Resource]]) -> Iterator[Finding]:
    """Check that each action has a resource of its type, and each resource an action of its type."""
    present = {resource.type for _, resource in resources}
    known = [action for action in statement.actions if action.text in v.RESOURCE_TYPE_OF]
    for action in known:
        wanted = v.RESOURCE_TYPE_OF[action.text]
        if "*" not in present and (wanted or "*") not in present:
            taken = f"resources of type '{wanted}/'" if wanted else "only the resource '*'"
            yield Finding(
                action.line,
                Rule.WRONG_RESOURCE_TYPE,
                f"'{action.text}' takes {taken}; this statement has {_listed(present)}",
            )
    taken_types = {v.RESOURCE_TYPE_OF[action.text] for action in known}
    for term, resource in resources:
        if len(known) == len(statement.actions) and resource.type not in {"*", *taken_types}:
            yield Finding(
                term.line,
                Rule.WRONG_RESOURCE_TYPE,
                f"'{resource.type}/' is not a resource type of any of {_listed({a.text for a in known})}",
            )


def _listed(names: set[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names)) or "none"


def _reach(statement: Statement, term: Term, resource: Resource) -> Iterator[Finding]:
    if resource.type == "*":
        if any(v.RESOURCE_TYPE_OF.get(action.text, "") is not None for action in statement.actions):
            yield Finding(
                term.line,
                _wildcard_rule(statement),
                "the resource '*' is every client id, topic and thing of the account; name them",
            )
    elif resource.type == v.ResourceType.CLIENT:
        yield from _client_id(term, resource)
    elif resource.type in {v.ResourceType.TOPIC, v.ResourceType.TOPIC_FILTER, v.ResourceType.THING}:
        yield from _names(term, resource)


def _wildcard_rule(statement: Statement) -> Rule:
    if any(action.text == "iot:Connect" for action in statement.actions):
        return Rule.CLIENT_ID_WILDCARD
    return Rule.RESOURCE_WILDCARD


def _client_id(term: Term, resource: Resource) -> Iterator[Finding]:
    own = f"'client/${{{v.COMMON_NAME}}}'"
    if "*" in resource.bare_name or "?" in resource.bare_name:
        yield Finding(
            term.line,
            Rule.CLIENT_ID_WILDCARD,
            f"the client id '{resource.name}' lets one device connect as another; use {own}",
        )
    elif identity_end(resource.name, v.CERTIFICATE_IDENTITIES) is None:
        yield Finding(
            term.line,
            Rule.CLIENT_ID_NOT_OWN,
            f"the client id '{resource.name}' is not bound to the certificate"
            f"{' (a device chooses its own ClientId)' if v.CLIENT_ID in resource.name else ''}; use {own}",
        )


def _names(term: Term, resource: Resource) -> Iterator[Finding]:
    if resource.type == v.ResourceType.TOPIC and {"+", "#"} & set(resource.bare_name):
        yield Finding(
            term.line,
            Rule.MQTT_WILDCARD,
            f"'+' and '#' are ordinary characters in 'topic/{resource.name}'; a policy's wildcard is '*'",
        )
    if reaches_beyond(resource):
        yield Finding(
            term.line,
            Rule.REACHES_NEIGHBOURS,
            f"'{resource.type}/{resource.name}' is open to every device with this policy: before a wildcard "
            f"there must be the device's identity as a whole level, as in 'devices/${{{v.COMMON_NAME}}}/*'",
        )
