"""A chat channel gets a message for each device that is refused, by an incoming webhook such as Slack's."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager

from iot_jitr import AllowList, CaConfiguration, JitrPipeline, OutcomeEvents, Reason, SecretSigner

HERE = Path(__file__).parent

app = cdk.App()
stack = cdk.Stack(app, "Factory")
pipeline = JitrPipeline(
    stack,
    "Jitr",
    cas=[
        CaConfiguration(
            name="Factory",
            certificate=HERE / "ca.pem",
            signer=SecretSigner("iot-jitr/factory-ca-key"),
            revocation="none",
        )
    ],
    admission=AllowList(),
    outcome_events=OutcomeEvents(),
)

# The address alone allows writing to the channel, so it is a secret. Store it before the deployment.
webhook = secretsmanager.Secret.from_secret_name_v2(stack, "Webhook", "iot-jitr/webhook")
notify = lambda_.Function(
    stack,
    "Notify",
    description="Tells the channel of a refused device",
    runtime=lambda_.Runtime.PYTHON_3_13,
    architecture=lambda_.Architecture.ARM_64,
    handler="notify.handle",
    code=lambda_.Code.from_asset(str(HERE / "function")),
    environment={"WEBHOOK_SECRET": webhook.secret_name},
    timeout=cdk.Duration.seconds(10),
)
webhook.grant_read(notify)
pipeline.on_refused(
    "Refused",
    description="Tells the channel of devices that somebody should look at",
    reason=[Reason.NOT_LISTED, Reason.BAD_SIGNATURE, Reason.EXPIRED],
    target=targets.LambdaFunction(notify),
)
app.synth()
