"""The checks of the activator: what it decided, and what it would decide now."""

from collections.abc import Collection

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.checks.check import check
from iot_jitr_cli.doctor.checks.ledger import (
    VERB_OF,
    is_over,
    moment,
    refusal,
    standing_row,
)
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.findings import Finding, failed, not_applicable, ok, predicted
from iot_jitr_cli.doctor.ledger_causes import OF_REASONS
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Outcome, Reason, Verdict

_SWEPT = {State.SUSPENDED: Reason.ON_HOLD, State.REVOKED: Reason.REVOKED}
"""The reason for each state that the sweep sets."""


@check("decision.common_name", "common name", Cause.INVALID_COMMON_NAME)
def check_common_name(case: Case) -> Finding:
    """The common name may be used in the device policy."""
    return _decided(case, {Reason.INVALID_COMMON_NAME}, None)


@check("decision.crl", "CRL", Cause.CRL_MISSING, Cause.CRL_STALE, Cause.CRL_PARTITION_MISSING)
def check_crl(case: Case) -> Finding:
    """Where a CRL is configured, there is a usable and fresh one."""
    present = case.present.revocation
    if present is None:
        return not_applicable("the CA was declared to have no CRL")
    return _decided(case, {Reason.CRL_MISSING, Reason.CRL_STALE, Reason.CRL_PARTITION_MISSING}, present)


@check("decision.revocation", "revocation", Cause.SERIAL_REVOKED, Cause.ON_HOLD)
def check_revocation(case: Case) -> Finding:
    """The certificate is on no CRL of its CA."""
    row = standing_row(case)
    if row is not None and row.state in _SWEPT:
        cause = OF_REASONS[_SWEPT[row.state]]
        return failed(cause, f"{row.state} by the sweep {moment(row.decided_at)}", cause.fix)
    present = case.present.revocation
    if present is None:
        return not_applicable("the CA was declared to have no CRL")
    return _decided(case, {Reason.REVOKED, Reason.ON_HOLD}, present)


@check("decision.admission", "admission", Cause.NOT_LISTED, Cause.REFUSED_BY_FUNCTION, Cause.ADMISSION_FAILED)
def check_admission(case: Case) -> Finding:
    """The device is admitted."""
    reasons = {Reason.NOT_LISTED, Reason.REFUSED_BY_FUNCTION, Reason.ADMISSION_FAILED}
    return _decided(case, reasons, case.present.admission)


@check(
    "decision.thing",
    "thing",
    Cause.THING_TAKEN,
    Cause.INVALID_THING_NAME,
    Cause.INVALID_THING_ATTRIBUTE,
    Cause.THING_SETUP_MISSING,
)
def check_thing(case: Case) -> Finding:
    """The device's thing can be created, or belongs to this certificate."""
    reasons = {
        Reason.THING_TAKEN,
        Reason.INVALID_THING_NAME,
        Reason.INVALID_THING_ATTRIBUTE,
        Reason.THING_SETUP_MISSING,
    }
    return _decided(case, reasons, None)


def _decided(case: Case, reasons: Collection[Reason], present: Verdict | None) -> Finding:
    """The ledger's decision, unless the `present` verdict differs, as far as it concerns `reasons`."""
    row = standing_row(case)
    if present is not None and present.reason is not None and present.reason in reasons:
        cause = OF_REASONS[present.reason]
        happened = row is not None and row.reason in reasons
        find = failed if happened else predicted
        return find(cause, f"would be {VERB_OF[present.outcome]} now: {present.detail}", cause.fix)
    if row is not None and row.reason is not None and row.reason in reasons:
        if is_over(case, row.reason):
            return ok(
                f"{VERB_OF[row.reason.outcome]} {moment(row.decided_at)}, {row.reason}: no longer applies"
            )
        return refusal(row, row.reason)
    if present is not None and present.outcome is Outcome.ACTIVATED:
        return ok("no objection")
    if row is None:
        return not_applicable("not decided yet")
    return ok("no objection when it was activated") if row.state is State.ACTIVATED else _elsewhere(row)


def _elsewhere(row: Row) -> Finding:
    return not_applicable(f"the decision was: {row.reason or row.state or 'none yet'}")
