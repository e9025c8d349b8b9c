"""The least-privilege IAM policy of `jitr doctor`: read permissions only."""

from typing import Any

from iot_jitr_cli.deployment import Deployment
from iot_jitr_runtime.stack_outputs import Output

WITHOUT_RESOURCE = (
    "cloudwatch:GetMetricData",
    "iot:DescribeEndpoint",
    "iot:ListAttachedPolicies",
    "iot:ListCACertificates",
    "iot:ListPrincipalThings",
    "lambda:ListEventSourceMappings",
)
"""Actions for which AWS lets no resource be named (Service Authorization Reference)."""
ON_CERTIFICATES = ("iot:DescribeCertificate", "iot:TestAuthorization")
ON_CA_CERTIFICATES = ("iot:DescribeCACertificate",)
ON_CLIENTS = ("iot:GetConnection",)
"""On every client id: the caller may name one."""
ON_POLICIES = ("iot:GetPolicy",)
ON_RULES = ("iot:GetTopicRule",)
ON_STACK = ("cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks")
ON_FUNCTION = ("lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration")
ON_QUEUES = ("sqs:GetQueueAttributes",)
ON_DEAD_LETTERS = ("sqs:ReceiveMessage",)
ON_TABLES = ("dynamodb:GetItem",)
ON_LEDGER = ("dynamodb:Scan",)
"""For `--all`, which reads the whole ledger."""
ON_INDEXES = ("s3:GetObject",)
ON_BUCKET = ("s3:ListBucket",)
"""Without it, S3 answers 403 instead of 404 for a missing index."""
ON_LOGS = ("logs:FilterLogEvents",)
ON_ROLES = ("iam:GetRole", "iam:SimulatePrincipalPolicy")
_ROLES = (Output.ACTIVATOR_ROLE, Output.RULES_ROLE)
"""The roles that are checked. CloudFormation shortens their names, so they need not contain the stack's."""


def minimal_policy(
    deployment: Deployment, account: str, index_bucket: str | None = None, partition: str = "aws"
) -> dict[str, Any]:
    """The IAM policy that makes every check of this deployment possible, and nothing else.

    Args:
        deployment: What is deployed.
        account: Its account.
        index_bucket: Name of the bucket with the revocation indexes; None where no CA has a CRL.
        partition: `aws`, or that of another part of the world.
    """
    region, stack = deployment.region, deployment.stack_name

    def arn(service: str, resource: str, where: str = region) -> str:
        return f"arn:{partition}:{service}:{where}:{account}:{resource}"

    queues = [deployment[Output.ACTIVATION_QUEUE_URL], deployment[Output.DEAD_LETTER_QUEUE_URL]]
    activation, dead_letters = (arn("sqs", url.rsplit("/", 1)[-1]) for url in queues)
    log_group = arn("logs", f"log-group:{deployment[Output.ACTIVATOR_LOG_GROUP]}")
    tables = [deployment[Output.LEDGER_TABLE], deployment.get(Output.ALLOW_LIST_TABLE)]
    statements = [
        ("WithoutResource", WITHOUT_RESOURCE, ["*"]),
        ("Certificates", ON_CERTIFICATES, [arn("iot", "cert/*")]),
        ("CaCertificates", ON_CA_CERTIFICATES, [arn("iot", "cacert/*")]),
        ("Clients", ON_CLIENTS, [arn("iot", "client/*")]),
        ("Policies", ON_POLICIES, [arn("iot", "policy/*")]),
        ("Rules", ON_RULES, [arn("iot", f"rule/{ca.rule}") for ca in deployment.cas]),
        ("Stack", ON_STACK, [arn("cloudformation", f"stack/{stack}/*")]),
        ("Function", ON_FUNCTION, [arn("lambda", f"function:{deployment[Output.ACTIVATOR_FUNCTION]}")]),
        ("Queues", ON_QUEUES, [activation, dead_letters]),
        ("DeadLetters", ON_DEAD_LETTERS, [dead_letters]),
        ("Tables", ON_TABLES, [arn("dynamodb", f"table/{name}") for name in tables if name]),
        ("Ledger", ON_LEDGER, [arn("dynamodb", f"table/{deployment[Output.LEDGER_TABLE]}")]),
        # CloudWatch Logs matches some calls with the streams of a log group and some with the group itself.
        ("Logs", ON_LOGS, [log_group, f"{log_group}:*"]),
        ("Roles", ON_ROLES, [arn("iam", f"role/{deployment[role]}", "") for role in _ROLES]),
    ]
    if index_bucket is not None:
        bucket = f"arn:{partition}:s3:::{index_bucket}"
        statements += [("Indexes", ON_INDEXES, [f"{bucket}/*"]), ("IndexBucket", ON_BUCKET, [bucket])]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Allow", "Action": [*actions], "Resource": resources}
            for sid, actions, resources in statements
        ],
    }
