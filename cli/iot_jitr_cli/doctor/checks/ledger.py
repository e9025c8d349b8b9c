"""The ledger's row of a certificate, and the doctor's cause and fix for each reason in it."""

from datetime import UTC, datetime, timedelta

from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.facts.fact import CannotTellError
from iot_jitr_cli.doctor.findings import Finding, failed
from iot_jitr_cli.doctor.ledger_causes import OF_REASONS
from iot_jitr_runtime.ledger import Row
from iot_jitr_runtime.outcomes import Outcome, Reason

_OF_THE_CRL = {
    Reason.REVOKED,
    Reason.ON_HOLD,
    Reason.CRL_MISSING,
    Reason.CRL_STALE,
    Reason.CRL_PARTITION_MISSING,
}
VERB_OF = {Outcome.REFUSED: "refused", Outcome.DEFERRED: "deferred"}
_CLOCKS = timedelta(seconds=5)


def standing_row(case: Case) -> Row | None:
    """The ledger's row, unless it is about an earlier registration of the same certificate."""
    row, registered = case.decision.row, case.device.registered
    if row is None or registered is None or row.decided_at == 0:
        return row
    return row if _time(row.decided_at) >= registered.registered_at - _CLOCKS else None


def is_over(case: Case, reason: Reason) -> bool:
    """Whether the ledger's reason is known to apply no longer."""
    certificate = case.device.certificate
    if reason is Reason.NOT_YET_VALID:
        return certificate is not None and case.time >= certificate.not_before
    try:
        if reason is Reason.NOT_LISTED:
            present = case.present.admission
        elif reason in _OF_THE_CRL:
            present = case.present.revocation
        else:
            return False
    except CannotTellError:
        return False
    return present is None or present.reason is not reason


def refusal(row: Row, reason: Reason) -> Finding:
    """The finding for a refusal or deferral in the ledger."""
    again = f", tried again {moment(row.look_again_at)}" if reason.outcome is Outcome.DEFERRED else ""
    cause = OF_REASONS[reason]
    detail = f": {row.detail}" if row.detail else ""
    return failed(
        cause,
        f"{VERB_OF[reason.outcome]} {moment(row.decided_at)}, {reason}{detail}{again}",
        cause.fix,
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def moment(milliseconds: int) -> str:
    """A time stamp of the ledger as text."""
    return f"{_time(milliseconds):%Y-%m-%d %H:%M:%SZ}"
