"""The CDK app that a lab deploys: the shipped app, adapted to the local cloud.

All differences from a deployment to AWS are in this module; a test checks that there are no others. The local
cloud is MiniStack on loopback, with IAM enforced. It differs from AWS in five relevant points:

* It authorises `AttachPolicy`, `DetachPolicy` and the calls on a CA certificate against the resource `*`, and
  `AttachThingPrincipal` and `DetachThingPrincipal` against the thing, so a statement that names a certificate
  or a CA certificate, as on AWS, denies them.
* It authorises a batch call by a separate action, while AWS has only the single call's action.
* Its endpoint is plain HTTP, so a queue or bucket policy that requires TLS (the bucket of `cdk bootstrap`
  has one) denies everything. The assets are published with the caller's own credentials.
* It runs the functions in its own Python interpreter, so libraries vendored for the Lambda runtime (Linux on
  arm64) would not work.
* It has neither saved queries of CloudWatch Logs Insights nor AWS IoT's own log and its API: the queries are
  left out, and `iot_jitr_cli.lab.project` turns `account_logging` off.
"""

import sys
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs

from iot_jitr.app import build, main
from iot_jitr.bundling import VARIANT_KEY, Variant

if TYPE_CHECKING:
    from pathlib import Path

    from constructs import IConstruct

    from iot_jitr.stack import JitrStack

WIDENED = frozenset(
    {
        "iot:AttachPolicy",
        "iot:AttachThingPrincipal",
        "iot:DeleteCACertificate",
        "iot:DescribeCACertificate",
        "iot:DetachPolicy",
        "iot:DetachThingPrincipal",
        "iot:UpdateCACertificate",
    }
)
"""The actions that the local cloud authorises against another resource than AWS."""

BATCHES = {
    "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
    "sqs:SendMessage": "sqs:SendMessageBatch",
}
"""The action for a batch call on AWS, and the one in the local cloud."""

_LEFT_OUT = (logs.CfnQueryDefinition, s3.CfnBucketPolicy, sqs.CfnQueuePolicy)


@jsii.implements(cdk.IAspect)
class LocalCloud:
    """Changes a stack's resources so that the local cloud accepts them."""

    def visit(self, node: "IConstruct") -> None:
        """Widen a policy's permissions; leave out a resource that the local cloud does not have."""
        if isinstance(node, iam.CfnPolicy):
            node.policy_document = widened(cdk.Stack.of(node).resolve(node.policy_document))
        elif isinstance(node, _LEFT_OUT) and node.node.scope is not None:
            node.node.scope.node.try_remove_child(node.node.id)


def widened(document: dict[str, Any]) -> dict[str, Any]:
    """Return a policy that allows in the local cloud the same as `document` allows on AWS."""
    statements: list[dict[str, Any]] = []
    for statement in document["Statement"]:
        named = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        actions = [*named, *(BATCHES[action] for action in named if action in BATCHES)]
        narrow = [action for action in actions if action not in WIDENED]
        wide = [action for action in actions if action in WIDENED]
        if narrow:
            statements.append({**statement, "Action": narrow})
        if wide:
            statements.append({**statement, "Action": wide, "Resource": "*"})
    return {**document, "Statement": statements}


def adapt(app: cdk.App) -> None:
    """Prepare `app`: stacks that are added to it are adapted to the local cloud."""
    app.node.set_context(VARIANT_KEY, Variant.LOCAL.value)
    cdk.Aspects.of(app).add(LocalCloud())


def build_locally(app: cdk.App, folder: "Path") -> "JitrStack":
    """Add the stack to `app`, as `iot_jitr.app.build` does, for the local cloud."""
    adapt(app)
    return build(app, folder, cdk.CliCredentialsStackSynthesizer())


if __name__ == "__main__":
    sys.exit(main(build_locally))
