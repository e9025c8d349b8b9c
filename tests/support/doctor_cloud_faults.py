"""What can go wrong with a deployed pipeline, done to the local cloud and undone again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from iot_jitr_cli.lab.process import wait_until
from iot_jitr_runtime import environment
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import PATIENCE, Cloud

CA_OUTPUT = "LabCaCertificateId"
RULE_OUTPUT = "LabRule"


@contextmanager
def ca_switched(cloud: Cloud, **change: str) -> Iterator[None]:
    """The CA with another status or auto-registration."""
    iot, ca_id = cloud.client("iot"), cloud.outputs[CA_OUTPUT]
    iot.update_ca_certificate(certificateId=ca_id, **change)
    try:
        yield
    finally:
        iot.update_ca_certificate(certificateId=ca_id, newStatus="ACTIVE", newAutoRegistrationStatus="ENABLE")


@contextmanager
def rule_changed(cloud: Cloud, change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """The topic rule after `change` of its payload."""
    iot, name = cloud.client("iot"), cloud.outputs[RULE_OUTPUT]
    rule = iot.get_topic_rule(ruleName=name)["rule"]
    keys = ("sql", "description", "actions", "ruleDisabled", "awsIotSqlVersion", "errorAction")
    payload = {key: rule[key] for key in keys if key in rule}
    broken = json.loads(json.dumps(payload))
    change(broken)
    iot.replace_topic_rule(ruleName=name, topicRulePayload=broken)
    try:
        yield
    finally:
        iot.replace_topic_rule(ruleName=name, topicRulePayload=payload)


@contextmanager
def rule_deleted(cloud: Cloud) -> Iterator[None]:
    """No topic rule."""
    iot, name = cloud.client("iot"), cloud.outputs[RULE_OUTPUT]
    rule = iot.get_topic_rule(ruleName=name)["rule"]
    iot.delete_topic_rule(ruleName=name)
    try:
        yield
    finally:
        keys = ("sql", "description", "actions", "awsIotSqlVersion", "errorAction")
        iot.create_topic_rule(ruleName=name, topicRulePayload={key: rule[key] for key in keys})


@contextmanager
def role_without(cloud: Cloud, role_arn: str, *actions: str) -> Iterator[None]:
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

    put({name: _without(document, actions) for name, document in kept.items()})
    try:
        yield
    finally:
        put(kept)


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


@contextmanager
def event_source_off(cloud: Cloud) -> Iterator[None]:
    """Nobody reads the activation queue."""
    functions = cloud.client("lambda")
    name = cloud.outputs[Output.ACTIVATOR_FUNCTION]
    (mapping,) = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    try:
        yield
    finally:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@contextmanager
def function_stopped(cloud: Cloud) -> Iterator[None]:
    """The activator may not run."""
    functions, name = cloud.client("lambda"), cloud.outputs[Output.ACTIVATOR_FUNCTION]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        yield
    finally:
        functions.delete_function_concurrency(FunctionName=name)


@contextmanager
def function_broken(cloud: Cloud) -> Iterator[None]:
    """The activator lacks a setting, and fails."""
    functions, name = cloud.client("lambda"), cloud.outputs[Output.ACTIVATOR_FUNCTION]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    broken = {key: value for key, value in variables.items() if key != environment.LEDGER_TABLE}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": broken})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def wait_for_log(cloud: Cloud, text: str) -> None:
    """Wait until the activator's log holds `text`."""
    logs, group = cloud.client("logs"), cloud.outputs[Output.ACTIVATOR_LOG_GROUP]

    def there() -> bool:
        return bool(logs.filter_log_events(logGroupName=group, filterPattern=f'"{text}"')["events"])

    assert wait_until(there, limit=PATIENCE, interval=0.2)
