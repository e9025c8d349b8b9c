"""The least-privilege IAM policy of `jitr doctor`: read permissions only."""

from typing import Any

from iot_jitr_cli.least_policy import Resources, policy_document
from iot_jitr_runtime.stack_outputs import Output

WITHOUT_RESOURCE = (
    "cloudwatch:GetMetricData",
    "iot:DescribeEndpoint",
    "iot:ListAttachedPolicies",
    "iot:ListCACertificates",
    "iot:ListPrincipalThings",
    "lambda:ListEventSourceMappings",
)
"""Actions without a resource (Service Authorization Reference), and `ListPrincipalThings`, whose resource is
the certificate: the local cloud checks it against `*`."""
_CERTIFICATES = ("iot:DescribeCertificate", "iot:TestAuthorization")
_FUNCTION = ("lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration")
_ROLES = ("iam:GetRole", "iam:SimulatePrincipalPolicy")
_STACK = ("cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks")


def minimal_policy(deployed: Resources) -> dict[str, Any]:
    """The IAM policy that allows exactly the calls of all checks for this deployment.

    Client ids are not limited, because the caller may give any client id. The roles come from the stack's
    outputs: CloudFormation shortens role names, so some do not contain the stack's name. `--all` scans the
    ledger.
    """
    deployment, arns = deployed.deployment, deployed.arns
    roles = [f"role/{deployment[each]}" for each in (Output.ACTIVATOR_ROLE, Output.RULES_ROLE)]
    queues = (Output.ACTIVATION_QUEUE_URL, Output.DEAD_LETTER_QUEUE_URL)
    tables = deployed.tables(Output.LEDGER_TABLE, Output.ALLOW_LIST_TABLE)
    return policy_document(
        [
            ("WithoutResource", WITHOUT_RESOURCE, ["*"]),
            ("Certificates", _CERTIFICATES, arns("iot", "cert/*")),
            ("CaCertificates", ["iot:DescribeCACertificate"], arns("iot", "cacert/*")),
            ("Clients", ["iot:GetConnection"], arns("iot", "client/*")),
            ("Policies", ["iot:GetPolicy"], arns("iot", "policy/*")),
            ("Rules", ["iot:GetTopicRule"], arns("iot", *(f"rule/{ca.rule}" for ca in deployment.cas))),
            ("Stack", _STACK, deployed.stack),
            ("Function", _FUNCTION, arns("lambda", f"function:{deployment[Output.ACTIVATOR_FUNCTION]}")),
            ("Queues", ["sqs:GetQueueAttributes"], deployed.queues(*queues)),
            ("DeadLetters", ["sqs:ReceiveMessage"], deployed.queues(Output.DEAD_LETTER_QUEUE_URL)),
            ("Tables", ["dynamodb:GetItem"], tables),
            ("Ledger", ["dynamodb:Scan"], deployed.tables(Output.LEDGER_TABLE)),
            ("Logs", ["logs:FilterLogEvents"], deployed.log_groups(Output.ACTIVATOR_LOG_GROUP)),
            ("Roles", _ROLES, arns("iam", *roles)),
            *deployed.index_statements,
        ]
    )
