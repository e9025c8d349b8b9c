"""The pipeline's decision about the certificate, and its present verdict."""

from collections.abc import Collection
from datetime import timedelta

from iot_jitr_cli.doctor.case import Case, Registered
from iot_jitr_cli.doctor.causes import OF_REASONS, Cause, Phase
from iot_jitr_cli.doctor.finding import Finding, NotApplicableError, check, failed, ok, required
from iot_jitr_cli.doctor.reading import UndeterminedError, aws_call
from iot_jitr_cli.durations import format_time
from iot_jitr_runtime.ledger import Ledger, Row, State
from iot_jitr_runtime.outcomes import Outcome, Reason, Verdict
from iot_jitr_runtime.stack_outputs import Output

_JUST_NOW = timedelta(minutes=1)
_NO_CRL = "the CA was declared to have no CRL"
_VERBS = {Outcome.REFUSED: "refused", Outcome.DEFERRED: "deferred"}
_CRL = {Reason.CRL_MISSING, Reason.CRL_STALE, Reason.CRL_PARTITION_MISSING}
_REVOCATION = {Reason.REVOKED, Reason.ON_HOLD}
_ADMISSION = {Reason.NOT_LISTED, Reason.REFUSED_BY_FUNCTION, Reason.ADMISSION_FAILED}
_THING = {
    Reason.THING_TAKEN,
    Reason.INVALID_THING_NAME,
    Reason.INVALID_THING_ATTRIBUTE,
    Reason.THING_SETUP_MISSING,
}


def _causes(reasons: Collection[Reason]) -> set[Cause]:
    return {OF_REASONS[reason] for reason in reasons}


@check("decision.common_name", "common name", Cause.INVALID_COMMON_NAME)
def check_common_name(case: Case) -> Finding:
    """The common name may be used in the device policy."""
    return _decided(case, {Reason.INVALID_COMMON_NAME}, None)


@check("decision.crl", "CRL", *_causes(_CRL))
def check_crl(case: Case) -> Finding:
    """If a CRL is configured, there is a usable and fresh one."""
    return _decided(case, _CRL, required(case.revocation, _NO_CRL))


@check("decision.revocation", "revocation", *_causes(_REVOCATION))
def check_revocation(case: Case) -> Finding:
    """The certificate is on no CRL of its CA."""
    row = case.current_row
    if row is not None and row.state in {State.SUSPENDED, State.REVOKED}:
        cause = Cause.ON_HOLD if row.state is State.SUSPENDED else Cause.SERIAL_REVOKED
        return failed(cause, f"{row.state} by the sweep {format_time(row.decided_at)}")
    return _decided(case, _REVOCATION, required(case.revocation, _NO_CRL))


@check("decision.admission", "admission", *_causes(_ADMISSION))
def check_admission(case: Case) -> Finding:
    """The device is admitted."""
    return _decided(case, _ADMISSION, case.admission)


@check("decision.thing", "thing", *_causes(_THING))
def check_thing(case: Case) -> Finding:
    """The device's thing can be created, or belongs to this certificate."""
    return _decided(case, _THING, None)


@check(
    "decision",
    "decision in the ledger",
    Cause.REFUSAL_OUTDATED,
    Cause.BEING_DECIDED,
    Cause.EVENT_LOST,
    *OF_REASONS.values(),
)
def check_decision(case: Case) -> Finding:
    """The pipeline has decided about the certificate."""
    registered = required(case.registered, "not registered")
    row = case.current_row
    if row is None:
        return _undecided(case, registered)
    decided = (
        f"{row.state or 'claimed'}{f', {row.reason}' if row.reason else ''} ({format_time(row.decided_at)})"
    )
    if registered.phase is not Phase.PENDING or row.state is State.ACTIVATED:
        return ok(decided)
    if row.reason is None or row.reason not in OF_REASONS:
        return failed(Cause.BEING_DECIDED, decided)
    return _outdated(row, row.reason, decided) if _is_over(case, row.reason) else _recorded(row, row.reason)


def _outdated(row: Row, reason: Reason, decided: str) -> Finding:
    again = format_time(row.valid_until)
    if reason.outcome is Outcome.DEFERRED:
        return failed(
            Cause.BEING_DECIDED,
            f"{decided}; the reason no longer applies, and it is tried again {again}",
            "wait until then, or let the device reconnect after it",
        )
    return failed(
        Cause.REFUSAL_OUTDATED,
        f"{decided}; the reason no longer applies",
        f"let the device reconnect: a connect after {again} is decided anew",
    )


@check("tasks", "scheduled tasks", Cause.TASK_FAILING)
def check_tasks(case: Case) -> Finding:
    """The scheduled tasks of the certificate do not fail."""
    ledger = Ledger(case.session.client("dynamodb"), case.pipeline.output(Output.LEDGER_TABLE))
    with aws_call("dynamodb:GetItem"):
        failing = ledger.tasks.failing(case.subject.certificate_id)
    if not failing:
        return ok("none fails")
    evidence = (
        f"{each.task} has failed {each.failures} times, tried again {format_time(each.due_at)}: {each.error}"
        for each in failing
    )
    fix = "fix what the error reports; the task is retried automatically"
    return failed(Cause.TASK_FAILING, "; ".join(evidence), fix)


def _decided(case: Case, reasons: Collection[Reason], present: Verdict | None) -> Finding:
    """The finding about `reasons`: by the `present` verdict if it differs, else by the ledger's decision."""
    row = case.current_row
    recorded = row.reason if row is not None and row.reason in reasons else None
    if present is not None and present.reason is not None and present.reason in reasons:
        evidence = f"would be {_VERBS[present.outcome]} now: {present.detail}"
        return failed(OF_REASONS[present.reason], evidence, predicted=recorded is None)
    if row is not None and recorded is not None:
        if not _is_over(case, recorded):
            return _recorded(row, recorded)
        return ok(f"{_VERBS[recorded.outcome]} {format_time(row.decided_at)}, {recorded}: no longer applies")
    if present is not None and present.outcome is Outcome.ACTIVATED:
        return ok("no objection")
    if row is not None and row.state is State.ACTIVATED:
        return ok("no objection when it was activated")
    other = f"the decision was: {row.reason or row.state or 'none yet'}" if row else "not decided yet"
    raise NotApplicableError(other)


def _recorded(row: Row, reason: Reason) -> Finding:
    """The finding for a refusal or deferral in the ledger."""
    again = f", tried again {format_time(row.valid_until)}" if reason.outcome is Outcome.DEFERRED else ""
    detail = f": {row.detail}" if row.detail else ""
    return failed(
        OF_REASONS[reason],
        f"{_VERBS[reason.outcome]} {format_time(row.decided_at)}, {reason}{detail}{again}",
    )


def _is_over(case: Case, reason: Reason) -> bool:
    """Whether it is certain that the ledger's reason no longer applies."""
    certificate = case.certificate
    if reason is Reason.NOT_YET_VALID:
        return certificate is not None and case.time >= certificate.not_before
    try:
        if reason is Reason.NOT_LISTED:
            present = case.admission
        elif reason in _CRL | _REVOCATION:
            present = case.revocation
        else:
            return False
    except UndeterminedError:
        return False
    return present is None or present.reason is not reason


def _undecided(case: Case, registered: Registered) -> Finding:
    queue = case.pipeline.activation_queue
    if registered.phase is not Phase.PENDING:
        raise NotApplicableError("this pipeline has not decided about it")
    waiting = queue.messages if queue else 0
    if waiting or case.time - registered.registered_at < _JUST_NOW:
        since = f"registered at {registered.registered_at:%H:%M:%SZ}"
        return failed(Cause.BEING_DECIDED, f"{since}, {waiting} messages in the activation queue")
    return failed(
        Cause.EVENT_LOST,
        "pending, but the ledger has no row of it and the activation queue is empty",
        "let the device reconnect (each connect of a pending device is an event), or 'jitr redrive'",
    )
