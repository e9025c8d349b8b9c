"""Two CAs in one pipeline: one whose key another stack keeps in Secrets Manager, one whose key is in KMS.

Both keys are imported by their ARN: the pipeline's function may use them, and nothing else of that account.
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager

from iot_jitr import CaConfiguration, CrlUrl, DeploymentOutputs, JitrPipeline

HERE = Path(__file__).parent
CA_KEY_IN_SECRETS_MANAGER = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:factory-ca-key-AbCdEf"
ENCRYPTS_IT = "arn:aws:kms:eu-central-1:111111111111:key/6f1b0c1e-5d7a-4a52-9d5e-0a1b2c3d4e5f"
CA_KEY_IN_KMS = "arn:aws:kms:eu-central-1:111111111111:key/0a1b2c3d-4e5f-4a52-9d5e-6f1b0c1e5d7a"

app = cdk.App()
stack = cdk.Stack(app, "Factory", env=cdk.Environment(account="111111111111", region="eu-central-1"))
secret = secretsmanager.Secret.from_secret_attributes(
    stack,
    "OldCaKey",
    secret_complete_arn=CA_KEY_IN_SECRETS_MANAGER,
    encryption_key=kms.Key.from_key_arn(stack, "EncryptsIt", ENCRYPTS_IT),
)
key = kms.Key.from_key_arn(stack, "NewCaKey", CA_KEY_IN_KMS)

pipeline = JitrPipeline(
    stack,
    "Jitr",
    cas=[
        CaConfiguration.from_file(HERE / "old.pem", name="Old", revocation="none", signer=secret),
        CaConfiguration.from_file(
            HERE / "new.pem",
            name="New",
            revocation=CrlUrl("https://crl.example.com/new.crl", max_age=cdk.Duration.days(2)),
            signer=key,
        ),
    ],
)
DeploymentOutputs(pipeline)
app.synth()
