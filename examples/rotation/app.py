"""A CA on its way out and its successor, side by side, while devices move from one to the other.

Deploy three times:

1. `Old` alone.
2. Both, as below: active devices of `Old` stay active, and new devices have a certificate of `New`.
3. `New` alone, when no device uses `Old` any more (`aws iot list-certificates-by-ca` names them). `on_delete`
   then decides what becomes of the registration.
"""

from pathlib import Path

import aws_cdk as cdk

from iot_jitr import (
    CaConfiguration,
    JitrPipeline,
    OnDelete,
    SecretSigner,
)

HERE = Path(__file__).parent

app = cdk.App()
stack = cdk.Stack(app, "Factory")
pipeline = JitrPipeline(
    stack,
    "Jitr",
    cas=[
        CaConfiguration.from_file(
            HERE / "old.pem",
            name="Old",
            signer=SecretSigner("iot-jitr/old-ca-key"),
            revocation="none",
            # It registers no new devices. Its active devices stay active and keep their policy.
            auto_registration=False,
            on_delete=OnDelete.DEACTIVATE,
        ),
        CaConfiguration.from_file(
            HERE / "new.pem",
            name="New",
            signer=SecretSigner("iot-jitr/new-ca-key"),
            revocation="none",
        ),
    ],
)
for name, ca in pipeline.cas.items():
    cdk.CfnOutput(stack, f"{name}NotAfter", value=ca.not_after)
app.synth()
