"""From the registration event to the activator: rule, role, queue, event source mapping."""

import re

from iot_jitr_cli.deployment import DeployedCa
from iot_jitr_cli.doctor.causes import REVERT_DRIFT, Cause
from iot_jitr_cli.doctor.checks.check import check
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.facts.pipeline import Rule
from iot_jitr_cli.doctor.findings import Finding, failed, not_applicable, ok
from iot_jitr_runtime.events import TOPIC_PREFIX
from iot_jitr_runtime.stack_outputs import Output

_TOPIC = re.compile(r"""FROM\s+['"](?P<topic>[^'"]+)['"]""", re.IGNORECASE)
_NO_RULE = "no rule to look at"
_NOT_OURS = "the CA is not of this deployment"


@check("rule", "topic rule", Cause.RULE_MISSING, Cause.RULE_DISABLED, Cause.RULE_ON_ANOTHER_TOPIC)
def check_rule(case: Case) -> Finding:
    """The CA's topic rule exists, is enabled and selects the CA's registration events."""
    ca = _deployed_ca(case)
    if ca is None:
        return not_applicable(_NOT_OURS)
    rule = case.pipeline.rule(ca.rule)
    if rule is None:
        return failed(
            Cause.RULE_MISSING,
            f"there is no topic rule '{ca.rule}'",
            f"{REVERT_DRIFT}; then 'jitr redrive' for what it missed",
        )
    expected = f"{TOPIC_PREFIX}{ca.certificate_id}"
    found = _TOPIC.search(rule.sql)
    topic = found["topic"] if found else ""
    if not _covers(topic, expected):
        return failed(
            Cause.RULE_ON_ANOTHER_TOPIC,
            f"rule '{rule.name}' selects from '{topic}', the events are published on '{expected}'",
            f"let the rule select from '{expected}' again",
        )
    if rule.disabled:
        return failed(
            Cause.RULE_DISABLED,
            f"rule '{rule.name}' is disabled: events since then are lost",
            f"aws iot enable-topic-rule --rule-name {rule.name}, then 'jitr redrive' for what it missed",
        )
    return ok(f"'{rule.name}' is enabled and selects from '{topic}'")


@check(
    "rule.target",
    "topic rule → activation queue",
    Cause.QUEUE_MISSING,
    Cause.RULE_SENDS_ELSEWHERE,
    Cause.RULE_ROLE_BROKEN,
)
def check_rule_target(case: Case) -> Finding:
    """The rule sends to the activation queue, and its role allows it."""
    rule = _rule(case)
    if rule is None:
        return not_applicable(_NO_RULE)
    queue = case.pipeline.activation_queue
    if queue is None:
        return failed(
            Cause.QUEUE_MISSING,
            f"there is no queue {case.pipeline.output(Output.ACTIVATION_QUEUE_URL)}",
            f"{REVERT_DRIFT}; then 'jitr redrive' for what it missed",
        )
    if rule.queue_url is None or rule.role_arn is None or not _same_queue(rule.queue_url, queue.url):
        return failed(
            Cause.RULE_SENDS_ELSEWHERE,
            f"rule '{rule.name}' sends to {rule.queue_url or 'no queue'}, not to {queue.url}",
            f"restore the rule's SQS action on {queue.url}",
        )
    return _role(case, rule, rule.role_arn, queue.arn)


@check("event_source", "activation queue → activator", Cause.EVENT_SOURCE_DISABLED)
def check_event_source(case: Case) -> Finding:
    """Lambda reads the activation queue for the activator."""
    if case.pipeline.activation_queue is None:
        return not_applicable("no queue to read")
    mapping = case.function.event_source
    if mapping is None:
        return failed(
            Cause.EVENT_SOURCE_DISABLED,
            "no event source mapping leads from the activation queue to the activator",
            f"{REVERT_DRIFT}; waiting events are not lost",
        )
    state, uuid = mapping.get("State", ""), mapping.get("UUID", "")
    why = mapping.get("StateTransitionReason") or "no reason given"
    if state in {"Disabled", "Disabling"}:
        return failed(
            Cause.EVENT_SOURCE_DISABLED,
            f"the event source mapping {uuid} is {state} ({why})",
            f"aws lambda update-event-source-mapping --uuid {uuid} --enabled; waiting events are not lost",
        )
    return ok(f"{state}; last result: {mapping.get('LastProcessingResult') or 'none yet'}")


def _role(case: Case, rule: Rule, role_arn: str, queue_arn: str) -> Finding:
    trusted = case.pipeline.trusted_services(role_arn)
    if trusted is None:
        return failed(
            Cause.RULE_ROLE_BROKEN,
            f"the role {role_arn} of rule '{rule.name}' does not exist",
            f"{REVERT_DRIFT}; then 'jitr redrive' for what it missed",
        )
    if "iot.amazonaws.com" not in trusted:
        return failed(
            Cause.RULE_ROLE_BROKEN,
            f"the role {role_arn} does not trust iot.amazonaws.com, so the rule cannot assume it",
            "let its trust policy allow sts:AssumeRole to iot.amazonaws.com again",
        )
    if case.pipeline.denied(role_arn, ["sqs:SendMessage"], queue_arn):
        return failed(
            Cause.RULE_ROLE_BROKEN,
            f"the role {role_arn} may not sqs:SendMessage to {queue_arn}",
            "restore the permission, then 'jitr redrive' for the events that were lost",
        )
    return ok(f"{queue_arn.rsplit(':', 1)[-1]}; the role may send")


def _deployed_ca(case: Case) -> DeployedCa | None:
    ca = case.ca.issuer.ca
    return next(
        (ours for ours in case.pipeline.deployment.cas if ca and ours.certificate_id == ca.ca_id), None
    )


def _rule(case: Case) -> Rule | None:
    ca = _deployed_ca(case)
    return case.pipeline.rule(ca.rule) if ca else None


def _same_queue(one: str, other: str) -> bool:
    """Compare account and name: the host part of a queue's URL differs between callers."""
    return one.rsplit("/", 2)[-2:] == other.rsplit("/", 2)[-2:]


def _covers(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT topic filter matches a topic (MQTT 5.0, section 4.7.1)."""
    filters, levels = topic_filter.split("/"), topic.split("/")
    for position, each in enumerate(filters):
        if each == "#":
            return True
        if position >= len(levels) or each not in {"+", levels[position]}:
            return False
    return len(filters) == len(levels)
