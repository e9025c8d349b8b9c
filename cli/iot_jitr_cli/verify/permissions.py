"""The least-privilege IAM policy of `jitr verify`."""

from typing import Any

from iot_jitr_cli.least_policy import Resources, policy_document
from iot_jitr_runtime.stack_outputs import CRL_LOCATION, Output

WITHOUT_RESOURCE = ("iot:DescribeEndpoint", "iot:ListAttachedPolicies", "iot:ListPrincipalThings")
"""Actions without a resource (Service Authorization Reference), and `ListPrincipalThings`, whose resource is
the certificate: the local cloud checks it against `*`."""
_CERTIFICATES = (
    *("iot:DescribeCertificate", "iot:UpdateCertificate", "iot:DeleteCertificate"),
    *("iot:DetachPolicy", "iot:DetachThingPrincipal"),
)
_POLICIES = ("iot:DeletePolicy", "iot:DeletePolicyVersion", "iot:ListPolicyVersions")
_LEDGER = ("dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
_ALLOW_LIST = ("dynamodb:GetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem")


def minimal_policy(deployed: Resources) -> dict[str, Any]:
    """The IAM policy for a run against this deployment, `--publish-crl` included.

    The ARN of a device's certificate is not known in advance, so some actions are allowed on all certificates
    of the account: give this policy only to a role that may also deploy.
    """
    deployment, arns, s3 = deployed.deployment, deployed.arns, f"arn:{deployed.partition}:s3:::"
    domain = deployment.get(Output.CONNECT_GUARD_DOMAIN_CONFIGURATION)
    domains = [] if domain is None else [f"domainconfiguration/{domain}/*"]
    own_policies = [] if deployment.get(Output.DEVICE_POLICY_NAME) else ["policy/*"]
    bucket = deployment.get(Output.REVOCATION_BUCKET)
    locations = [deployment.outputs.get(f"{ca.name}{CRL_LOCATION}", "") for ca in deployment.cas]
    crls = [f"{s3}{each.removeprefix('s3://')}*" for each in locations if each.startswith("s3://")]
    statements = [
        ("WithoutResource", WITHOUT_RESOURCE, ["*"]),
        ("Certificates", _CERTIFICATES, arns("iot", "cert/*")),
        ("CaCertificates", ["iot:DescribeCACertificate"], arns("iot", "cacert/*")),
        ("Things", ["iot:DeleteThing"], arns("iot", "thing/*")),
        ("Stack", ["cloudformation:DescribeStacks"], deployed.stack),
        ("ActivationQueue", ["sqs:SendMessage"], deployed.queues(Output.ACTIVATION_QUEUE_URL)),
        (
            "DeadLetters",
            ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
            deployed.queues(Output.DEAD_LETTER_QUEUE_URL),
        ),
        ("Ledger", _LEDGER, deployed.tables(Output.LEDGER_TABLE)),
        ("AllowList", _ALLOW_LIST, deployed.tables(Output.ALLOW_LIST_TABLE)),
        ("GuardLog", ["logs:FilterLogEvents"], deployed.log_groups(Output.CONNECT_GUARD_LOG_GROUP)),
        ("GuardedDomain", ["iot:DescribeDomainConfiguration"], arns("iot", *domains)),
        ("DevicePolicies", _POLICIES, arns("iot", *own_policies)),
        ("Indexes", ["s3:GetObject"], [f"{s3}{bucket}/*"] if bucket else []),
        ("Crls", ["s3:GetObject", "s3:PutObject"], crls),
    ]
    return policy_document([statement for statement in statements if statement[2]])
