"""The least-privilege IAM policy of a command, for its option `--iam-policy`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.deployment import Deployment, find_deployment
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3

Statement = tuple[str, Sequence[str], Sequence[str]]
"""Sid, actions, resources."""


@dataclass(frozen=True)
class Resources:
    """The ARNs of the resources that a deployment has."""

    deployment: Deployment
    account: str
    partition: str = "aws"

    @classmethod
    def find(cls, session: "boto3.Session", stack_name: str) -> "Resources":
        """Find the resources of a stack. Raises the same errors as `find_deployment`."""
        deployment = find_deployment(session, stack_name)
        account = session.client("sts").get_caller_identity()["Account"]
        return cls(deployment, account, session.get_partition_for_region(session.region_name))

    def arns(self, service: str, *resources: str) -> list[str]:
        """ARNs of resources in the account and region."""
        region = "" if service == "iam" else self.deployment.region
        return [
            f"arn:{self.partition}:{service}:{region}:{self.account}:{resource}" for resource in resources
        ]

    @property
    def stack(self) -> list[str]:
        """The stack."""
        return self.arns("cloudformation", f"stack/{self.deployment.stack_name}/*")

    def queues(self, *outputs: Output) -> list[str]:
        """ARNs of the queues of these outputs, which contain queue URLs."""
        return self.arns("sqs", *(self.deployment[each].rsplit("/", 1)[-1] for each in outputs))

    def tables(self, *outputs: Output) -> list[str]:
        """ARNs of the tables of these outputs, which contain table names."""
        return self.arns("dynamodb", *(f"table/{name}" for name in self._names(outputs)))

    def log_groups(self, *outputs: Output) -> list[str]:
        """ARNs of the log groups of these outputs, which contain log group names.

        CloudWatch Logs authorises some calls against a log group's streams, others against the group.
        """
        groups = self.arns("logs", *(f"log-group:{name}" for name in self._names(outputs)))
        return [*groups, *(f"{group}:*" for group in groups)]

    @property
    def index_statements(self) -> list[Statement]:
        """The statements for reading revocation indexes; empty if no CA has a CRL.

        Without ListBucket, S3 answers 403 instead of 404 for a missing index.
        """
        buckets = [f"arn:{self.partition}:s3:::{name}" for name in self._names([Output.REVOCATION_BUCKET])]
        return [
            statement
            for bucket in buckets
            for statement in (
                ("Indexes", ["s3:GetObject"], [f"{bucket}/*"]),
                ("IndexBucket", ["s3:ListBucket"], [bucket]),
            )
        ]

    def _names(self, outputs: Sequence[Output]) -> list[str]:
        return [name for each in outputs if (name := self.deployment.get(each))]


def policy_document(statements: Sequence[Statement]) -> dict[str, Any]:
    """The policy document with these statements."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": sid, "Effect": "Allow", "Action": [*actions], "Resource": [*resources]}
            for sid, actions, resources in statements
        ],
    }
