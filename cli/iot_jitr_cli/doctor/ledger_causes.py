"""The cause that a row of the ledger says, by its state and reason."""

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason

_OF_STATES = {
    State.ACTIVATING: Cause.BEING_DECIDED,
    State.SUSPENDED: Cause.ON_HOLD,
    State.REVOKED: Cause.SERIAL_REVOKED,
    State.RETIRED: Cause.SUPERSEDED,
}
OF_REASONS = {
    Reason.UNPARSABLE_CERTIFICATE: Cause.UNSUPPORTED_KEY,
    Reason.UNSUPPORTED_KEY: Cause.UNSUPPORTED_KEY,
    Reason.CA_CERTIFICATE: Cause.CA_CERTIFICATE,
    Reason.UNSUPPORTED_KEY_USAGE: Cause.UNSUPPORTED_KEY_USAGE,
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
    Reason.RATE_LIMITED: Cause.THROTTLED,
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
"""The cause for each reason of the ledger to refuse or defer."""


def cause_of(state: State | None, reason: Reason | None) -> Cause | None:
    """The cause that a row of the ledger says; None where the device is in, or the row says nothing."""
    if state is not None and state in _OF_STATES:
        return _OF_STATES[state]
    return OF_REASONS.get(reason) if reason else None
