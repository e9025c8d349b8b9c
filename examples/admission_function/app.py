"""Your own function decides which of the devices with a certificate in order are expected."""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

from iot_jitr import AdmissionFunction, CaConfiguration, JitrPipeline, SecretSigner, ThingRegistration

HERE = Path(__file__).parent

app = cdk.App()
stack = cdk.Stack(app, "Factory")
expected = lambda_.Function(
    stack,
    "Expected",
    description="Which devices are expected",
    runtime=lambda_.Runtime.PYTHON_3_13,
    architecture=lambda_.Architecture.ARM_64,
    handler="expected.handle",
    code=lambda_.Code.from_asset(str(HERE / "function")),
    timeout=cdk.Duration.seconds(3),
)
JitrPipeline(
    stack,
    "Jitr",
    cas=[
        CaConfiguration.from_file(
            HERE / "ca.pem",
            name="Factory",
            signer=SecretSigner("iot-jitr/factory-ca-key"),
            revocation="none",
        )
    ],
    admission=AdmissionFunction(expected, timeout=cdk.Duration.seconds(4)),
    things=ThingRegistration(),
)
app.synth()
