"""The cause for each reason in the ledger to refuse or defer, and the fix of each cause."""

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Outcome, Reason

_OTHER_NAMES = {
    Reason.UNPARSABLE_CERTIFICATE: Cause.UNSUPPORTED_KEY,
    Reason.ISSUER_MISMATCH: Cause.NOT_SIGNED_BY_CA,
    Reason.BAD_SIGNATURE: Cause.NOT_SIGNED_BY_CA,
    Reason.REVOKED: Cause.SERIAL_REVOKED,
    Reason.RATE_LIMITED: Cause.THROTTLED,
    Reason.CLAIMED_ELSEWHERE: Cause.BEING_DECIDED,
    Reason.NOT_VISIBLE_YET: Cause.BEING_DECIDED,
    Reason.OUT_OF_TIME: Cause.BEING_DECIDED,
    Reason.ACCESS_DENIED: Cause.FUNCTION_ROLE_BROKEN,
    Reason.INTERNAL_ERROR: Cause.FUNCTION_FAILING,
}
"""Reasons whose cause has another name; every other reason has the same name as its cause."""
OF_REASONS = {
    reason: _OTHER_NAMES.get(reason) or Cause[reason.name]
    for reason in Reason
    if reason.outcome in {Outcome.REFUSED, Outcome.DEFERRED}
}
"""The cause for each reason in the ledger to refuse or defer."""
FIXES = {
    Cause.CA_CERTIFICATE: "issue a certificate with basicConstraints CA:FALSE, or without basicConstraints",
    Cause.NOT_SIGNED_BY_CA: "issue the certificate with the key of the registered CA",
    Cause.UNSUPPORTED_KEY: "issue a certificate with RSA from 2048 bits, or EC P-256, P-384, P-521",
    Cause.UNSUPPORTED_KEY_USAGE: "issue a certificate with digitalSignature and clientAuth",
    Cause.EXPIRED: "issue a new certificate to the device",
    Cause.NOT_YET_VALID: "wait until then, or correct the clock of the machine that issued it",
    Cause.INVALID_COMMON_NAME: "issue a certificate with exactly one common name, without * $ + ? # or /",
    Cause.FUNCTION_FAILING: "read the activator's log, fix the cause and deploy; waiting events are kept",
    Cause.FUNCTION_ROLE_BROKEN: "restore the permission of the activator's role; waiting events are kept",
    Cause.THROTTLED: "wait: it is retried automatically; a higher quota of the AWS IoT API shortens it",
    Cause.SERVICE_ERROR: "wait: it is retried automatically; see the AWS Health Dashboard",
    Cause.DEAD_LETTERED: "fix the cause, then 'jitr redrive'",
    Cause.CRL_MISSING: "publish the CA's CRL at the configured location; see the log of the CRL publisher",
    Cause.CRL_STALE: "let the CA publish a fresh CRL; the log of the CRL publisher has the reason",
    Cause.CRL_PARTITION_MISSING: "publish the partition that the certificate's CRLDistributionPoints names",
    Cause.SERIAL_REVOKED: "that is final: if the device is trustworthy, issue it a new certificate",
    Cause.ON_HOLD: "let the CA publish a CRL without it; the device is admitted at its next connect",
    Cause.NOT_LISTED: "jitr allow load FILE with the device in it; it is admitted at its next connect",
    Cause.REFUSED_BY_FUNCTION: "ask the owner of the admission function; the next connect is decided anew",
    Cause.ADMISSION_FAILED: "fix the admission function; waiting events are kept",
    Cause.THING_TAKEN: "detach the other certificate from the thing, or allow renewals (docs/things.md)",
    Cause.INVALID_THING_NAME: "change the thing's name in the configuration, or the certificate's fields",
    Cause.INVALID_THING_ATTRIBUTE: "change the thing in the configuration, or the certificate's fields",
    Cause.THING_SETUP_MISSING: "create the thing type or group, or remove it from the configuration",
    Cause.POLICY_MISSING: "create the policy again under that name, or: npx cdk deploy --revert-drift",
    Cause.BEING_DECIDED: "wait a minute",
}
"""The fixes of these causes, in one line. A check may give a more specific fix."""


def cause_of(row: Row) -> Cause:
    """The cause for a device that is waiting or refused.

    If the row has no reason, or a reason that only a newer version has, the decision is in progress.
    """
    if row.reason is None or row.state is State.ACTIVATING:
        return Cause.BEING_DECIDED
    return OF_REASONS.get(row.reason, Cause.BEING_DECIDED)
