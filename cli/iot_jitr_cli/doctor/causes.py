"""Why a device is not active: the closed list of the causes that `jitr doctor` can name.

`docs/troubleshooting.md` has a section for each, under the same name. Values are a stable interface: added
to, never renamed.
"""

from enum import StrEnum


class Cause(StrEnum):
    """One reason why a device is not active or cannot connect."""

    # what the device presents
    CHAIN_UNREADABLE = "chain_unreadable"
    CHAIN_WRONG_ORDER = "chain_wrong_order"
    CHAIN_WRONG_CERTIFICATES = "chain_wrong_certificates"
    CHAIN_CA_MISSING = "chain_ca_missing"
    CA_CERTIFICATE = "ca_certificate"
    NOT_SIGNED_BY_CA = "not_signed_by_ca"
    KEY_MISMATCH = "key_mismatch"
    UNSUPPORTED_KEY = "unsupported_key"
    UNSUPPORTED_SIGNATURE = "unsupported_signature"
    UNSUPPORTED_KEY_USAGE = "unsupported_key_usage"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    CLOCK_SKEW = "clock_skew"
    CA_EXPIRED = "ca_expired"
    INVALID_COMMON_NAME = "invalid_common_name"

    # where it connects to
    ENDPOINT_NOT_ATS = "endpoint_not_ats"
    ENDPOINT_ELSEWHERE = "endpoint_elsewhere"
    NOT_DEPLOYED = "not_deployed"

    # the CA
    CA_NOT_REGISTERED = "ca_not_registered"
    CA_REGISTERED_ELSEWHERE = "ca_registered_elsewhere"
    CA_OF_ANOTHER_DEPLOYMENT = "ca_of_another_deployment"
    CA_INACTIVE = "ca_inactive"
    AUTO_REGISTRATION_OFF = "auto_registration_off"
    CA_HAS_TEMPLATE = "ca_has_template"
    SNI_MISSING = "sni_missing"

    # from the event to the function
    RULE_MISSING = "rule_missing"
    RULE_DISABLED = "rule_disabled"
    RULE_ON_ANOTHER_TOPIC = "rule_on_another_topic"
    RULE_SENDS_ELSEWHERE = "rule_sends_elsewhere"
    RULE_ROLE_BROKEN = "rule_role_broken"
    QUEUE_MISSING = "queue_missing"
    EVENT_SOURCE_DISABLED = "event_source_disabled"
    FUNCTION_STOPPED = "function_stopped"
    FUNCTION_FAILING = "function_failing"
    FUNCTION_ROLE_BROKEN = "function_role_broken"
    THROTTLED = "throttled"
    SERVICE_ERROR = "service_error"
    DEAD_LETTERED = "dead_lettered"

    # the decision
    CRL_MISSING = "crl_missing"
    CRL_STALE = "crl_stale"
    CRL_PARTITION_MISSING = "crl_partition_missing"
    SERIAL_REVOKED = "serial_revoked"
    ON_HOLD = "on_hold"
    NOT_LISTED = "not_listed"
    REFUSED_BY_FUNCTION = "refused_by_function"
    ADMISSION_FAILED = "admission_failed"
    THING_TAKEN = "thing_taken"
    INVALID_THING_NAME = "invalid_thing_name"
    INVALID_THING_ATTRIBUTE = "invalid_thing_attribute"
    THING_SETUP_MISSING = "thing_setup_missing"
    POLICY_MISSING = "policy_missing"

    # after the decision
    POLICY_DETACHED = "policy_detached"
    CLIENT_ID_NOT_ALLOWED = "client_id_not_allowed"
    DEACTIVATED_BY_OPERATOR = "deactivated_by_operator"
    REVOKED_BY_OPERATOR = "revoked_by_operator"
    SUPERSEDED = "superseded"

    # nothing is wrong with the pipeline
    NEVER_CONNECTED = "never_connected"
    EVENT_LOST = "event_lost"
    BEING_DECIDED = "being_decided"
    REFUSAL_OUTDATED = "refusal_outdated"
    ALREADY_FINE = "already_fine"

    @property
    def headline(self) -> str:
        """The cause in one line."""
        return _HEADLINES[self]


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
    Cause.NEVER_CONNECTED: "the device has never connected to this account and region",
    Cause.EVENT_LOST: "the certificate is pending, but its event never arrived",
    Cause.BEING_DECIDED: "the decision is in progress",
    Cause.REFUSAL_OUTDATED: "the device was refused, but the reason no longer applies",
    Cause.ALREADY_FINE: "no problem was found: the device can connect",
}
