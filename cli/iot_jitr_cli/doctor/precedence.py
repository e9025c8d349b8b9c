"""Which of several failed checks is the cause: it depends on the device's progress.

A CA that has been switched off explains why a device is unknown to AWS IoT, but not why one that is known is
still pending. So each phase has its own list, the most specific cause first.
"""

from enum import StrEnum

from iot_jitr_cli.doctor.causes import Cause


class Phase(StrEnum):
    """The progress of the device, by the status of its certificate."""

    UNREGISTERED = "unregistered"
    PENDING = "pending"
    ACTIVE = "active"
    DISABLED = "disabled"
    """INACTIVE or REVOKED."""
    UNKNOWN = "unknown"
    """AWS IoT did not answer."""


_FILES = (
    Cause.CHAIN_UNREADABLE,
    Cause.CHAIN_WRONG_ORDER,
    Cause.CHAIN_WRONG_CERTIFICATES,
    Cause.CA_CERTIFICATE,
    Cause.KEY_MISMATCH,
    Cause.UNSUPPORTED_KEY,
    Cause.UNSUPPORTED_SIGNATURE,
    Cause.EXPIRED,
    Cause.CLOCK_SKEW,
    Cause.NOT_YET_VALID,
)
_ENDPOINT = (Cause.ENDPOINT_ELSEWHERE, Cause.ENDPOINT_NOT_ATS)
_CA = (
    Cause.NOT_SIGNED_BY_CA,
    Cause.CA_REGISTERED_ELSEWHERE,
    Cause.CA_NOT_REGISTERED,
    Cause.CA_EXPIRED,
    Cause.CA_INACTIVE,
    Cause.AUTO_REGISTRATION_OFF,
)
_BEHIND_THE_QUEUE = (
    Cause.EVENT_SOURCE_DISABLED,
    Cause.FUNCTION_STOPPED,
    Cause.FUNCTION_ROLE_BROKEN,
)
_REFUSALS = (
    Cause.INVALID_COMMON_NAME,
    Cause.SERIAL_REVOKED,
    Cause.ON_HOLD,
    Cause.NOT_LISTED,
    Cause.REFUSED_BY_FUNCTION,
    Cause.INVALID_THING_NAME,
    Cause.INVALID_THING_ATTRIBUTE,
    Cause.THING_TAKEN,
    Cause.REFUSAL_OUTDATED,
)
_DEFERRALS = (
    Cause.CRL_MISSING,
    Cause.CRL_STALE,
    Cause.CRL_PARTITION_MISSING,
    Cause.ADMISSION_FAILED,
    Cause.THING_SETUP_MISSING,
    Cause.POLICY_MISSING,
    Cause.FUNCTION_FAILING,
    Cause.SERVICE_ERROR,
    Cause.THROTTLED,
)
_INTO_THE_QUEUE = (
    # What the rule could not deliver is in the dead-letter queue: these causes explain it.
    Cause.QUEUE_MISSING,
    Cause.RULE_SENDS_ELSEWHERE,
    Cause.RULE_ROLE_BROKEN,
    Cause.DEAD_LETTERED,
)
_BEFORE_THE_QUEUE = (Cause.RULE_MISSING, Cause.RULE_ON_ANOTHER_TOPIC, Cause.RULE_DISABLED)
_ACCESS = (Cause.POLICY_DETACHED, Cause.CLIENT_ID_NOT_ALLOWED)

PRECEDENCE = {
    Phase.UNREGISTERED: (
        *_FILES,
        *_ENDPOINT,
        *_CA,
        Cause.NOT_DEPLOYED,
        Cause.CA_HAS_TEMPLATE,
        Cause.SNI_MISSING,
        Cause.CHAIN_CA_MISSING,
        Cause.UNSUPPORTED_KEY_USAGE,
        Cause.CA_OF_ANOTHER_DEPLOYMENT,
        Cause.NEVER_CONNECTED,
    ),
    Phase.PENDING: (
        Cause.NOT_DEPLOYED,
        Cause.CA_HAS_TEMPLATE,
        Cause.EXPIRED,
        Cause.CLOCK_SKEW,
        Cause.NOT_YET_VALID,
        Cause.UNSUPPORTED_KEY,
        Cause.UNSUPPORTED_SIGNATURE,
        Cause.CA_CERTIFICATE,
        Cause.UNSUPPORTED_KEY_USAGE,
        Cause.NOT_SIGNED_BY_CA,
        *_REFUSALS,
        Cause.CA_OF_ANOTHER_DEPLOYMENT,
        *_BEHIND_THE_QUEUE,
        *_DEFERRALS,
        *_INTO_THE_QUEUE,
        *_BEFORE_THE_QUEUE,
        Cause.BEING_DECIDED,
        Cause.EVENT_LOST,
    ),
    Phase.ACTIVE: (
        Cause.CA_HAS_TEMPLATE,
        *_ACCESS,
        *_FILES,
        *_ENDPOINT,
        Cause.NOT_SIGNED_BY_CA,
        Cause.SNI_MISSING,
        # The sweep is about to revoke or suspend it.
        Cause.SERIAL_REVOKED,
        Cause.ON_HOLD,
    ),
    Phase.DISABLED: (*_REFUSALS, Cause.SUPERSEDED, Cause.REVOKED_BY_OPERATOR, Cause.DEACTIVATED_BY_OPERATOR),
    Phase.UNKNOWN: (
        *_FILES,
        Cause.UNSUPPORTED_KEY_USAGE,
        *_ENDPOINT,
        *_CA,
        Cause.NOT_DEPLOYED,
        Cause.CA_HAS_TEMPLATE,
        Cause.SNI_MISSING,
        *_REFUSALS,
        Cause.CA_OF_ANOTHER_DEPLOYMENT,
        *_BEHIND_THE_QUEUE,
        *_DEFERRALS,
        *_INTO_THE_QUEUE,
        *_BEFORE_THE_QUEUE,
        *_ACCESS,
    ),
}
"""What can be the cause in each phase, the most specific cause first."""

RESIDUAL = {Cause.NEVER_CONNECTED, Cause.EVENT_LOST, Cause.BEING_DECIDED}
"""Causes that are named when nothing else was found; certain only if all other checks could be made."""
