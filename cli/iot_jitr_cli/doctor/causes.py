"""Why a device is not active: the closed list of the causes that `jitr doctor` can name, with their fixes.

`docs/troubleshooting.md` has a section for each, under the same name. Values are a stable interface: added
to, never renamed.
"""

from enum import StrEnum
from typing import Self


class Phase(StrEnum):
    """The progress of the device, by the status of its certificate."""

    UNREGISTERED = "unregistered"
    PENDING = "pending"
    ACTIVE = "active"
    DISABLED = "disabled"
    """INACTIVE or REVOKED."""
    UNKNOWN = "unknown"
    """AWS IoT did not answer."""


_CONNECTING = frozenset({Phase.UNREGISTERED, Phase.ACTIVE, Phase.UNKNOWN})
_REGISTERING = frozenset({Phase.UNREGISTERED, Phase.UNKNOWN})
_GETTING_IN = _REGISTERING | {Phase.PENDING}
_ALWAYS = _GETTING_IN | {Phase.ACTIVE}
_QUEUED = frozenset({Phase.PENDING, Phase.UNKNOWN})
_REFUSED = _QUEUED | {Phase.DISABLED}
_REVOKED = _REFUSED | {Phase.ACTIVE}
_IN = frozenset({Phase.ACTIVE, Phase.UNKNOWN})


class Cause(StrEnum):
    """One reason why a device is not active or cannot connect.

    The order is the precedence: of several that were found, the first is the one that is named. A cause
    explains a device only in the phases beside it: a CA that was switched off explains why a device is not
    registered, but not why one that is registered is still pending.
    """

    phases: frozenset[Phase]
    """The phases of a device in which this can be the cause."""

    def __new__(cls, value: str, phases: frozenset[Phase]) -> Self:
        """Make the cause `value`, which explains a device in `phases`."""
        cause = str.__new__(cls, value)
        cause._value_ = value
        cause.phases = phases
        return cause

    NOT_DEPLOYED = "not_deployed", _GETTING_IN
    CA_HAS_TEMPLATE = "ca_has_template", _ALWAYS

    # an active certificate
    POLICY_DETACHED = "policy_detached", _IN
    CLIENT_ID_NOT_ALLOWED = "client_id_not_allowed", _IN

    # what the device presents
    CHAIN_UNREADABLE = "chain_unreadable", _CONNECTING
    CHAIN_WRONG_ORDER = "chain_wrong_order", _CONNECTING
    CHAIN_WRONG_CERTIFICATES = "chain_wrong_certificates", _CONNECTING
    CA_CERTIFICATE = "ca_certificate", _ALWAYS
    KEY_MISMATCH = "key_mismatch", _CONNECTING
    UNSUPPORTED_KEY = "unsupported_key", _ALWAYS
    UNSUPPORTED_SIGNATURE = "unsupported_signature", _ALWAYS
    EXPIRED = "expired", _ALWAYS
    CLOCK_SKEW = "clock_skew", _ALWAYS
    NOT_YET_VALID = "not_yet_valid", _ALWAYS
    UNSUPPORTED_KEY_USAGE = "unsupported_key_usage", _GETTING_IN

    # where it connects to
    ENDPOINT_ELSEWHERE = "endpoint_elsewhere", _CONNECTING
    ENDPOINT_NOT_ATS = "endpoint_not_ats", _CONNECTING

    # the CA
    NOT_SIGNED_BY_CA = "not_signed_by_ca", _ALWAYS
    CA_REGISTERED_ELSEWHERE = "ca_registered_elsewhere", _REGISTERING
    CA_NOT_REGISTERED = "ca_not_registered", _REGISTERING
    CA_EXPIRED = "ca_expired", _REGISTERING
    CA_INACTIVE = "ca_inactive", _REGISTERING
    AUTO_REGISTRATION_OFF = "auto_registration_off", _REGISTERING
    SNI_MISSING = "sni_missing", _CONNECTING
    CHAIN_CA_MISSING = "chain_ca_missing", frozenset({Phase.UNREGISTERED})

    # the decision was no
    INVALID_COMMON_NAME = "invalid_common_name", _REFUSED
    SERIAL_REVOKED = "serial_revoked", _REVOKED
    ON_HOLD = "on_hold", _REVOKED
    NOT_LISTED = "not_listed", _REFUSED
    REFUSED_BY_FUNCTION = "refused_by_function", _REFUSED
    INVALID_THING_NAME = "invalid_thing_name", _REFUSED
    INVALID_THING_ATTRIBUTE = "invalid_thing_attribute", _REFUSED
    THING_TAKEN = "thing_taken", _REFUSED
    REFUSAL_OUTDATED = "refusal_outdated", _REFUSED
    CA_OF_ANOTHER_DEPLOYMENT = "ca_of_another_deployment", _GETTING_IN

    # from the queue to the decision
    EVENT_SOURCE_DISABLED = "event_source_disabled", _QUEUED
    FUNCTION_STOPPED = "function_stopped", _QUEUED
    FUNCTION_ROLE_BROKEN = "function_role_broken", _QUEUED
    CRL_MISSING = "crl_missing", _QUEUED
    CRL_STALE = "crl_stale", _QUEUED
    CRL_PARTITION_MISSING = "crl_partition_missing", _QUEUED
    ADMISSION_FAILED = "admission_failed", _QUEUED
    THING_SETUP_MISSING = "thing_setup_missing", _QUEUED
    POLICY_MISSING = "policy_missing", _QUEUED
    FUNCTION_FAILING = "function_failing", _QUEUED
    SERVICE_ERROR = "service_error", _QUEUED
    THROTTLED = "throttled", _QUEUED

    # from the event to the queue; what the rule could not deliver is in the dead-letter queue
    QUEUE_MISSING = "queue_missing", _QUEUED
    RULE_SENDS_ELSEWHERE = "rule_sends_elsewhere", _QUEUED
    RULE_ROLE_BROKEN = "rule_role_broken", _QUEUED
    DEAD_LETTERED = "dead_lettered", _QUEUED
    RULE_MISSING = "rule_missing", _QUEUED
    RULE_ON_ANOTHER_TOPIC = "rule_on_another_topic", _QUEUED
    RULE_DISABLED = "rule_disabled", _QUEUED

    # it was active
    SUPERSEDED = "superseded", frozenset({Phase.DISABLED})
    REVOKED_BY_OPERATOR = "revoked_by_operator", frozenset({Phase.DISABLED})
    DEACTIVATED_BY_OPERATOR = "deactivated_by_operator", frozenset({Phase.DISABLED})
    TASK_FAILING = "task_failing", frozenset({Phase.ACTIVE, Phase.DISABLED})

    # named where nothing else was found
    NEVER_CONNECTED = "never_connected", frozenset({Phase.UNREGISTERED})
    BEING_DECIDED = "being_decided", frozenset({Phase.PENDING})
    EVENT_LOST = "event_lost", frozenset({Phase.PENDING})
    ALREADY_FINE = "already_fine", frozenset({Phase.ACTIVE})

    @property
    def headline(self) -> str:
        """The cause in one line."""
        return _HEADLINES[self]

    @property
    def fix(self) -> str:
        """What to do about it, in one line; empty where nothing is wrong. A check may be more specific."""
        return _FIXES.get(self, "")


RESIDUAL = frozenset({Cause.NEVER_CONNECTED, Cause.BEING_DECIDED, Cause.EVENT_LOST})
"""Causes that are named when nothing else was found; certain only if all other checks could be made."""
AFTER_REGISTRATION = frozenset(
    {Cause.NOT_DEPLOYED, Cause.CA_HAS_TEMPLATE, Cause.UNSUPPORTED_KEY_USAGE, Cause.CA_OF_ANOTHER_DEPLOYMENT}
)
"""Causes that do not prevent the registration: predicted as long as the device is not registered."""


_HEADLINES = {
    Cause.CHAIN_UNREADABLE: "the chain file does not hold certificates",
    Cause.CHAIN_WRONG_ORDER: "the chain file is in the wrong order",
    Cause.CHAIN_WRONG_CERTIFICATES: "the chain file holds the wrong certificates",
    Cause.CHAIN_CA_MISSING: "the CA certificate is missing in the chain file, where the device sends no SNI",
    Cause.CA_CERTIFICATE: "the device presents a CA certificate",
    Cause.NOT_SIGNED_BY_CA: "the device certificate is not signed by that CA",
    Cause.KEY_MISMATCH: "the private key is not the device certificate's",
    Cause.UNSUPPORTED_KEY: "AWS IoT does not support this kind of key",
    Cause.UNSUPPORTED_SIGNATURE: "AWS IoT does not support this signature algorithm",
    Cause.UNSUPPORTED_KEY_USAGE: "the key usage of the certificate does not allow a TLS client",
    Cause.EXPIRED: "the device certificate is expired",
    Cause.NOT_YET_VALID: "the device certificate is not valid yet",
    Cause.CLOCK_SKEW: "a clock is wrong",
    Cause.CA_EXPIRED: "the CA certificate is not within its validity",
    Cause.INVALID_COMMON_NAME: "the common name cannot be used in the device policy",
    Cause.ENDPOINT_NOT_ATS: "the device connects to the endpoint without ATS",
    Cause.ENDPOINT_ELSEWHERE: "the device connects to another account or region",
    Cause.NOT_DEPLOYED: "the pipeline is not deployed in this account and region",
    Cause.CA_NOT_REGISTERED: "the CA is not registered here",
    Cause.CA_REGISTERED_ELSEWHERE: "the CA is registered in another account, in mode DEFAULT",
    Cause.CA_OF_ANOTHER_DEPLOYMENT: "the CA is registered, but does not belong to this deployment",
    Cause.CA_INACTIVE: "the CA is INACTIVE",
    Cause.AUTO_REGISTRATION_OFF: "the CA's auto-registration is off",
    Cause.CA_HAS_TEMPLATE: "the CA has a provisioning template, which bypasses this pipeline",
    Cause.SNI_MISSING: "the CA's mode SNI_ONLY needs SNI, and the device sends none",
    Cause.RULE_MISSING: "the topic rule is missing",
    Cause.RULE_DISABLED: "the topic rule is disabled",
    Cause.RULE_ON_ANOTHER_TOPIC: "the topic rule selects from another topic",
    Cause.RULE_SENDS_ELSEWHERE: "the topic rule does not send to the activation queue",
    Cause.RULE_ROLE_BROKEN: "the topic rule's role may not send to the activation queue",
    Cause.QUEUE_MISSING: "the activation queue is missing",
    Cause.EVENT_SOURCE_DISABLED: "the activation queue is not read: its event source mapping is off",
    Cause.FUNCTION_STOPPED: "the activator cannot run",
    Cause.FUNCTION_FAILING: "the activator fails",
    Cause.FUNCTION_ROLE_BROKEN: "the activator's role lacks a permission",
    Cause.THROTTLED: "the activation waits for its slot: throttled, or many others are ahead of it",
    Cause.SERVICE_ERROR: "an AWS service failed while the certificate was validated",
    Cause.DEAD_LETTERED: "the registration event is in the dead-letter queue",
    Cause.CRL_MISSING: "there is no revocation index yet",
    Cause.CRL_STALE: "the CRL is stale",
    Cause.CRL_PARTITION_MISSING: "the CRL partition of this certificate is missing",
    Cause.SERIAL_REVOKED: "the certificate is revoked by its CA",
    Cause.ON_HOLD: "the certificate is on hold on its CA's CRL",
    Cause.NOT_LISTED: "the device is not on the allow list",
    Cause.REFUSED_BY_FUNCTION: "the admission function refused the device",
    Cause.ADMISSION_FAILED: "the admission function fails",
    Cause.THING_TAKEN: "the device's thing belongs to another certificate",
    Cause.INVALID_THING_NAME: "the thing's name, made from the certificate, is not valid",
    Cause.INVALID_THING_ATTRIBUTE: "an attribute of the thing, made from the certificate, is not valid",
    Cause.THING_SETUP_MISSING: "the thing type or group of the configuration does not exist",
    Cause.POLICY_MISSING: "the device policy does not exist",
    Cause.POLICY_DETACHED: "the certificate is active, but has no policy",
    Cause.CLIENT_ID_NOT_ALLOWED: "the policy does not allow this client id",
    Cause.DEACTIVATED_BY_OPERATOR: "an operator made the certificate INACTIVE",
    Cause.REVOKED_BY_OPERATOR: "an operator made the certificate REVOKED",
    Cause.SUPERSEDED: "the device has a newer certificate, and this one was retired",
    Cause.TASK_FAILING: "a scheduled task of the certificate fails",
    Cause.NEVER_CONNECTED: "the device has never connected to this account and region",
    Cause.EVENT_LOST: "the certificate is pending, but its event never arrived",
    Cause.BEING_DECIDED: "the decision is in progress",
    Cause.REFUSAL_OUTDATED: "the device was refused, but the reason no longer applies",
    Cause.ALREADY_FINE: "no problem was found: the device can connect",
}

REVERT_DRIFT = "npx cdk deploy --revert-drift (it was deleted by hand; a plain deployment ignores that)"
"""Recreates a missing resource: by default, CloudFormation compares templates only."""
_REVERT_AND_REDRIVE = f"{REVERT_DRIFT}; then 'jitr redrive' for what it missed"
_FIXES = {
    Cause.CHAIN_UNREADABLE: "give the file that holds the certificates: *.pem, *.der",
    Cause.CHAIN_WRONG_ORDER: "put the device certificate first, then its CA's: cat device.pem ca.pem",
    Cause.CHAIN_WRONG_CERTIFICATES: "leave only the device certificate and that of the CA that signed it",
    Cause.CHAIN_CA_MISSING: "append the CA certificate to the chain file, or let the client send SNI",
    Cause.CA_CERTIFICATE: "issue a certificate with basicConstraints CA:FALSE, or without basicConstraints",
    Cause.NOT_SIGNED_BY_CA: "issue the certificate with the key of the registered CA",
    Cause.KEY_MISMATCH: "give the key that the certificate was made for; if it is lost, issue a certificate",
    Cause.UNSUPPORTED_KEY: "issue a certificate with RSA from 2048 bits, or EC P-256, P-384, P-521",
    Cause.UNSUPPORTED_SIGNATURE: "sign the certificate with RSA or ECDSA and SHA-256, SHA-384 or SHA-512",
    Cause.UNSUPPORTED_KEY_USAGE: "issue a certificate with digitalSignature and clientAuth",
    Cause.EXPIRED: "issue a new certificate to the device",
    Cause.NOT_YET_VALID: "wait until then, or correct the clock of the machine that issued it",
    Cause.CLOCK_SKEW: "set the clock and the time zone: the device's by NTP before TLS",
    Cause.CA_EXPIRED: "renew the CA certificate and rotate to it (docs/ca.md)",
    Cause.INVALID_COMMON_NAME: "issue a certificate with exactly one common name, without * $ + ? # or /",
    Cause.ENDPOINT_NOT_ATS: "let the device connect to the endpoint with -ats in its name",
    Cause.ENDPOINT_ELSEWHERE: "let the device connect to the endpoint of this account and region",
    Cause.NOT_DEPLOYED: (
        "choose the account and region of the deployment (AWS_PROFILE, AWS_REGION, --stack), or deploy"
    ),
    Cause.CA_NOT_REGISTERED: (
        "add it to 'cas' in cdk.json and deploy; or choose the device's account and region (AWS_PROFILE)"
    ),
    Cause.CA_REGISTERED_ELSEWHERE: (
        "delete it there ('jitr ca list' in that account), or register it in each with mode SNI_ONLY"
    ),
    Cause.CA_OF_ANOTHER_DEPLOYMENT: (
        "name the stack it belongs to (--stack), or add it to 'cas' in cdk.json and deploy: it is adopted"
    ),
    Cause.CA_INACTIVE: "jitr ca enable ID",
    Cause.AUTO_REGISTRATION_OFF: (
        "jitr ca enable ID (and 'auto_registration' in cdk.json, else a deployment turns it off)"
    ),
    Cause.CA_HAS_TEMPLATE: "take the template off, as 'jitr ca show ID' says, and deploy the stack",
    Cause.SNI_MISSING: "let the TLS library send the endpoint's name (server_name, RFC 6066 section 3)",
    Cause.RULE_MISSING: _REVERT_AND_REDRIVE,
    Cause.RULE_DISABLED: "aws iot enable-topic-rule --rule-name NAME, then 'jitr redrive' for what it missed",
    Cause.RULE_ON_ANOTHER_TOPIC: "let the rule select from the topic of the CA's registration events again",
    Cause.RULE_SENDS_ELSEWHERE: "restore the rule's SQS action on the activation queue",
    Cause.RULE_ROLE_BROKEN: "restore the permission, then 'jitr redrive' for the events that were lost",
    Cause.QUEUE_MISSING: _REVERT_AND_REDRIVE,
    Cause.EVENT_SOURCE_DISABLED: (
        "aws lambda update-event-source-mapping --uuid UUID --enabled; waiting events are not lost"
    ),
    Cause.FUNCTION_STOPPED: "fix what Lambda reports and deploy again",
    Cause.FUNCTION_FAILING: "read the activator's log, fix the cause and deploy; waiting events are kept",
    Cause.FUNCTION_ROLE_BROKEN: "restore the permission of the activator's role; waiting events are kept",
    Cause.THROTTLED: "wait: it is tried again by itself; a higher quota of the AWS IoT API shortens it",
    Cause.SERVICE_ERROR: "wait: it is tried again by itself; see the AWS Health Dashboard",
    Cause.DEAD_LETTERED: "fix the cause, then 'jitr redrive'",
    Cause.CRL_MISSING: "publish the CA's CRL where the configuration says; see the log of the CRL publisher",
    Cause.CRL_STALE: "let the CA publish a fresh CRL; see the log of the CRL publisher for why there is none",
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
    Cause.POLICY_DETACHED: "aws iot attach-policy --policy-name POLICY --target ARN",
    Cause.CLIENT_ID_NOT_ALLOWED: (
        "let the device connect with its certificate's common name as client id, or change the device policy"
    ),
    Cause.DEACTIVATED_BY_OPERATOR: (
        "find out who did it and why; then: aws iot update-certificate --new-status ACTIVE --certificate-id "
        "ID"
    ),
    Cause.REVOKED_BY_OPERATOR: "that is final: issue the device a new certificate",
    Cause.SUPERSEDED: (
        "let the device use its newer certificate; if it does not have it, issue one and let it connect"
    ),
    Cause.TASK_FAILING: "fix what the error says; the task is tried again by itself",
    Cause.NEVER_CONNECTED: (
        "let the device connect ('jitr connect' shows what happens); it registers with its MQTT CONNECT, so "
        "the TLS handshake alone is not enough"
    ),
    Cause.EVENT_LOST: (
        "let the device reconnect (each connect of a pending device is an event), or 'jitr redrive'"
    ),
    Cause.BEING_DECIDED: "wait a minute",
    Cause.REFUSAL_OUTDATED: "let the device reconnect: it is decided anew",
}
