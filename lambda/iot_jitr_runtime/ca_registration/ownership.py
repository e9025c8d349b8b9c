"""Whose registration a CA is: written on the CA itself, as tags, where it survives every stack.

`jitr:stack` and `jitr:path` name the resource that looks after the CA; `jitr:origin` says whether it
registered the CA or adopted it; `jitr:former-state` is what an adopted CA goes back to; `jitr:claim` says
whether the resource still exists. The stack's name is used, not its ARN: a stack that is deleted and deployed
again has another ARN, and must find what it kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaStatus
from iot_jitr_runtime.ca_registration.registry import CaState
from iot_jitr_runtime.errors import JitrError

STACK = "jitr:stack"
PATH = "jitr:path"
ORIGIN = "jitr:origin"
FORMER_STATE = "jitr:former-state"
CLAIM = "jitr:claim"

KEYS = frozenset({STACK, PATH, ORIGIN, FORMER_STATE, CLAIM})
"""The tags that are ours; no other tag of a CA is ever read."""


class UnreadableOwnershipError(JitrError):
    """The tags of the CA are not as this project writes them."""


class Claim(StrEnum):
    """Whether the resource that the tags name still exists."""

    HELD = "held"
    RELEASED = "released"


@dataclass(frozen=True)
class Owner:
    """The resource that looks after a CA."""

    stack: str
    """Name of the stack."""
    path: str
    """Path of the construct."""

    @classmethod
    def of_event(cls, stack_id: str, path: str) -> Self:
        """The owner that an event speaks for; `stack_id` is `arn:…:stack/<name>/<uuid>`."""
        return cls(stack_id.split("/")[1], path)

    def __str__(self) -> str:
        return f"stack '{self.stack}', construct '{self.path}'"


@dataclass(frozen=True)
class Ownership:
    """What the tags of a CA say."""

    owner: Owner
    claim: Claim = Claim.HELD
    former_state: CaState | None = None
    """For an adopted CA: the state it had before. None: the owner registered it."""

    @property
    def adopted(self) -> bool:
        """Whether the CA was registered by somebody else before."""
        return self.former_state is not None

    def to_tags(self) -> dict[str, str]:
        """The tags that say so."""
        tags = {
            STACK: self.owner.stack,
            PATH: self.owner.path,
            ORIGIN: "adopted" if self.former_state else "registered",
            CLAIM: self.claim.value,
        }
        if self.former_state:
            tags[FORMER_STATE] = f"{self.former_state.status}/{self.former_state.auto_registration}"
        return tags

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Self | None:
        """Read the tags; None where the CA has no owner.

        Raises:
            UnreadableOwnershipError: They are incomplete or changed by hand.
        """
        if not KEYS & tags.keys():
            return None
        try:
            former = None
            if tags[ORIGIN] == "adopted":
                status, auto_registration = tags[FORMER_STATE].split("/")
                former = CaState(CaStatus(status), AutoRegistration(auto_registration))
            return cls(Owner(tags[STACK], tags[PATH]), Claim(tags[CLAIM]), former)
        except (KeyError, ValueError) as error:
            raise UnreadableOwnershipError(
                f"the CA's tags {', '.join(sorted(KEYS & tags.keys()))} are not as they were written "
                f"({error}); set them right, or remove all of them to let the CA be adopted anew"
            ) from error
