"""What can go wrong with a deployed pipeline, done to the local cloud and undone again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime import environment
from iot_jitr_runtime.ca_registration.lifecycle import IN_ANOTHER_ACCOUNT
from iot_jitr_runtime.ca_registration.properties import RESOURCE_TYPE
from iot_jitr_runtime.ledger.rows import KEY
from iot_jitr_runtime.rate_limiter import NEXT_SLOT, RATE_LIMITER_KEY
from iot_jitr_runtime.stack_outputs import Output
from tests.support.admission_function import create_admission_function
from tests.support.cloud import TIME_LIMIT, Cloud

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


@contextmanager
def role_with(cloud: Cloud, role_arn: str, action: str, resource: str) -> Iterator[None]:
    """The role with one permission more."""
    iam, role = cloud.client("iam"), role_arn.rsplit("/", 1)[-1]
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_role_policy(RoleName=role, PolicyName="more", PolicyDocument=document)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="more")


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

    def lacking(variables: dict[str, str]) -> dict[str, str]:
        return {key: value for key, value in variables.items() if key != environment.LEDGER_TABLE}

    with _activator_with(cloud, lacking):
        yield


@contextmanager
def activator_configured(cloud: Cloud, **settings: str | dict[str, Any]) -> Iterator[None]:
    """The activator with other settings; what is a dictionary is merged into the setting that it has.

    What waits in the queue in the end is taken away: it would come back in another test.
    """

    def changed(variables: dict[str, str]) -> dict[str, str]:
        values = {
            key: value if isinstance(value, str) else json.dumps(_merged(json.loads(variables[key]), value))
            for key, value in settings.items()
        }
        return {**variables, **values}

    with _activator_with(cloud, changed):
        yield
        purge(cloud)


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    deeper = {
        key: _merged(old[key], value)
        for key, value in new.items()
        if isinstance(value, dict) and isinstance(old.get(key), dict)
    }
    return {**old, **new, **deeper}


@contextmanager
def _activator_with(cloud: Cloud, change: Callable[[dict[str, str]], dict[str, str]]) -> Iterator[None]:
    functions, name = cloud.client("lambda"), cloud.outputs[Output.ACTIVATOR_FUNCTION]
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": change(variables)})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


@contextmanager
def long_queue(cloud: Cloud, length: timedelta) -> Iterator[None]:
    """So many slots are reserved that the next one is `length` away."""
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


@contextmanager
def queue_deleted(cloud: Cloud) -> Iterator[None]:
    """No activation queue."""
    sqs, url = cloud.client("sqs"), cloud.outputs[Output.ACTIVATION_QUEUE_URL]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    settings = ("DelaySeconds", "MessageRetentionPeriod", "VisibilityTimeout", "RedrivePolicy", "Policy")
    sqs.delete_queue(QueueUrl=url)
    try:
        yield
    finally:
        kept = {name: found[name] for name in settings if name in found}
        sqs.create_queue(QueueName=url.rsplit("/", 1)[-1], Attributes=kept)


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


def wait_for_log(cloud: Cloud, text: str) -> None:
    """Wait until the activator's log holds `text`."""
    logs, group = cloud.client("logs"), cloud.outputs[Output.ACTIVATOR_LOG_GROUP]

    def there() -> bool:
        return bool(logs.filter_log_events(logGroupName=group, filterPattern=f'"{text}"')["events"])

    assert wait_until(there, limit=TIME_LIMIT, interval=0.2)
