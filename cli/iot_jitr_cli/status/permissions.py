"""The least-privilege IAM policy of `jitr status`, `--html` included: read permissions only."""

from typing import Any

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.status.parts import LOG_GROUPS
from iot_jitr_runtime.stack_outputs import Output

WITHOUT_RESOURCE = ("cloudwatch:GetMetricData", "servicequotas:ListServiceQuotas")
"""Actions for which AWS lets no resource be named (Service Authorization Reference)."""


def minimal_policy(deployment: Deployment, account: str, partition: str = "aws") -> dict[str, Any]:
    """The IAM policy that makes every part of the overview of this deployment readable, and nothing else.

    Args:
        deployment: What is deployed.
        account: Its account.
        partition: `aws`, or that of another part of the world.
    """

    def arn(service: str, resource: str) -> str:
        return f"arn:{partition}:{service}:{deployment.region}:{account}:{resource}"

    queues = [deployment[Output.ACTIVATION_QUEUE_URL], deployment[Output.DEAD_LETTER_QUEUE_URL]]
    groups = [arn("logs", f"log-group:{name}") for each in LOG_GROUPS if (name := deployment.get(each))]
    statements = [
        ("WithoutResource", WITHOUT_RESOURCE, ["*"]),
        ("Alarms", ("cloudwatch:DescribeAlarms",), [arn("cloudwatch", "alarm:*")]),
        (
            "CaCertificates",
            ("iot:DescribeCACertificate",),
            [arn("iot", f"cacert/{ca.certificate_id}") for ca in deployment.cas],
        ),
        (
            "Stack",
            ("cloudformation:DescribeStacks",),
            [arn("cloudformation", f"stack/{deployment.stack_name}/*")],
        ),
        (
            "Function",
            ("lambda:GetFunctionConfiguration",),
            [arn("lambda", f"function:{deployment[Output.ACTIVATOR_FUNCTION]}")],
        ),
        ("Queues", ("sqs:GetQueueAttributes",), [arn("sqs", url.rsplit("/", 1)[-1]) for url in queues]),
        (
            "Ledger",
            ("dynamodb:BatchGetItem", "dynamodb:Scan"),
            [arn("dynamodb", f"table/{deployment[Output.LEDGER_TABLE]}")],
        ),
        # CloudWatch Logs matches some calls with the streams of a log group and some with the group itself.
        ("Logs", ("logs:FilterLogEvents",), [*groups, *(f"{group}:*" for group in groups)]),
    ]
    if (bucket := deployment.get(Output.REVOCATION_BUCKET)) is not None:
        indexes = f"arn:{partition}:s3:::{bucket}"
        # Without ListBucket, S3 answers 403 instead of 404 for a missing index.
        statements += [
            ("Indexes", ("s3:GetObject",), [f"{indexes}/*"]),
            ("IndexBucket", ("s3:ListBucket",), [indexes]),
        ]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Allow", "Action": [*actions], "Resource": resources}
            for sid, actions, resources in statements
        ],
    }
