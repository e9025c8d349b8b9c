"""The closed list of the causes for a device that is not active: headlines, fixes, and the ledger's reasons.

`docs/troubleshooting.md` has a section with the same name for each cause. Values are a stable interface:
added, but never renamed.
"""

from enum import StrEnum
from typing import Self

from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Outcome, Reason


class Phase(StrEnum):
    """The progress of the device, by the status of its certificate."""

    UNREGISTERED = "unregistered"
    PENDING = "pending"
    ACTIVE = "active"
    DISABLED = "disabled"
    """INACTIVE or REVOKED."""
    UNKNOWN = "unknown"
    """AWS IoT did not respond."""


_UNREGISTERED = frozenset({Phase.UNREGISTERED})
_PENDING = frozenset({Phase.PENDING})
_ACTIVE = frozenset({Phase.ACTIVE})
_DISABLED = frozenset({Phase.DISABLED})
_AFTERWARDS = _ACTIVE | _DISABLED
_CONNECTING = frozenset({Phase.UNREGISTERED, Phase.ACTIVE, Phase.UNKNOWN})
_REGISTERING = frozenset({Phase.UNREGISTERED, Phase.UNKNOWN})
_BEFORE = _REGISTERING | {Phase.PENDING}
_ANY = _BEFORE | {Phase.ACTIVE}
_QUEUED = frozenset({Phase.PENDING, Phase.UNKNOWN})
_REFUSED = _QUEUED | {Phase.DISABLED}
_REVOKED = _REFUSED | {Phase.ACTIVE}
_WHEN_ACTIVE = frozenset({Phase.ACTIVE, Phase.UNKNOWN})


class Cause(StrEnum):
    """One reason why a device is not active or cannot connect.

    The order is the precedence: if several causes were found, the first one is reported. A cause applies only
    to the phases beside it. For example, a CA that was turned off explains why a device is not registered,
    but not why a registered device is still pending.
    """

    phases: frozenset[Phase]
    """The phases in which this can be the cause."""
    headline: str
    """The cause in one line."""

    def __new__(cls, value: str, phases: frozenset[Phase], headline: str) -> Self:
        """Make the cause `value`, which applies to a device in `phases`."""
        cause = str.__new__(cls, value)
        cause._value_, cause.phases, cause.headline = value, phases, headline
        return cause

    NOT_DEPLOYED = "not_deployed", _BEFORE, "the pipeline is not deployed in this account and region"
    CA_HAS_TEMPLATE = (
        "ca_has_template",
        _ANY,
        "the CA has a provisioning template, which bypasses this pipeline",
    )

    # an active certificate
    POLICY_DETACHED = "policy_detached", _WHEN_ACTIVE, "the certificate is active, but has no policy"
    CLIENT_ID_NOT_ALLOWED = "client_id_not_allowed", _WHEN_ACTIVE, "the policy does not allow this client id"

    # the files that the device presents
    CHAIN_UNREADABLE = "chain_unreadable", _CONNECTING, "the chain file does not hold certificates"
    CHAIN_WRONG_ORDER = "chain_wrong_order", _CONNECTING, "the chain file is in the wrong order"
    CHAIN_WRONG_CERTIFICATES = (
        "chain_wrong_certificates",
        _CONNECTING,
        "the chain file holds the wrong certificates",
    )
    CA_CERTIFICATE = "ca_certificate", _ANY, "the device presents a CA certificate"
    KEY_MISMATCH = "key_mismatch", _CONNECTING, "the private key is not the device certificate's"
    UNSUPPORTED_KEY = "unsupported_key", _ANY, "AWS IoT does not support this kind of key"
    UNSUPPORTED_SIGNATURE = "unsupported_signature", _ANY, "AWS IoT does not support this signature algorithm"
    EXPIRED = "expired", _ANY, "the device certificate is expired"
    CLOCK_SKEW = "clock_skew", _ANY, "a clock is wrong"
    NOT_YET_VALID = "not_yet_valid", _ANY, "the device certificate is not valid yet"
    UNSUPPORTED_KEY_USAGE = (
        "unsupported_key_usage",
        _BEFORE,
        "the key usage of the certificate does not allow a TLS client",
    )

    # the endpoint
    ENDPOINT_ELSEWHERE = "endpoint_elsewhere", _CONNECTING, "the device connects to another account or region"
    ENDPOINT_NOT_ATS = "endpoint_not_ats", _CONNECTING, "the device connects to the endpoint without ATS"

    # the CA
    NOT_SIGNED_BY_CA = "not_signed_by_ca", _ANY, "the device certificate is not signed by that CA"
    CA_REGISTERED_ELSEWHERE = (
        "ca_registered_elsewhere",
        _REGISTERING,
        "the CA is registered in another account, in mode DEFAULT",
    )
    CA_NOT_REGISTERED = "ca_not_registered", _REGISTERING, "the CA is not registered here"
    CA_EXPIRED = "ca_expired", _REGISTERING, "the CA certificate is not within its validity"
    CA_INACTIVE = "ca_inactive", _REGISTERING, "the CA is INACTIVE"
    AUTO_REGISTRATION_OFF = "auto_registration_off", _REGISTERING, "the CA's auto-registration is off"
    SNI_MISSING = "sni_missing", _CONNECTING, "the CA's mode SNI_ONLY needs SNI, and the device sends none"
    CHAIN_CA_MISSING = (
        "chain_ca_missing",
        _UNREGISTERED,
        "the CA certificate is missing in the chain file, where the device sends no SNI",
    )

    # the device was refused
    INVALID_COMMON_NAME = (
        "invalid_common_name",
        _REFUSED,
        "the common name cannot be used in the device policy",
    )
    SERIAL_REVOKED = "serial_revoked", _REVOKED, "the certificate is revoked by its CA"
    ON_HOLD = "on_hold", _REVOKED, "the certificate is on hold on its CA's CRL"
    NOT_LISTED = "not_listed", _REFUSED, "the device is not on the allow list"
    REFUSED_BY_FUNCTION = "refused_by_function", _REFUSED, "the admission function refused the device"
    INVALID_THING_NAME = (
        "invalid_thing_name",
        _REFUSED,
        "the thing's name, made from the certificate, is not valid",
    )
    INVALID_THING_ATTRIBUTE = (
        "invalid_thing_attribute",
        _REFUSED,
        "an attribute of the thing, made from the certificate, is not valid",
    )
    THING_TAKEN = "thing_taken", _REFUSED, "the device's thing belongs to another certificate"
    REFUSAL_OUTDATED = (
        "refusal_outdated",
        _REFUSED,
        "the device was refused, but the reason no longer applies",
    )
    CA_OF_ANOTHER_DEPLOYMENT = (
        "ca_of_another_deployment",
        _BEFORE,
        "the CA is registered, but does not belong to this deployment",
    )

    # from the queue to the decision
    EVENT_SOURCE_DISABLED = (
        "event_source_disabled",
        _QUEUED,
        "the activation queue is not read: its event source mapping is off",
    )
    FUNCTION_STOPPED = "function_stopped", _QUEUED, "the activator cannot run"
    FUNCTION_ROLE_BROKEN = "function_role_broken", _QUEUED, "the activator's role lacks a permission"
    CRL_MISSING = "crl_missing", _QUEUED, "there is no revocation index yet"
    CRL_STALE = "crl_stale", _QUEUED, "the CRL is stale"
    CRL_PARTITION_MISSING = (
        "crl_partition_missing",
        _QUEUED,
        "the CRL partition of this certificate is missing",
    )
    ADMISSION_FAILED = "admission_failed", _QUEUED, "the admission function fails"
    THING_SETUP_MISSING = (
        "thing_setup_missing",
        _QUEUED,
        "the thing type or group of the configuration does not exist",
    )
    POLICY_MISSING = "policy_missing", _QUEUED, "the device policy does not exist"
    FUNCTION_FAILING = "function_failing", _QUEUED, "the activator fails"
    SERVICE_ERROR = "service_error", _QUEUED, "an AWS service failed while the certificate was validated"
    THROTTLED = (
        "throttled",
        _QUEUED,
        "the activation waits for its slot: throttled, or many others are ahead of it",
    )

    # from the event to the queue; events that the rule could not deliver are in the dead-letter queue
    QUEUE_MISSING = "queue_missing", _QUEUED, "the activation queue is missing"
    RULE_SENDS_ELSEWHERE = (
        "rule_sends_elsewhere",
        _QUEUED,
        "the topic rule does not send to the activation queue",
    )
    RULE_ROLE_BROKEN = (
        "rule_role_broken",
        _QUEUED,
        "the topic rule's role may not send to the activation queue",
    )
    DEAD_LETTERED = "dead_lettered", _QUEUED, "the registration event is in the dead-letter queue"
    RULE_MISSING = "rule_missing", _QUEUED, "the topic rule is missing"
    RULE_ON_ANOTHER_TOPIC = "rule_on_another_topic", _QUEUED, "the topic rule selects from another topic"
    RULE_DISABLED = "rule_disabled", _QUEUED, "the topic rule is disabled"

    # the device was active
    SUPERSEDED = "superseded", _DISABLED, "the device has a newer certificate, and this one was retired"
    REVOKED_BY_OPERATOR = "revoked_by_operator", _DISABLED, "an operator made the certificate REVOKED"
    DEACTIVATED_BY_OPERATOR = (
        "deactivated_by_operator",
        _DISABLED,
        "an operator made the certificate INACTIVE",
    )
    TASK_FAILING = "task_failing", _AFTERWARDS, "a scheduled task of the certificate fails"

    # reported if no other cause was found
    NEVER_CONNECTED = (
        "never_connected",
        _UNREGISTERED,
        "the device has never connected to this account and region",
    )
    BEING_DECIDED = "being_decided", _PENDING, "the decision is in progress"
    EVENT_LOST = "event_lost", _PENDING, "the certificate is pending, but its event never arrived"
    ALREADY_FINE = "already_fine", _ACTIVE, "no problem was found: the device can connect"


RESIDUAL = frozenset({Cause.NEVER_CONNECTED, Cause.BEING_DECIDED, Cause.EVENT_LOST})
"""Causes that are reported if no other cause was found; certain only if all other checks could be made."""
AFTER_REGISTRATION = frozenset(
    {Cause.NOT_DEPLOYED, Cause.CA_HAS_TEMPLATE, Cause.UNSUPPORTED_KEY_USAGE, Cause.CA_OF_ANOTHER_DEPLOYMENT}
)
"""Causes that do not prevent the registration; they are predictions until the device is registered."""
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
