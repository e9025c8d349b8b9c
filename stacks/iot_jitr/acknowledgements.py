"""Findings of cdk-nag (AwsSolutions) that are intended, each with its reason.

They are recorded on the constructs, so cdk-nag shows the reasons and no errors for a stack that contains a
`JitrPipeline`. cdk-nag itself is not needed for that.
"""

from typing import TYPE_CHECKING

import aws_cdk as cdk

from iot_jitr.references import written

if TYPE_CHECKING:
    from constructs import IConstruct

_PACK = "AwsSolutions"


def acknowledge(scope: "IConstruct", rule: str, reason: str) -> None:
    """Record why `rule`, for example `AwsSolutions-L1`, is not met below `scope`."""
    cdk.Validations.of(scope).acknowledge(cdk.Acknowledgment(id=f"{_PACK}::{rule}", reason=reason))


def acknowledge_wildcard(scope: "IConstruct", resource: str, reason: str) -> None:
    """Record why a policy below `scope` names `resource`, which has a wildcard in it.

    Args:
        scope: The role, or what contains it.
        resource: The resource exactly as in the statement, with its tokens.
        reason: Why no narrower resource is possible.
    """
    as_cdk_nag_writes = written(cdk.Stack.of(scope).resolve(resource), lambda name: f"<{name}>")
    acknowledge(scope, f"{_PACK}-IAM5[Resource::{as_cdk_nag_writes}]", reason)
