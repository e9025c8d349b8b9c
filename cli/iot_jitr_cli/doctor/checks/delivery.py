"""From the registration event to the activator: rule, role, queue, event source mapping."""

import json
import re
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import topic_matches_sub

from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.finding import REVERT_DRIFT, Finding, check, failed, ok, required
from iot_jitr_cli.doctor.pipeline import Queue
from iot_jitr_cli.doctor.reading import aws_call
from iot_jitr_runtime.events import TOPIC_PREFIX
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef

_TOPIC = re.compile(r"""FROM\s+['"](?P<topic>[^'"]+)['"]""", re.IGNORECASE)
_REVERT_AND_REDRIVE = f"{REVERT_DRIFT}; then 'jitr redrive' for what it missed"


@check("rule", "topic rule", Cause.RULE_MISSING, Cause.RULE_DISABLED, Cause.RULE_ON_ANOTHER_TOPIC)
def check_rule(case: Case) -> Finding:
    """The CA's topic rule exists, is enabled and selects the CA's registration events."""
    ca = required(case.deployed_ca, "the CA is not of this deployment")
    rule = case.rule
    if rule is None:
        return failed(Cause.RULE_MISSING, f"there is no topic rule '{ca.rule}'", _REVERT_AND_REDRIVE)
    expected = f"{TOPIC_PREFIX}{ca.certificate_id}"
    found = _TOPIC.search(rule["sql"])
    topic = found["topic"] if found else ""
    if not topic_matches_sub(topic, expected):
        return failed(
            Cause.RULE_ON_ANOTHER_TOPIC,
            f"rule '{ca.rule}' selects from '{topic}', the events are published on '{expected}'",
            f"let the rule select from '{expected}' again",
        )
    if rule.get("ruleDisabled"):
        return failed(
            Cause.RULE_DISABLED,
            f"rule '{ca.rule}' is disabled: events since then are lost",
            f"aws iot enable-topic-rule --rule-name {ca.rule}, then 'jitr redrive' for what it missed",
        )
    return ok(f"'{ca.rule}' is enabled and selects from '{topic}'")


@check(
    "rule.target",
    "topic rule → activation queue",
    Cause.QUEUE_MISSING,
    Cause.RULE_SENDS_ELSEWHERE,
    Cause.RULE_ROLE_BROKEN,
)
def check_rule_target(case: Case) -> Finding:
    """The rule sends to the activation queue, and its role allows it."""
    rule = required(case.rule, "no rule to check")
    queue = case.pipeline.activation_queue
    if queue is None:
        url = case.pipeline.output(Output.ACTIVATION_QUEUE_URL)
        return failed(Cause.QUEUE_MISSING, f"there is no queue {url}", _REVERT_AND_REDRIVE)
    target = next((action["sqs"] for action in rule.get("actions", []) if "sqs" in action), None)
    if target is None or not _same_queue(target["queueUrl"], queue.url):
        return failed(
            Cause.RULE_SENDS_ELSEWHERE,
            f"the rule sends to {target['queueUrl'] if target else 'no queue'}, not to {queue.url}",
            f"restore the rule's SQS action on {queue.url}",
        )
    return _role(case, target["roleArn"], queue.arn)


@check("event_source", "activation queue → activator", Cause.EVENT_SOURCE_DISABLED)
def check_event_source(case: Case) -> Finding:
    """Lambda reads the activation queue for the activator."""
    mapping = _event_source(case, required(case.pipeline.activation_queue, "no queue to check"))
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


def _role(case: Case, role_arn: str, queue_arn: str) -> Finding:
    trusted = _trusted_services(case, role_arn)
    if trusted is None:
        return failed(
            Cause.RULE_ROLE_BROKEN,
            f"the rule's role {role_arn} does not exist",
            _REVERT_AND_REDRIVE,
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


def _event_source(case: Case, queue: Queue) -> "EventSourceMappingConfigurationTypeDef | None":
    """The mapping from the activation queue to the activator; None if there is none."""
    pages = case.session.client("lambda").get_paginator("list_event_source_mappings")
    with aws_call("lambda:ListEventSourceMappings"):
        found = pages.paginate(FunctionName=case.pipeline.output(Output.ACTIVATOR_FUNCTION))
        mappings = [mapping for page in found for mapping in page["EventSourceMappings"]]
    return next((each for each in mappings if each.get("EventSourceArn") == queue.arn), None)


def _trusted_services(case: Case, role_arn: str) -> set[str] | None:
    """The services that may assume the role; None if there is no such role."""
    iam = case.session.client("iam")
    with aws_call("iam:GetRole"):
        try:
            found = iam.get_role(RoleName=role_arn.rsplit("/", 1)[-1])["Role"]
        except iam.exceptions.NoSuchEntityException:
            return None
    document: Any = found["AssumeRolePolicyDocument"]
    parsed = json.loads(document) if isinstance(document, str) else document
    statements = parsed.get("Statement", [])
    trusted: set[str] = set()
    for statement in [statements] if isinstance(statements, dict) else statements:
        principal = statement.get("Principal", {})
        if statement.get("Effect") == "Allow" and isinstance(principal, dict):
            services = principal.get("Service", [])
            trusted |= {services} if isinstance(services, str) else set(services)
    return trusted


def _same_queue(one: str, other: str) -> bool:
    """Compare account and name: the host part of a queue's URL differs between callers."""
    return one.rsplit("/", 2)[-2:] == other.rsplit("/", 2)[-2:]
