"""An asset database in a stack of its own records each device that is activated, revoked or released."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from iot_jitr import CaConfiguration, JitrPipeline, OutcomeEvents, SecretSigner, ThingRegistration

HERE = Path(__file__).parent

app = cdk.App()
factory = cdk.Stack(app, "Factory")
pipeline = JitrPipeline(
    factory,
    "Jitr",
    cas=[
        CaConfiguration(
            name="Factory",
            certificate=HERE / "ca.pem",
            signer=SecretSigner("iot-jitr/factory-ca-key"),
            revocation="none",
        )
    ],
    things=ThingRegistration(),
    outcome_events=OutcomeEvents(),
)

assets = cdk.Stack(app, "Assets")
table = dynamodb.Table(
    assets,
    "Table",
    partition_key=dynamodb.Attribute(name="commonName", type=dynamodb.AttributeType.STRING),
    billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
)
record = lambda_.Function(
    assets,
    "Record",
    description="Writes what has become of a device into the asset database",
    runtime=lambda_.Runtime.PYTHON_3_13,
    architecture=lambda_.Architecture.ARM_64,
    handler="record.handle",
    code=lambda_.Code.from_asset(str(HERE / "function")),
    environment={"TABLE": table.table_name},
    timeout=cdk.Duration.seconds(10),
)
table.grant_write_data(record)
missed = sqs.Queue(assets, "Missed", enforce_ssl=True, retention_period=cdk.Duration.days(14))
pipeline.on_outcome(
    "Assets",
    description="Tells the asset database what has become of each device",
    event_pattern=events.EventPattern(
        detail={
            "outcome": ["activated", "revoked", "suspended", "released"],
            "commonName": [{"exists": True}],
        }
    ),
    target=targets.LambdaFunction(record, dead_letter_queue=missed),
    cross_stack_scope=assets,
)
app.synth()
