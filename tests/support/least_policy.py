"""A user of the local cloud with exactly the policy that a command prints."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from click.testing import CliRunner

from iot_jitr_cli.main import jitr
from tests.support.cloud import Cloud

LOCALLY_ON_ALL = {
    # The local cloud matches these actions against `*` or another resource than AWS (docs/testing.md).
    "cloudwatch:DescribeAlarms",
    "iam:SimulatePrincipalPolicy",
    "iot:DescribeCACertificate",
    "iot:DetachPolicy",
    "iot:DetachThingPrincipal",
    "iot:ListAttachedPolicies",
    "iot:TestAuthorization",
}
LOCAL_NAMES = {"lambda:GetFunctionConcurrency": "lambda:PutFunctionConcurrency"}
"""The local cloud checks the reading of the concurrency under the name of its writing."""


@contextmanager
def least_privileged(cloud: Cloud, command: str) -> Iterator[Callable[..., dict[str, str]]]:
    """A user with the policy of `jitr COMMAND --iam-policy`; call it with the actions to remove.

    It returns the environment in which this user calls `jitr`.
    """
    iam, variables, name = cloud.client("iam"), cloud.lab.variables, f"least-{command}"
    printed = CliRunner().invoke(jitr, [command, "--iam-policy"], env=variables)
    document = json.loads(printed.output)
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def allow(*left_out: str) -> dict[str, str]:
        iam.put_user_policy(
            UserName=name,
            PolicyName="least",
            PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": list(_statements(document, left_out))}
            ),
        )
        return {
            **variables,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        }

    yield allow
    iam.delete_user_policy(UserName=name, PolicyName="least")
    iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


def _statements(document: Any, left_out: Collection[str]) -> Iterator[dict[str, Any]]:
    for statement in document["Statement"]:
        for action in set(statement["Action"]) - set(left_out):
            yield {
                "Effect": "Allow",
                "Action": LOCAL_NAMES.get(action, action),
                "Resource": "*" if action in LOCALLY_ON_ALL else statement["Resource"],
            }
