"""The least-privilege IAM policy of `jitr status`, `--html` included: read permissions only."""

from typing import Any

from iot_jitr_cli.least_policy import Resources, policy_document
from iot_jitr_cli.status.parts import LOG_GROUPS
from iot_jitr_runtime.stack_outputs import Output

WITHOUT_RESOURCE = ("cloudwatch:GetMetricData", "servicequotas:ListServiceQuotas")
"""Actions that AWS authorises without a resource (Service Authorization Reference)."""


def minimal_policy(deployed: Resources) -> dict[str, Any]:
    """The IAM policy that allows exactly the reads for all parts of the overview of this deployment."""
    deployment, arns = deployed.deployment, deployed.arns
    cas = [f"cacert/{ca.certificate_id}" for ca in deployment.cas]
    function = f"function:{deployment[Output.ACTIVATOR_FUNCTION]}"
    queues = deployed.queues(Output.ACTIVATION_QUEUE_URL, Output.DEAD_LETTER_QUEUE_URL)
    ledger = deployed.tables(Output.LEDGER_TABLE)
    return policy_document(
        [
            ("WithoutResource", WITHOUT_RESOURCE, ["*"]),
            ("Alarms", ["cloudwatch:DescribeAlarms"], arns("cloudwatch", "alarm:*")),
            ("CaCertificates", ["iot:DescribeCACertificate"], arns("iot", *cas)),
            ("Stack", ["cloudformation:DescribeStacks"], deployed.stack),
            ("Function", ["lambda:GetFunctionConfiguration"], arns("lambda", function)),
            ("Queues", ["sqs:GetQueueAttributes"], queues),
            ("Ledger", ["dynamodb:BatchGetItem", "dynamodb:Scan"], ledger),
            ("Logs", ["logs:FilterLogEvents"], deployed.log_groups(*LOG_GROUPS)),
            *deployed.index_statements,
        ]
    )
