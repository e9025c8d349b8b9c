"""Faults of a deployed pipeline, made in the local cloud and undone again."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime import environment
from iot_jitr_runtime.ca_registration.lifecycle import IN_ANOTHER_ACCOUNT
from iot_jitr_runtime.ca_registration.properties import RESOURCE_TYPE
from iot_jitr_runtime.ledger_table import KEY
from iot_jitr_runtime.rate_limiter import NEXT_SLOT, RATE_LIMITER_KEY
from iot_jitr_runtime.stack_outputs import Output
from tests.support.admission_function import create_admission_function
from tests.support.cloud import TIME_LIMIT, Cloud

CA_OUTPUT = "LabCaCertificateId"
RULE_OUTPUT = "LabRule"


@contextmanager
def undone(do: Callable[[], object], undo: Callable[[], object]) -> Iterator[None]:
    """Make a change and undo it at the end."""
    do()
    try:
        yield
    finally:
        undo()


def ca_switched(cloud: Cloud, **change: str) -> AbstractContextManager[None]:
    """The CA with another status or auto-registration."""
    update = partial(cloud.client("iot").update_ca_certificate, certificateId=cloud.outputs[CA_OUTPUT])
    return undone(
        partial(update, **change),
        partial(update, newStatus="ACTIVE", newAutoRegistrationStatus="ENABLE"),
    )


def _rule(cloud: Cloud) -> dict[str, Any]:
    """The topic rule as `CreateTopicRule` takes it."""
    rule = cloud.client("iot").get_topic_rule(ruleName=cloud.outputs[RULE_OUTPUT])["rule"]
    keys = ("sql", "description", "actions", "ruleDisabled", "awsIotSqlVersion", "errorAction")
    return {key: rule[key] for key in keys if key in rule}


def rule_changed(cloud: Cloud, change: Callable[[dict[str, Any]], None]) -> AbstractContextManager[None]:
    """The topic rule after `change` of its payload."""
    replace = partial(cloud.client("iot").replace_topic_rule, ruleName=cloud.outputs[RULE_OUTPUT])
    payload = _rule(cloud)
    broken = deepcopy(payload)
    change(broken)
    return undone(partial(replace, topicRulePayload=broken), partial(replace, topicRulePayload=payload))


def rule_deleted(cloud: Cloud) -> AbstractContextManager[None]:
    """No topic rule."""
    iot, name, payload = cloud.client("iot"), cloud.outputs[RULE_OUTPUT], _rule(cloud)
    return undone(
        partial(iot.delete_topic_rule, ruleName=name),
        partial(iot.create_topic_rule, ruleName=name, topicRulePayload=payload),
    )


def role_without(cloud: Cloud, role_arn: str, *actions: str) -> AbstractContextManager[None]:
    """The role's own policies without these actions."""
    iam, role = cloud.client("iam"), role_arn.rsplit("/", 1)[-1]
    names = iam.list_role_policies(RoleName=role)["PolicyNames"]
    kept = {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}

    def put(documents: dict[str, Any]) -> None:
        for name, document in documents.items():
            if document["Statement"]:
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))
            else:
                iam.delete_role_policy(RoleName=role, PolicyName=name)

    without = {name: _without(document, actions) for name, document in kept.items()}
    return undone(partial(put, without), partial(put, kept))


def role_with(cloud: Cloud, role_arn: str, action: str, resource: str) -> AbstractContextManager[None]:
    """The role with one permission more."""
    iam, policy = cloud.client("iam"), {"RoleName": role_arn.rsplit("/", 1)[-1], "PolicyName": "more"}
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return undone(
        partial(iam.put_role_policy, PolicyDocument=document, **policy),
        partial(iam.delete_role_policy, **policy),
    )


def _without(document: dict[str, Any], actions: tuple[str, ...]) -> dict[str, Any]:
    statements = []
    for statement in document["Statement"]:
        listed = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        left = [action for action in listed if action not in actions]
        if left:
            statements.append({**statement, "Action": left})
    return {**document, "Statement": statements}


def rule_role(cloud: Cloud) -> str:
    """The role that the topic rule takes."""
    rule = cloud.client("iot").get_topic_rule(ruleName=cloud.outputs[RULE_OUTPUT])["rule"]
    return str(rule["actions"][0]["sqs"]["roleArn"])


def activator_role(cloud: Cloud) -> str:
    """The activator's role."""
    functions = cloud.client("lambda")
    name = cloud.outputs[Output.ACTIVATOR_FUNCTION]
    return str(functions.get_function_configuration(FunctionName=name)["Role"])


def event_source_off(cloud: Cloud) -> AbstractContextManager[None]:
    """The activation queue is not read."""
    functions = cloud.client("lambda")
    name = cloud.outputs[Output.ACTIVATOR_FUNCTION]
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    update = partial(functions.update_event_source_mapping, UUID=mapping["UUID"])
    return undone(partial(update, Enabled=False), partial(update, Enabled=True))


def function_stopped(cloud: Cloud, name: Output = Output.ACTIVATOR_FUNCTION) -> AbstractContextManager[None]:
    """The function may not run."""
    functions, function = cloud.client("lambda"), {"FunctionName": cloud.outputs[name]}
    return undone(
        partial(functions.put_function_concurrency, ReservedConcurrentExecutions=0, **function),
        partial(functions.delete_function_concurrency, **function),
    )


def function_broken(cloud: Cloud) -> AbstractContextManager[None]:
    """The activator lacks a setting, and fails."""
    return function_with(
        cloud, lambda variables: {k: v for k, v in variables.items() if k != environment.LEDGER_TABLE}
    )


@contextmanager
def activator_configured(cloud: Cloud, **settings: str | dict[str, Any]) -> Iterator[None]:
    """The activator with other settings; a dictionary is merged into the existing setting.

    Messages that are left in the queue are deleted: another test would receive them.
    """

    def changed(variables: dict[str, str]) -> dict[str, str]:
        values = {
            key: value if isinstance(value, str) else json.dumps(_merged(json.loads(variables[key]), value))
            for key, value in settings.items()
        }
        return {**variables, **values}

    with function_with(cloud, changed):
        yield
        purge(cloud)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    deeper = {
        key: _merged(old[key], value)
        for key, value in new.items()
        if isinstance(value, dict) and isinstance(old.get(key), dict)
    }
    return {**old, **new, **deeper}


def function_with(
    cloud: Cloud,
    change: Callable[[dict[str, str]], dict[str, str]],
    name: Output = Output.ACTIVATOR_FUNCTION,
) -> AbstractContextManager[None]:
    """The function after `change` of its environment variables, in new execution environments."""
    functions, function = cloud.client("lambda"), {"FunctionName": cloud.outputs[name]}
    variables = functions.get_function_configuration(**function)["Environment"]["Variables"]

    def put(settings: dict[str, str]) -> None:
        functions.update_function_configuration(Environment={"Variables": settings}, **function)

    return undone(partial(put, change(variables)), partial(put, variables))


@contextmanager
def long_queue(cloud: Cloud, length: timedelta) -> Iterator[None]:
    """Slots are reserved, so that the next free one is `length` from now."""
    dynamodb, table = cloud.client("dynamodb"), cloud.outputs[Output.LEDGER_TABLE]
    at = int((datetime.now(UTC) + length).timestamp() * 1_000_000)
    dynamodb.put_item(TableName=table, Item={KEY: {"S": RATE_LIMITER_KEY}, NEXT_SLOT: {"N": str(at)}})
    try:
        yield
    finally:
        dynamodb.delete_item(TableName=table, Key={KEY: {"S": RATE_LIMITER_KEY}})
        purge(cloud)


def purge(cloud: Cloud) -> None:
    """Lose every message of the activation queue."""
    cloud.client("sqs").purge_queue(QueueUrl=cloud.outputs[Output.ACTIVATION_QUEUE_URL])


def queue_deleted(cloud: Cloud) -> AbstractContextManager[None]:
    """No activation queue."""
    sqs, url = cloud.client("sqs"), cloud.outputs[Output.ACTIVATION_QUEUE_URL]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    settings = ("DelaySeconds", "MessageRetentionPeriod", "VisibilityTimeout", "RedrivePolicy", "Policy")
    kept = {name: found[name] for name in settings if name in found}
    return undone(
        partial(sqs.delete_queue, QueueUrl=url),
        partial(sqs.create_queue, QueueName=url.rsplit("/", 1)[-1], Attributes=kept),
    )


def register_ca(cloud: Cloud, ca: DevelopmentCa, **more: Any) -> None:
    """Register a CA past the stack."""
    cloud.client("iot").register_ca_certificate(
        caCertificate=ca.certificate.pem,
        certificateMode="SNI_ONLY",
        setAsActive=True,
        allowAutoRegistration=True,
        **more,
    )


_REFUSAL = f"""
import json, urllib.request

def handle(event, context):
    reason = "Error: {IN_ANOTHER_ACCOUNT}: in mode DEFAULT only one account of a region may hold it"
    same = {{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}}
    answer = {{**same, "Status": "FAILED", "Reason": reason, "PhysicalResourceId": "none"}}
    put = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
    urllib.request.urlopen(put, timeout=10)
"""


@contextmanager
def registration_refused(cloud: Cloud, stack: str) -> Iterator[None]:
    """A stack that could not be created, as another account holds its CA."""
    cloudformation = cloud.client("cloudformation")
    function = create_admission_function(cloud.lab.client, f"{stack}-refusal", _REFUSAL)
    ca = {"Type": RESOURCE_TYPE, "Properties": {"ServiceToken": function, "ServiceTimeout": 30}}
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {"Ca": ca}}))
    try:

        def failed() -> bool:
            (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
            return bool(found["StackStatus"] == "ROLLBACK_COMPLETE")

        assert wait_until(failed, limit=TIME_LIMIT, interval=0.1)
        yield
    finally:
        cloudformation.delete_stack(StackName=stack)
