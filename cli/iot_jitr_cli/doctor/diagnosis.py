"""Runs every check and selects the most likely cause."""

from collections.abc import Mapping
from dataclasses import dataclass

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.doctor.case import Case
from iot_jitr_cli.doctor.causes import AFTER_REGISTRATION, RESIDUAL, Cause, Phase
from iot_jitr_cli.doctor.checks import CHECKS
from iot_jitr_cli.doctor.finding import Check, Finding, NotApplicableError, Status, failed
from iot_jitr_cli.doctor.reading import UndeterminedError

CONCLUSIONS = {ExitCode.OK: "fine", ExitCode.NO: "cause_found", ExitCode.UNDETERMINED: "undetermined"}
"""The name of each exit code in `--json`."""


@dataclass(frozen=True)
class Diagnosis:
    """The checklist and its conclusion."""

    findings: Mapping[Check, Finding]
    """In the order of the device's path."""
    phase: Phase
    exit_code: ExitCode
    """0: no problem was found; 1: the cause was found; 3: undetermined."""
    cause: Cause | None
    """The most likely cause; if the result is undetermined, the best guess, if there is one."""
    fix: str
    missing_permissions: tuple[str, ...]
    """IAM actions that the caller lacks."""


def diagnose(case: Case) -> Diagnosis:
    """Run every check along the device's path and select the cause."""
    return _conclude({check: _run(check, case) for check in CHECKS}, _phase(case))


def unreadable(evidence: str) -> Diagnosis:
    """The diagnosis of a chain file without certificates: nothing else is checked."""
    fix = "give the file that holds the certificates: *.pem, *.der"
    finding = failed(Cause.CHAIN_UNREADABLE, evidence, fix)
    check = Check("chain.readable", "chain file", frozenset({Cause.CHAIN_UNREADABLE}), lambda _: finding)
    return _conclude({check: finding}, Phase.UNKNOWN)


def _conclude(findings: Mapping[Check, Finding], phase: Phase) -> Diagnosis:
    """Select the most likely cause from the findings. Its first finding gives the fix."""
    failures = {each.cause: each for each in reversed([*findings.values()]) if each.cause is not None}
    incomplete = any(
        phase in cause.phases
        for check, finding in findings.items()
        if finding.status is Status.UNKNOWN
        for cause in check.causes
    )
    cause = _most_likely(phase, failures)
    if cause is not None:
        exit_code = ExitCode.UNDETERMINED if incomplete and cause in RESIDUAL else ExitCode.NO
    elif phase is Phase.ACTIVE and not incomplete:
        exit_code, cause = ExitCode.OK, Cause.ALREADY_FINE
    else:
        exit_code = ExitCode.UNDETERMINED
    fix = failures[cause].fix if cause in failures else ""
    permissions = {each.permission for each in findings.values() if each.permission}
    return Diagnosis(findings, phase, exit_code, cause, fix, tuple(sorted(permissions)))


def _most_likely(phase: Phase, failures: Mapping[Cause, Finding]) -> Cause | None:
    """Select by rank: first observed causes, then predicted causes, then the residual causes."""
    registered = phase not in {Phase.UNREGISTERED, Phase.UNKNOWN}

    def rank(cause: Cause) -> tuple[bool, bool]:
        predicted = failures[cause].predicted or (cause in AFTER_REGISTRATION and not registered)
        return cause in RESIDUAL, predicted

    found = [cause for cause in Cause if cause in failures and phase in cause.phases]
    return min(found, key=rank, default=None)


def _run(check: Check, case: Case) -> Finding:
    try:
        return check.run(case)
    except NotApplicableError as error:
        return Finding(Status.NOT_APPLICABLE, str(error))
    except UndeterminedError as error:
        return Finding(Status.UNKNOWN, str(error), permission=error.permission)


def _phase(case: Case) -> Phase:
    try:
        registered = case.registered
    except UndeterminedError:
        return Phase.UNKNOWN
    return Phase.UNREGISTERED if registered is None else registered.phase
