"""The least that `jitr verify` needs: an IAM policy for one deployment."""

from collections.abc import Sequence
from typing import Any

from iot_jitr_cli.deployment import Deployment
from iot_jitr_runtime.stack_outputs import CA_CERTIFICATE_ARN, CRL_LOCATION, Output

Statement = tuple[str, Sequence[str], Sequence[str]]
"""Sid, actions, resources."""


def minimal_policy(deployment: Deployment) -> dict[str, Any]:
    """The IAM policy for a run against this deployment, `--publish-crl` included.

    A device cannot be named before it exists, so some actions are allowed on all certificates of the
    account: give this policy only to a role that may also deploy.
    """
    arn = deployment.outputs[f"{deployment.cas[0].name}{CA_CERTIFICATE_ARN}"]
    _, partition, _, region, account, _ = arn.split(":", 5)

    def named(service: str, *resources: str) -> list[str]:
        return [f"arn:{partition}:{service}:{region}:{account}:{resource}" for resource in resources]

    def queue(output: Output) -> list[str]:
        return named("sqs", deployment[output].rsplit("/", 1)[-1])

    statements: list[Statement] = [
        (
            "WithoutResource",
            ["iot:DescribeEndpoint", "iot:ListAttachedPolicies", "iot:ListPrincipalThings"],
            ["*"],
        ),
        (
            "Certificates",
            [
                *("iot:DescribeCertificate", "iot:UpdateCertificate", "iot:DeleteCertificate"),
                *("iot:DetachPolicy", "iot:DetachThingPrincipal"),
            ],
            named("iot", "cert/*"),
        ),
        ("CaCertificates", ["iot:DescribeCACertificate"], named("iot", "cacert/*")),
        ("Things", ["iot:DeleteThing"], named("iot", "thing/*")),
        (
            "Stack",
            ["cloudformation:DescribeStacks"],
            named("cloudformation", f"stack/{deployment.stack_name}/*"),
        ),
        ("ActivationQueue", ["sqs:SendMessage"], queue(Output.ACTIVATION_QUEUE_URL)),
        ("DeadLetters", ["sqs:ReceiveMessage", "sqs:DeleteMessage"], queue(Output.DEAD_LETTER_QUEUE_URL)),
        (
            "Ledger",
            ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
            named("dynamodb", f"table/{deployment[Output.LEDGER_TABLE]}"),
        ),
    ]
    if (table := deployment.get(Output.ALLOW_LIST_TABLE)) is not None:
        actions = ["dynamodb:GetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"]
        statements.append(("AllowList", actions, named("dynamodb", f"table/{table}")))
    if (domain := deployment.get(Output.CONNECT_GUARD_DOMAIN_CONFIGURATION)) is not None:
        resource = named("iot", f"domainconfiguration/{domain}/*")
        group = f"log-group:{deployment[Output.CONNECT_GUARD_LOG_GROUP]}"
        statements.append(("GuardLog", ["logs:FilterLogEvents"], named("logs", group, f"{group}:*")))
        statements.append(("GuardedDomain", ["iot:DescribeDomainConfiguration"], resource))
    if deployment.get(Output.DEVICE_POLICY_NAME) is None:
        actions = ["iot:DeletePolicy", "iot:DeletePolicyVersion", "iot:ListPolicyVersions"]
        statements.append(("DevicePolicies", actions, named("iot", "policy/*")))
    if (bucket := deployment.get(Output.REVOCATION_BUCKET)) is not None:
        s3 = f"arn:{partition}:s3:::"
        crls = [f"{s3}{each.removeprefix('s3://')}*" for each in _crl_locations(deployment)]
        statements.append(("Indexes", ["s3:GetObject"], [f"{s3}{bucket}/*"]))
        if crls:
            statements.append(("Crls", ["s3:GetObject", "s3:PutObject"], crls))
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Allow", "Action": [*actions], "Resource": [*resources]}
            for sid, actions, resources in statements
        ],
    }


def _crl_locations(deployment: Deployment) -> list[str]:
    """Those in S3."""
    locations = [deployment.outputs.get(f"{ca.name}{CRL_LOCATION}", "") for ca in deployment.cas]
    return [location for location in locations if location.startswith("s3://")]
