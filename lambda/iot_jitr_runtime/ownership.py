"""Ownership: which CloudFormation resource manages a CA certificate, or the account's AWS IoT log.

The owner is recorded in tags of the managed object itself, so that the record remains when a stack is
deleted. `jitr:stack` and `jitr:logical-id` identify the CloudFormation resource, `jitr:former-state` is the
state to restore when that resource is deleted, `jitr:claim` is whether it still exists.

The stack's name is used, not its ARN: a stack that is deleted and deployed again has another ARN and must
find the CA that it retained. The logical id is used, not the construct's path: for CloudFormation, the same
logical id is the same resource, wherever its stack is in the construct tree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from iot_jitr_runtime.errors import JitrError

STACK = "jitr:stack"
LOGICAL_ID = "jitr:logical-id"
FORMER_STATE = "jitr:former-state"
CLAIM = "jitr:claim"

KEYS = frozenset({STACK, LOGICAL_ID, FORMER_STATE, CLAIM})
"""The tags that are written and read here; no other tag is read."""


class UnreadableOwnershipError(JitrError):
    """The ownership tags are incomplete, or were changed."""

    def __init__(self, tags: Mapping[str, str], error: Exception) -> None:
        super().__init__(
            f"the tags {', '.join(sorted(KEYS & tags.keys()))} are not as they were written ({error}); set "
            "them right, or remove all of them so that a stack adopts it again"
        )


class Claim(StrEnum):
    """Whether the resource that the tags name still exists."""

    HELD = "held"
    RELEASED = "released"


@dataclass(frozen=True)
class Owner:
    """The CloudFormation resource that manages something."""

    stack: str
    """Name of the stack."""
    logical_id: str
    """Logical id of the resource in the stack's template."""

    @classmethod
    def of_event(cls, event: Mapping[str, Any]) -> Self:
        """The resource that sends `event`; its `StackId` is `arn:…:stack/<name>/<uuid>`.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
        """
        return cls(event["StackId"].split("/")[1], event["LogicalResourceId"])

    def __str__(self) -> str:
        return f"stack '{self.stack}', resource '{self.logical_id}'"


@dataclass(frozen=True)
class Ownership:
    """The content of the ownership tags."""

    owner: Owner
    former_state: str
    """The state before the owner acquired it, in the encoding of the code that writes and reads the tags."""
    claim: Claim = Claim.HELD

    def to_tags(self) -> dict[str, str]:
        """The tags to write."""
        return {
            STACK: self.owner.stack,
            LOGICAL_ID: self.owner.logical_id,
            FORMER_STATE: self.former_state,
            CLAIM: self.claim.value,
        }

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Self | None:
        """Read the tags; None where nothing manages it.

        Raises:
            UnreadableOwnershipError: Some of the tags are missing, or the claim's value is not known.
        """
        if not KEYS & tags.keys():
            return None
        try:
            return cls(Owner(tags[STACK], tags[LOGICAL_ID]), tags[FORMER_STATE], Claim(tags[CLAIM]))
        except (KeyError, ValueError) as error:
            raise UnreadableOwnershipError(tags, error) from error
