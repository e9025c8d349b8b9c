"""The least that it takes: one CA whose key is in Secrets Manager, in a stack of your own."""

from pathlib import Path

import aws_cdk as cdk

from iot_jitr import CaConfiguration, JitrPipeline, SecretSigner

CA = Path(__file__).with_name("ca.pem")

app = cdk.App()
stack = cdk.Stack(app, "Factory")
JitrPipeline(
    stack,
    "Jitr",
    cas=[
        CaConfiguration.from_file(
            CA,
            name="Factory",
            signer=SecretSigner("iot-jitr/factory-ca-key"),
            revocation="none",
        )
    ],
)
app.synth()
