"""One check of the checklist, and its finding."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.ledger_causes import FIXES
from iot_jitr_runtime.errors import JitrError

T = TypeVar("T")


class NotApplicableError(JitrError):
    """There is nothing to check; the message gives the reason."""


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


def failed(cause: Cause, evidence: str, fix: str = "", *, predicted: bool = False) -> Finding:
    """The check failed: this is a possible cause. Its fix is the one of `FIXES`, unless one is given."""
    return Finding(Status.FAILED, evidence, cause, fix or FIXES.get(cause, ""), predicted=predicted)


def required(value: T | None, missing: str) -> T:
    """What a check is about.

    Raises:
        NotApplicableError: It is None; the message is `missing`.
    """
    if value is None:
        raise NotApplicableError(missing)
    return value


REVERT_DRIFT = "npx cdk deploy --revert-drift (it was deleted by hand; a plain deployment ignores that)"
"""A fix that recreates a missing resource: by default, CloudFormation compares templates only."""


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
