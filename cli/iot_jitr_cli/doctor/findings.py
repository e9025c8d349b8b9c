"""What one check of the doctor finds."""

from dataclasses import dataclass
from enum import StrEnum

from iot_jitr_cli.doctor.causes import Cause

REVERT_DRIFT = "npx cdk deploy --revert-drift (it was deleted by hand, which a plain deployment does not see)"
"""What brings a missing resource back: CloudFormation compares templates, unless it is told to look."""


class Status(StrEnum):
    """How a check came out."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be made; `permission` says what is missing, where that is why."""
    NOT_APPLICABLE = "not_applicable"
    """There is nothing to check, as the evidence says."""


@dataclass(frozen=True)
class Finding:
    """The answer of one check."""

    status: Status
    evidence: str
    """What was found, in one line."""
    cause: Cause | None = None
    """What keeps the device out, where the check failed."""
    fix: str = ""
    """What to do about it."""
    permission: str | None = None
    """The IAM action that the caller lacks, where that is why the check could not be made."""
    foreseen: bool = False
    """It has not kept the device out yet, but it will, once the device comes so far."""


def ok(evidence: str) -> Finding:
    """Nothing is wrong here."""
    return Finding(Status.OK, evidence)


def failed(cause: Cause, evidence: str, fix: str) -> Finding:
    """This keeps the device out, or may."""
    return Finding(Status.FAILED, evidence, cause, fix)


def foreseen(cause: Cause, evidence: str, fix: str) -> Finding:
    """This has not kept the device out yet, but it will."""
    return Finding(Status.FAILED, evidence, cause, fix, foreseen=True)


def unknown(evidence: str, permission: str | None = None) -> Finding:
    """This could not be checked."""
    return Finding(Status.UNKNOWN, evidence, permission=permission)


def not_applicable(evidence: str) -> Finding:
    """There is nothing to check here."""
    return Finding(Status.NOT_APPLICABLE, evidence)
