"""The outcomes of an event and their reasons: closed sets, the same in logs, metrics, ledger, CLI and docs.

Every attempt at a registration event ends in one `Outcome`; a deferred event has further attempts. Every
outcome except `ACTIVATED` has a `Reason`. The string values are a stable interface: they are never renamed,
only added to.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from iot_jitr_runtime.errors import JitrError


class Outcome(StrEnum):
    """What a registration event ended with."""

    ACTIVATED = "activated"
    """The certificate passed every check, has its policy and is ACTIVE."""
    STALE = "stale"
    """Already decided: nothing to do."""
    REFUSED = "refused"
    """A check failed. The certificate keeps its status, the refusal is recorded."""
    DEFERRED = "deferred"
    """It cannot be decided now; the message goes back to the queue and is retried."""
    DEAD_LETTERED = "dead_lettered"
    """A permanent error: no registration event, or of another deployment. It is in the dead-letter queue."""


class Reason(StrEnum):
    """Why an event ended as it did. Each value belongs to exactly one outcome."""

    outcome: Outcome
    """The one outcome that this reason belongs to."""

    def __new__(cls, value: str, outcome: Outcome = Outcome.DEFERRED) -> Self:
        """Define a member by its value and its outcome. `Reason("expired")` only finds one by its value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.outcome = outcome
        return member

    DUPLICATE = "duplicate", Outcome.STALE
    """The same batch has another event of the certificate."""
    ALREADY_DECIDED = "already_decided", Outcome.STALE
    """The ledger's decision applies to the event: it is newer, or its TTL is not over."""
    NOT_PENDING = "not_pending", Outcome.STALE
    """The certificate's status is not PENDING_ACTIVATION: it is decided already."""
    CERTIFICATE_GONE = "certificate_gone", Outcome.STALE
    """AWS IoT has no such certificate (any more)."""

    UNPARSABLE_CERTIFICATE = "unparsable_certificate", Outcome.REFUSED
    """The device certificate is not a well-formed X.509 certificate."""
    UNSUPPORTED_KEY = "unsupported_key", Outcome.REFUSED
    """AWS IoT does not accept the certificate's key or signature algorithm, or cannot verify it."""
    CA_CERTIFICATE = "ca_certificate", Outcome.REFUSED
    """The device presents a CA's certificate: basicConstraints has CA:TRUE."""
    UNSUPPORTED_KEY_USAGE = "unsupported_key_usage", Outcome.REFUSED
    """The certificate's key usage, or its extended key usage, does not allow a TLS client."""
    ISSUER_MISMATCH = "issuer_mismatch", Outcome.REFUSED
    """The certificate's issuer is not the subject of the CA it is registered under."""
    BAD_SIGNATURE = "bad_signature", Outcome.REFUSED
    """The CA's signature on the certificate does not verify."""
    NOT_YET_VALID = "not_yet_valid", Outcome.REFUSED
    """The certificate's notBefore is in the future."""
    EXPIRED = "expired", Outcome.REFUSED
    """The certificate's notAfter has passed."""
    INVALID_COMMON_NAME = "invalid_common_name", Outcome.REFUSED
    """The policy needs the common name, and it is missing, ambiguous or not usable in a policy."""
    REVOKED = "revoked", Outcome.REFUSED
    """The serial number is on the CA's CRL."""
    ON_HOLD = "on_hold", Outcome.REFUSED
    """The serial number is on the CA's CRL with reason certificateHold."""
    NOT_LISTED = "not_listed", Outcome.REFUSED
    """The device is not on the allow list."""
    REFUSED_BY_FUNCTION = "refused_by_function", Outcome.REFUSED
    """The admission function refused the device."""
    INVALID_THING_NAME = "invalid_thing_name", Outcome.REFUSED
    """The thing's name, made from the certificate, is not a valid thing name."""
    THING_TAKEN = "thing_taken", Outcome.REFUSED
    """The thing belongs to another certificate."""
    INVALID_THING_ATTRIBUTE = "invalid_thing_attribute", Outcome.REFUSED
    """The thing's type, a group or an attribute, made from the certificate, is missing or not valid."""

    RATE_LIMITED = "rate_limited", Outcome.DEFERRED
    """No fault: the quota limits the certificates per second, and earlier devices use the present slots."""
    CLAIMED_ELSEWHERE = "claimed_elsewhere", Outcome.DEFERRED
    """Another worker holds the claim on this certificate."""
    NOT_VISIBLE_YET = "not_visible_yet", Outcome.DEFERRED
    """AWS IoT does not have the certificate yet; new certificates become visible after a moment."""
    THROTTLED = "throttled", Outcome.DEFERRED
    """An AWS API throttled the call."""
    SERVICE_ERROR = "service_error", Outcome.DEFERRED
    """An AWS API failed or could not be reached."""
    ACCESS_DENIED = "access_denied", Outcome.DEFERRED
    """The function's role lacks a permission. Nothing is lost; an operator must correct the role."""
    POLICY_MISSING = "policy_missing", Outcome.DEFERRED
    """The device policy does not exist."""
    OUT_OF_TIME = "out_of_time", Outcome.DEFERRED
    """The function had not enough time left for this certificate."""
    CRL_MISSING = "crl_missing", Outcome.DEFERRED
    """A CRL is configured, but there is no usable revocation index."""
    CRL_STALE = "crl_stale", Outcome.DEFERRED
    """The revocation index is past its nextUpdate."""
    CRL_PARTITION_MISSING = "crl_partition_missing", Outcome.DEFERRED
    """The CRL partition that the certificate names is not in the revocation index."""
    ADMISSION_FAILED = "admission_failed", Outcome.DEFERRED
    """The admission function failed or timed out."""
    THING_SETUP_MISSING = "thing_setup_missing", Outcome.DEFERRED
    """The thing type or thing group of the configuration does not exist."""
    INTERNAL_ERROR = "internal_error", Outcome.DEFERRED
    """A defect of this software. The message is kept until it is fixed."""

    MALFORMED_EVENT = "malformed_event", Outcome.DEAD_LETTERED
    """The message is not a registration event."""
    FOREIGN_CA = "foreign_ca", Outcome.DEAD_LETTERED
    """The certificate is registered under a CA that is not of this deployment."""


PASSES_BY_ITSELF = {
    Reason.RATE_LIMITED,
    Reason.CLAIMED_ELSEWHERE,
    Reason.NOT_VISIBLE_YET,
    Reason.OUT_OF_TIME,
}
"""Deferrals that end without an operator's action; all others are counted as blocked too."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt at an event ends: activated, or for a reason."""

    reason: Reason | None = None
    """Why it is not activated; None where it is."""
    detail: str = ""
    """One line of evidence for an operator."""
    defect: Exception | None = field(default=None, compare=False)
    """The exception, where it is a defect of this software."""

    @property
    def outcome(self) -> Outcome:
        """The outcome that the reason belongs to."""
        return self.reason.outcome if self.reason else Outcome.ACTIVATED


ACTIVATED = Verdict()


class DecisionError(JitrError):
    """Ends the activation of a certificate before it is ACTIVE, with its `verdict`."""

    outcome: Outcome

    def __init__(self, reason: Reason, detail: str = "") -> None:
        if reason.outcome is not self.outcome:
            raise ValueError(f"{reason} means {reason.outcome}, not {self.outcome}")
        super().__init__(detail or reason.value)
        self.reason = reason
        self.verdict = Verdict(reason, detail)


class StaleError(DecisionError):
    """The event's certificate is decided already."""

    outcome = Outcome.STALE


class RefusedError(DecisionError):
    """The certificate must not be activated."""

    outcome = Outcome.REFUSED


class DeferredError(DecisionError):
    """It cannot be decided now whether the certificate may be activated."""

    outcome = Outcome.DEFERRED


class PermanentError(DecisionError):
    """The message can never be decided: it goes to the dead-letter queue."""

    outcome = Outcome.DEAD_LETTERED
