"""Why a stack failed, in CloudFormation's own words."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_CONSEQUENCES = ("cancelled", "Rollback requested", "The following resource(s) failed")
"""Reasons that only say that something else failed."""


def failure_reason(cloudformation: "CloudFormationClient") -> str | None:
    """The first failure of the stack that failed last: which resource, of what type, and why.

    Returns:
        `None` when no stack is in a failed state.
    """
    for stack in cloudformation.describe_stacks()["Stacks"]:
        if not (stack["StackStatus"].endswith("FAILED") or "ROLLBACK" in stack["StackStatus"]):
            continue
        events = cloudformation.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
        for event in sorted(events, key=lambda event: event["Timestamp"]):
            # The stack trace of a custom resource's framework follows on lines of its own.
            reason = event.get("ResourceStatusReason", "").partition("\n")[0].strip()
            failed = event["ResourceStatus"].endswith("FAILED")
            if failed and not any(words in reason for words in _CONSEQUENCES):
                return f"{event['LogicalResourceId']} ({event.get('ResourceType', 'resource')}): {reason}"
    return None
