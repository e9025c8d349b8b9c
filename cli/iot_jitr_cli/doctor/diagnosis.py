"""Runs every check, then names the one most likely cause."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import AFTER_REGISTRATION, RESIDUAL, Cause, Phase
from iot_jitr_cli.doctor.checks import CHECKS
from iot_jitr_cli.doctor.finding import Check, Finding, Status, failed, unknown
from iot_jitr_cli.doctor.reading import CannotTellError


class Conclusion(StrEnum):
    """The conclusion of a diagnosis."""

    FINE = "fine"
    CAUSE_FOUND = "cause_found"
    UNDETERMINED = "undetermined"


_EXIT_CODES = {
    Conclusion.FINE: ExitCode.OK,
    Conclusion.CAUSE_FOUND: ExitCode.NO,
    Conclusion.UNDETERMINED: ExitCode.UNDETERMINED,
}


@dataclass(frozen=True)
class Line:
    """One check and what it found."""

    check: Check
    finding: Finding


@dataclass(frozen=True)
class Diagnosis:
    """The checklist and its conclusion."""

    lines: tuple[Line, ...]
    phase: Phase
    conclusion: Conclusion
    cause: Cause | None
    """The most likely cause; where the conclusion is `UNDETERMINED`, the best guess, if there is one."""
    fix: str
    missing_permissions: tuple[str, ...]
    """IAM actions that the caller lacks."""

    @property
    def exit_code(self) -> ExitCode:
        """0 no problem was found, 1 the cause is found, 3 undetermined."""
        return _EXIT_CODES[self.conclusion]


def diagnose(case: Case) -> Diagnosis:
    """Run every check along the device's path and conclude."""
    return conclude(tuple(Line(check, _run(check, case)) for check in CHECKS), _phase(case))


def unreadable(evidence: str) -> Diagnosis:
    """The diagnosis of a chain file that holds no certificates: there is nothing more to look at."""
    finding = failed(Cause.CHAIN_UNREADABLE, evidence)
    readable = Check("chain.readable", "chain file", frozenset({Cause.CHAIN_UNREADABLE}), lambda _: finding)
    return conclude((Line(readable, finding),), Phase.UNKNOWN)


def conclude(lines: tuple[Line, ...], phase: Phase) -> Diagnosis:
    """Pick the most likely cause out of what the checks found."""
    failures = {
        line.finding.cause: line.finding for line in reversed(lines) if line.finding.cause is not None
    }
    unchecked = {
        cause for line in lines if line.finding.status is Status.UNKNOWN for cause in line.check.causes
    }
    blind = any(phase in cause.phases for cause in unchecked)
    cause = _most_likely(phase, failures)
    if cause is not None:
        conclusion = Conclusion.UNDETERMINED if blind and cause in RESIDUAL else Conclusion.CAUSE_FOUND
    elif phase is Phase.ACTIVE and not blind:
        conclusion, cause = Conclusion.FINE, Cause.ALREADY_FINE
    else:
        conclusion = Conclusion.UNDETERMINED
    permissions = {line.finding.permission for line in lines if line.finding.permission}
    fix = failures[cause].fix if cause in failures else ""
    return Diagnosis(lines, phase, conclusion, cause, fix, tuple(sorted(permissions)))


def _most_likely(phase: Phase, failures: Mapping[Cause, Finding]) -> Cause | None:
    """Observed causes come before predicted ones, and those before the residual ones."""
    registered = phase not in {Phase.UNREGISTERED, Phase.UNKNOWN}

    def rank(cause: Cause) -> tuple[bool, bool]:
        predicted = failures[cause].predicted or (cause in AFTER_REGISTRATION and not registered)
        return cause in RESIDUAL, predicted

    found = [cause for cause in Cause if cause in failures and phase in cause.phases]
    return min(found, key=rank, default=None)


def _run(check: Check, case: Case) -> Finding:
    try:
        return check.run(case)
    except CannotTellError as error:
        return unknown(str(error), error.permission)


def _phase(case: Case) -> Phase:
    try:
        registered = case.registered
    except CannotTellError:
        return Phase.UNKNOWN
    if registered is None:
        return Phase.UNREGISTERED
    phases = {"PENDING_ACTIVATION": Phase.PENDING, "ACTIVE": Phase.ACTIVE}
    return phases.get(registered.status, Phase.DISABLED)
