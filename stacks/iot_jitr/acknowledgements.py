"""Findings of cdk-nag (AwsSolutions) that are meant, each with its reason.

They are recorded on the constructs, so cdk-nag over a stack that has a `JitrPipeline` in it shows
the reasons and no errors. cdk-nag itself is not needed for that.
"""

from typing import TYPE_CHECKING, Any

import aws_cdk as cdk

if TYPE_CHECKING:
    from constructs import IConstruct

_PACK = "AwsSolutions"


def acknowledge(scope: "IConstruct", rule: str, reason: str) -> None:
    """Say why `rule` does not hold below `scope`, for example `AwsSolutions-L1`."""
    cdk.Validations.of(scope).acknowledge(cdk.Acknowledgment(id=f"{_PACK}::{rule}", reason=reason))


def acknowledge_wildcard(scope: "IConstruct", resource: str, reason: str) -> None:
    """Say why a policy below `scope` names `resource`, which has a wildcard in it.

    Args:
        scope: The role, or what contains it.
        resource: The resource as the statement has it, tokens and all.
        reason: Why nothing narrower can be named.
    """
    written = _as_cdk_nag_writes(cdk.Stack.of(scope).resolve(resource))
    acknowledge(scope, f"{_PACK}-IAM5[Resource::{written}]", reason)


def _as_cdk_nag_writes(value: Any) -> str:
    """A resolved value with references in angle brackets: `<Name>`, `<Name.Attribute>`."""
    match value:
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(map(_as_cdk_nag_writes, parts))
    return str(value)
