"""Outcome events on the local cloud: a function of another stack receives an activation and a refusal."""

import json
from dataclasses import dataclass, field
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template
from jsonschema import Draft202012Validator

from iot_jitr import JitrPipeline
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime.ledger import KEY
from iot_jitr_runtime.outcome_events import OWED_EVENTS, OWED_SINCE
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import TIME_LIMIT, Cloud
from tests.support.doctor_cloud_faults import role_without
from tests.support.outcome_schema import SCHEMA

TEAM = "team"
FUNCTION = """
import json, os
import boto3

def handle(event, _context):
    boto3.client("dynamodb").put_item(
        TableName=os.environ["TABLE"],
        Item={"id": {"S": event["id"]}, "event": {"S": json.dumps(event)}},
    )
"""


@dataclass
class Team:
    """Another team's stack on the same cloud: a function that writes each event into a table."""

    cloud: Cloud
    table: str
    events: dict[str, dict[str, Any]] = field(default_factory=dict)

    def told(self, certificate_id: str, *outcomes: str) -> list[dict[str, Any]]:
        """Wait until the function has received so many events of a certificate; return them, oldest first."""

        def heard() -> list[dict[str, Any]]:
            items = self.cloud.client("dynamodb").scan(TableName=self.table, ConsistentRead=True)["Items"]
            found = [json.loads(item["event"]["S"]) for item in items]
            ours = [each for each in found if each["detail"]["certificateId"] == certificate_id]
            return sorted(ours, key=lambda each: str(each["detail"]["decidedAt"]))

        assert wait_until(lambda: len(heard()) >= len(outcomes), limit=TIME_LIMIT, interval=0.1), heard()
        events = heard()
        assert [each["detail"]["outcome"] for each in events] == [*outcomes]
        for each in events:
            Draft202012Validator(SCHEMA).validate(each["detail"])
        return events


@pytest.fixture(scope="module")
def team(asking_cloud: Cloud) -> Team:
    template = teams_template(asking_cloud.outputs)
    cloudformation = asking_cloud.client("cloudformation")
    cloudformation.create_stack(
        StackName=TEAM, TemplateBody=json.dumps(template), Capabilities=["CAPABILITY_IAM"]
    )

    def status() -> str:
        return str(cloudformation.describe_stacks(StackName=TEAM)["Stacks"][0]["StackStatus"])

    assert wait_until(lambda: status() == "CREATE_COMPLETE", limit=TIME_LIMIT, interval=0.2), status()
    [output] = cloudformation.describe_stacks(StackName=TEAM)["Stacks"][0]["Outputs"]
    return Team(asking_cloud, output["OutputValue"])


def teams_template(outputs: dict[str, str]) -> dict[str, Any]:
    """The stack of the other team, as its own app synthesizes it with the outputs of the pipeline's stack."""
    stack = cdk.Stack(cdk.App(), TEAM, synthesizer=cdk.LegacyStackSynthesizer())
    table = dynamodb.Table(
        stack, "Heard", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
    )
    hear = lambda_.Function(
        stack,
        "Hear",
        runtime=lambda_.Runtime.PYTHON_3_13,
        handler="index.handle",
        code=lambda_.Code.from_inline(FUNCTION),
        environment={"TABLE": table.table_name},
    )
    table.grant_write_data(hear)
    pipeline = JitrPipeline.from_stack_outputs(stack, "Jitr", outputs)
    pipeline.on_activated("Activated", target=targets.LambdaFunction(hear))  # type: ignore[arg-type]
    pipeline.on_refused(
        "Refused",
        target=targets.LambdaFunction(hear),  # type: ignore[arg-type]
        reason=[Reason.EXPIRED, Reason.BAD_SIGNATURE],
    )
    cdk.CfnOutput(stack, "Table", value=table.table_name)
    return dict(Template.from_stack(stack).to_json())


def owed(cloud: Cloud, certificate_id: str) -> list[str]:
    item = cloud.client("dynamodb").get_item(
        TableName=cloud.outputs[Output.LEDGER_TABLE], Key={KEY: {"S": certificate_id}}, ConsistentRead=True
    )["Item"]
    return list(item.get(OWED_EVENTS, {}).get("SS", []))


def test_a_function_of_another_stack_receives_an_activation(asking_cloud: Cloud, team: Team) -> None:
    device = asking_cloud.admit_device("told-of-its-activation")

    [event] = team.told(device.certificate.fingerprint, "activated")

    row = asking_cloud.row(device.certificate.fingerprint)
    assert row is not None
    assert (event["source"], event["detail-type"]) == ("iot-jitr", "Certificate Activated")
    detail = event["detail"]
    assert detail["pipeline"] == asking_cloud.outputs[Output.SERVICE_NAME]
    assert (detail["commonName"], detail["serialNumber"]) == ("told-of-its-activation", row.serial_number)
    assert wait_until(
        lambda: not owed(asking_cloud, device.certificate.fingerprint), limit=TIME_LIMIT, interval=0.1
    )


def test_a_function_of_another_stack_receives_a_refusal(asking_cloud: Cloud, team: Team) -> None:
    device = asking_cloud.ca.issue(DeviceSpec("told-of-its-refusal", validity=Validity.expired()))
    certificate_id = asking_cloud.plant(device)

    asking_cloud.send_event(certificate_id)

    [event] = team.told(certificate_id, "refused")
    assert event["detail"]["reason"] == "expired"
    assert event["detail"]["commonName"] == "told-of-its-refusal"


def test_events_that_could_not_be_published_are_published_by_the_reconciler(
    asking_cloud: Cloud, team: Team
) -> None:
    """IAM is enforced: the device is activated, the event is owed, and published with the right back."""
    with role_without(asking_cloud, asking_cloud.outputs[Output.ACTIVATOR_ROLE], "events:PutEvents"):
        device = asking_cloud.admit_device("told-later")
        certificate_id = device.certificate.fingerprint
        asking_cloud.wait_for_state(certificate_id, "activated")
        asking_cloud.wait_for_log(Output.ACTIVATOR_LOG_GROUP, "events_unpublished")
        assert len(owed(asking_cloud, certificate_id)) == 1
    asking_cloud.client("dynamodb").update_item(
        TableName=asking_cloud.outputs[Output.LEDGER_TABLE],
        Key={KEY: {"S": certificate_id}},
        UpdateExpression=f"SET {OWED_SINCE} = :long_ago",
        ExpressionAttributeValues={":long_ago": {"N": "1"}},
    )

    asking_cloud.reconcile()

    team.told(certificate_id, "activated")
    assert owed(asking_cloud, certificate_id) == []
