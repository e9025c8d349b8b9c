"""The ledger's decision about the certificate."""

from datetime import timedelta

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks.check import check
from iot_jitr_cli.doctor.checks.ledger import is_over, moment, refusal, standing_row
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.findings import Finding, failed, not_applicable, ok
from iot_jitr_cli.doctor.ledger_causes import OF_REASONS
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Outcome, Reason

_JUST_NOW = timedelta(minutes=1)


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
    registered = case.device.registered
    if registered is None:
        return not_applicable("not registered")
    row = standing_row(case)
    if row is None:
        return _undecided(case)
    decided = f"{row.state or 'claimed'}{f', {row.reason}' if row.reason else ''} ({moment(row.decided_at)})"
    if registered.status != "PENDING_ACTIVATION" or row.state is State.ACTIVATED:
        return ok(decided)
    if row.reason is None or row.reason not in OF_REASONS:
        return failed(Cause.BEING_DECIDED, decided, Cause.BEING_DECIDED.fix)
    return _over(row, row.reason, decided) if is_over(case, row.reason) else refusal(row, row.reason)


def _over(row: Row, reason: Reason, decided: str) -> Finding:
    if reason.outcome is Outcome.DEFERRED:
        return failed(
            Cause.BEING_DECIDED,
            f"{decided}; the reason no longer applies, and it is tried again {moment(row.look_again_at)}",
            "wait until then, or let the device reconnect after it",
        )
    return failed(
        Cause.REFUSAL_OUTDATED,
        f"{decided}; the reason no longer applies",
        f"let the device reconnect: a connect after {moment(row.look_again_at)} is decided anew",
    )


def _undecided(case: Case) -> Finding:
    registered, queue = case.device.registered, case.pipeline.activation_queue
    if registered is None or registered.status != "PENDING_ACTIVATION":
        return not_applicable("this pipeline has not decided about it")
    waiting = queue.messages if queue else 0
    if waiting or case.time - registered.registered_at < _JUST_NOW:
        return failed(
            Cause.BEING_DECIDED,
            f"registered at {registered.registered_at:%H:%M:%SZ}, {waiting} messages in the activation queue",
            Cause.BEING_DECIDED.fix,
        )
    return failed(
        Cause.EVENT_LOST,
        "pending, but the ledger has no row of it and the activation queue is empty",
        "let the device reconnect (each connect of a pending device is an event), or 'jitr redrive'",
    )
