"""One check of the checklist, and its finding."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import FIXES, Cause
from iot_jitr_runtime.errors import JitrError

T = TypeVar("T")


class NotApplicableError(JitrError):
    """There is nothing to check; the message gives the reason."""


class Status(StrEnum):
    """The status of a check."""

    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The check could not be made; `permission` is the missing permission, if that is the reason."""
    NOT_APPLICABLE = "not_applicable"
    """There is nothing to check; the evidence gives the reason."""


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    status: Status
    evidence: str
    """The evidence, in one line."""
    cause: Cause | None = None
    """The cause, if the check failed."""
    fix: str = ""
    """The fix for the cause."""
    permission: str | None = None
    """The IAM action that the caller lacks, if the check could not be made without it."""
    predicted: bool = False
    """The cause has not stopped the device yet; it will or may stop the device at a later step."""


def ok(evidence: str) -> Finding:
    """The check passed."""
    return Finding(Status.OK, evidence)


def failed(cause: Cause, evidence: str, fix: str = "", *, predicted: bool = False) -> Finding:
    """The check failed with a possible cause. The fix is taken from `FIXES`, unless `fix` is given."""
    return Finding(Status.FAILED, evidence, cause, fix or FIXES.get(cause, ""), predicted=predicted)


def required(value: T | None, missing: str) -> T:
    """Return the value that a check needs.

    Raises:
        NotApplicableError: The value is None; the message is `missing`.
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
    """The id in `--json`; a stable interface: added, but never renamed."""
    title: str
    causes: frozenset[Cause]
    """The causes that the check can find."""
    run: Callable[[Case], Finding]


def check(check_id: str, title: str, *causes: Cause) -> Callable[[Callable[[Case], Finding]], Check]:
    """Turn a function into the check `check_id`, which can find `causes`."""
    return lambda run: Check(check_id, title, frozenset(causes), run)
