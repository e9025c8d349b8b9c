"""What the pipeline decided about the certificate, by the ledger: refused, deferred, or nothing at all."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.findings import Finding, failed, not_applicable, ok
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Outcome, Reason

CAUSE_OF = {
    Reason.UNPARSABLE_CERTIFICATE: Cause.UNSUPPORTED_KEY,
    Reason.UNSUPPORTED_KEY: Cause.UNSUPPORTED_KEY,
    Reason.ISSUER_MISMATCH: Cause.NOT_SIGNED_BY_CA,
    Reason.BAD_SIGNATURE: Cause.NOT_SIGNED_BY_CA,
    Reason.NOT_YET_VALID: Cause.NOT_YET_VALID,
    Reason.EXPIRED: Cause.EXPIRED,
    Reason.INVALID_COMMON_NAME: Cause.INVALID_COMMON_NAME,
    Reason.REVOKED: Cause.SERIAL_REVOKED,
    Reason.ON_HOLD: Cause.ON_HOLD,
    Reason.NOT_LISTED: Cause.NOT_LISTED,
    Reason.REFUSED_BY_FUNCTION: Cause.REFUSED_BY_FUNCTION,
    Reason.INVALID_THING_NAME: Cause.INVALID_THING_NAME,
    Reason.INVALID_THING_ATTRIBUTE: Cause.INVALID_THING_ATTRIBUTE,
    Reason.THING_TAKEN: Cause.THING_TAKEN,
    Reason.AWAITING_TURN: Cause.THROTTLED,
    Reason.THROTTLED: Cause.THROTTLED,
    Reason.CLAIMED_ELSEWHERE: Cause.BEING_DECIDED,
    Reason.NOT_VISIBLE_YET: Cause.BEING_DECIDED,
    Reason.OUT_OF_TIME: Cause.BEING_DECIDED,
    Reason.SERVICE_ERROR: Cause.SERVICE_ERROR,
    Reason.ACCESS_DENIED: Cause.FUNCTION_ROLE_BROKEN,
    Reason.POLICY_MISSING: Cause.POLICY_MISSING,
    Reason.CRL_MISSING: Cause.CRL_MISSING,
    Reason.CRL_STALE: Cause.CRL_STALE,
    Reason.CRL_PARTITION_MISSING: Cause.CRL_PARTITION_MISSING,
    Reason.ADMISSION_FAILED: Cause.ADMISSION_FAILED,
    Reason.THING_SETUP_MISSING: Cause.THING_SETUP_MISSING,
    Reason.INTERNAL_ERROR: Cause.FUNCTION_FAILING,
}
"""What keeps a device out, by the ledger's reason; every reason to refuse or defer has its cause."""

_FIX_OF = {
    Cause.UNSUPPORTED_KEY: "issue a certificate with RSA from 2048 bits, or EC P-256, P-384, P-521",
    Cause.NOT_SIGNED_BY_CA: "issue the certificate with the key of the registered CA",
    Cause.NOT_YET_VALID: "wait until then, or correct the clock of the machine that issued it",
    Cause.EXPIRED: "issue a new certificate to the device",
    Cause.INVALID_COMMON_NAME: "issue a certificate with exactly one common name, without * $ + ? # or /",
    Cause.SERIAL_REVOKED: "that is final: if the device is sound, issue it a new certificate",
    Cause.ON_HOLD: "let the CA publish a CRL without it; its next connect then gets it in",
    Cause.NOT_LISTED: "jitr allow load FILE with the device in it; its next connect then gets it in",
    Cause.REFUSED_BY_FUNCTION: "ask who runs the admission function; its next connect is judged anew",
    Cause.INVALID_THING_NAME: "change the thing's name in the configuration, or the certificate's fields",
    Cause.INVALID_THING_ATTRIBUTE: "change the thing in the configuration, or the certificate's fields",
    Cause.THING_TAKEN: "detach the other certificate from the thing, or allow renewals (docs/things.md)",
    Cause.THROTTLED: "wait: it is tried again by itself; a higher quota of the AWS IoT API shortens it",
    Cause.BEING_DECIDED: "wait a minute",
    Cause.SERVICE_ERROR: "wait: it is tried again by itself; see the AWS Health Dashboard",
    Cause.FUNCTION_ROLE_BROKEN: "give the activator's role the permission back; waiting events are kept",
    Cause.POLICY_MISSING: "create the policy again under that name, or deploy the stack anew",
    Cause.CRL_MISSING: "publish the CA's CRL where the configuration says; see the log of the CRL publisher",
    Cause.CRL_STALE: "let the CA publish a fresh CRL; see the log of the CRL publisher for why there is none",
    Cause.CRL_PARTITION_MISSING: "publish the partition that the certificate's CRLDistributionPoints names",
    Cause.ADMISSION_FAILED: "mend the admission function; waiting events are kept",
    Cause.THING_SETUP_MISSING: "create the thing type or group, or take it out of the configuration",
    Cause.FUNCTION_FAILING: "read the activator's log, mend and deploy; waiting events are kept",
}
_OUT = {State.SUSPENDED: Reason.ON_HOLD, State.REVOKED: Reason.REVOKED}
"""What the sweep did about an active certificate, and why."""
_JUST_NOW = timedelta(minutes=1)
_CLOCKS = timedelta(seconds=5)


def check_common_name(case: Case) -> Finding:
    """The policy can tell this device from others by its common name."""
    return _by(case, {Reason.INVALID_COMMON_NAME}, "can be used")


def check_crl(case: Case) -> Finding:
    """There is a usable, fresh CRL wherever one is configured."""
    return _by(case, {Reason.CRL_MISSING, Reason.CRL_STALE, Reason.CRL_PARTITION_MISSING}, "usable")


def check_revocation(case: Case) -> Finding:
    """The certificate is on no CRL of its CA."""
    row = standing_row(case)
    if row is not None and row.state in _OUT:
        reason = _OUT[row.state]
        cause = CAUSE_OF[reason]
        return failed(cause, f"{row.state} by the sweep {_moment(row.decided_at)}", _FIX_OF[cause])
    return _by(case, {Reason.REVOKED, Reason.ON_HOLD}, "not revoked")


def check_admission(case: Case) -> Finding:
    """The device is expected."""
    reasons = {Reason.NOT_LISTED, Reason.REFUSED_BY_FUNCTION, Reason.ADMISSION_FAILED}
    return _by(case, reasons, "admitted")


def check_thing(case: Case) -> Finding:
    """The device's thing can be made, or is its own."""
    reasons = {
        Reason.THING_TAKEN,
        Reason.INVALID_THING_NAME,
        Reason.INVALID_THING_ATTRIBUTE,
        Reason.THING_SETUP_MISSING,
    }
    return _by(case, reasons, "no objection")


def check_decision(case: Case) -> Finding:
    """The pipeline has decided about the certificate."""
    registered = case.device.registered
    if registered is None:
        return not_applicable("not registered")
    row = standing_row(case)
    if row is None:
        return _undecided(case)
    decided = f"{row.state or 'claimed'}{f', {row.reason}' if row.reason else ''} ({_moment(row.decided_at)})"
    if registered.status != "PENDING_ACTIVATION" or row.state is State.ACTIVATED:
        return ok(decided)
    if row.reason is not None and row.reason in CAUSE_OF:
        return _refusal(row, row.reason)
    return failed(Cause.BEING_DECIDED, decided, _FIX_OF[Cause.BEING_DECIDED])


def standing_row(case: Case) -> Row | None:
    """The ledger's row, unless it speaks of an earlier registration of the same certificate."""
    row, registered = case.decision.row, case.device.registered
    if row is None or registered is None or row.decided_at == 0:
        return row
    return row if _time(row.decided_at) >= registered.registered_at - _CLOCKS else None


def _by(case: Case, reasons: Collection[Reason], otherwise: str) -> Finding:
    """What the ledger says, where its reason is one of `reasons`."""
    row = standing_row(case)
    if row is None:
        return not_applicable("not decided yet")
    if row.reason is not None and row.reason in reasons:
        return _refusal(row, row.reason)
    if row.state is State.ACTIVATED:
        return ok(f"{otherwise}, when it was activated")
    return not_applicable("not decided yet" if row.reason is None else f"the decision was: {row.reason}")


def _refusal(row: Row, reason: Reason) -> Finding:
    verb = "refused" if reason.outcome is Outcome.REFUSED else "deferred"
    again = f", tried again {_moment(row.look_again_at)}" if reason.outcome is Outcome.DEFERRED else ""
    cause = CAUSE_OF[reason]
    detail = f": {row.detail}" if row.detail else ""
    return failed(cause, f"{verb} {_moment(row.decided_at)}, {reason}{detail}{again}", _FIX_OF[cause])


def _undecided(case: Case) -> Finding:
    registered, queue = case.device.registered, case.pipeline.activation_queue
    if registered is None or registered.status != "PENDING_ACTIVATION":
        return not_applicable("this pipeline has not decided about it")
    waiting = queue.messages if queue else 0
    if waiting or case.time - registered.registered_at < _JUST_NOW:
        return failed(
            Cause.BEING_DECIDED,
            f"registered at {registered.registered_at:%H:%M:%SZ}, {waiting} messages in the activation queue",
            _FIX_OF[Cause.BEING_DECIDED],
        )
    return failed(
        Cause.EVENT_LOST,
        "pending, but the ledger knows nothing of it and the activation queue is empty",
        "let the device reconnect (each connect of a pending device is an event), or 'jitr redrive'",
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _moment(milliseconds: int) -> str:
    return f"{_time(milliseconds):%Y-%m-%d %H:%M:%SZ}"
