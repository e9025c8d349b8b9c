"""The ledger's row of a certificate, and the doctor's cause and fix for each reason in it."""

from datetime import UTC, datetime, timedelta

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.facts.fact import CannotTellError
from iot_jitr_cli.doctor.findings import Finding, failed
from iot_jitr_runtime.ledger import Row
from iot_jitr_runtime.outcomes import Outcome, Reason

CAUSE_OF = {
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

FIX_OF = {
    Cause.UNSUPPORTED_KEY: "issue a certificate with RSA from 2048 bits, or EC P-256, P-384, P-521",
    Cause.CA_CERTIFICATE: "issue a certificate with basicConstraints CA:FALSE, or without basicConstraints",
    Cause.UNSUPPORTED_KEY_USAGE: "issue a certificate with digitalSignature and clientAuth",
    Cause.NOT_SIGNED_BY_CA: "issue the certificate with the key of the registered CA",
    Cause.NOT_YET_VALID: "wait until then, or correct the clock of the machine that issued it",
    Cause.EXPIRED: "issue a new certificate to the device",
    Cause.INVALID_COMMON_NAME: "issue a certificate with exactly one common name, without * $ + ? # or /",
    Cause.SERIAL_REVOKED: "that is final: if the device is trustworthy, issue it a new certificate",
    Cause.ON_HOLD: "let the CA publish a CRL without it; the device is admitted at its next connect",
    Cause.NOT_LISTED: "jitr allow load FILE with the device in it; it is admitted at its next connect",
    Cause.REFUSED_BY_FUNCTION: "ask the owner of the admission function; the next connect is decided anew",
    Cause.INVALID_THING_NAME: "change the thing's name in the configuration, or the certificate's fields",
    Cause.INVALID_THING_ATTRIBUTE: "change the thing in the configuration, or the certificate's fields",
    Cause.THING_TAKEN: "detach the other certificate from the thing, or allow renewals (docs/things.md)",
    Cause.THROTTLED: "wait: it is tried again by itself; a higher quota of the AWS IoT API shortens it",
    Cause.BEING_DECIDED: "wait a minute",
    Cause.SERVICE_ERROR: "wait: it is tried again by itself; see the AWS Health Dashboard",
    Cause.FUNCTION_ROLE_BROKEN: "restore the permission of the activator's role; waiting events are kept",
    Cause.POLICY_MISSING: "create the policy again under that name, or: npx cdk deploy --revert-drift",
    Cause.CRL_MISSING: "publish the CA's CRL where the configuration says; see the log of the CRL publisher",
    Cause.CRL_STALE: "let the CA publish a fresh CRL; see the log of the CRL publisher for why there is none",
    Cause.CRL_PARTITION_MISSING: "publish the partition that the certificate's CRLDistributionPoints names",
    Cause.ADMISSION_FAILED: "fix the admission function; waiting events are kept",
    Cause.THING_SETUP_MISSING: "create the thing type or group, or remove it from the configuration",
    Cause.FUNCTION_FAILING: "read the activator's log, fix the cause and deploy; waiting events are kept",
}
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
    cause = CAUSE_OF[reason]
    detail = f": {row.detail}" if row.detail else ""
    return failed(
        cause,
        f"{VERB_OF[reason.outcome]} {moment(row.decided_at)}, {reason}{detail}{again}",
        FIX_OF[cause],
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def moment(milliseconds: int) -> str:
    """A time stamp of the ledger as text."""
    return f"{_time(milliseconds):%Y-%m-%d %H:%M:%SZ}"
