"""One check of the checklist, and its finding."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import Cause


class Status(StrEnum):
    """The status of a check."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be made; `permission` is the missing permission, where that is the reason."""
    NOT_APPLICABLE = "not_applicable"
    """There is nothing to check; the evidence gives the reason."""


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    status: Status
    evidence: str
    """What was found, in one line."""
    cause: Cause | None = None
    """The cause, where the check failed."""
    fix: str = ""
    """What to do about it."""
    permission: str | None = None
    """The IAM action that the caller lacks, where the check could not be made without it."""
    predicted: bool = False
    """It has not stopped the device yet, but will at a later step, or may."""


def ok(evidence: str) -> Finding:
    """The check passed."""
    return Finding(Status.OK, evidence)


def failed(cause: Cause, evidence: str, fix: str | None = None) -> Finding:
    """The check failed: this is a possible cause. Its fix is the cause's own, unless one is given."""
    return Finding(Status.FAILED, evidence, cause, fix or cause.fix)


def predicted(cause: Cause, evidence: str, fix: str | None = None) -> Finding:
    """The check failed: this will stop the device at a later step, or may."""
    return Finding(Status.FAILED, evidence, cause, fix or cause.fix, predicted=True)


def unknown(evidence: str, permission: str | None = None) -> Finding:
    """The check could not be made."""
    return Finding(Status.UNKNOWN, evidence, permission=permission)


def not_applicable(evidence: str) -> Finding:
    """There is nothing to check."""
    return Finding(Status.NOT_APPLICABLE, evidence)


@dataclass(frozen=True)
class Check:
    """One line of the checklist."""

    id: str
    """Stable, in `--json`: added to, never renamed."""
    title: str
    causes: frozenset[Cause]
    """The causes that it can find."""
    run: Callable[[Case], Finding]


def check(check_id: str, title: str, *causes: Cause) -> Callable[[Callable[[Case], Finding]], Check]:
    """Make a function the check `check_id`, which can find `causes`."""
    return lambda run: Check(check_id, title, frozenset(causes), run)
