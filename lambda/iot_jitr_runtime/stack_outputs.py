"""Names of the stack's outputs: written by the stack, read by the `jitr` command to find its deployment.

A stable interface: names are added, never changed.
"""

from enum import StrEnum


class Output(StrEnum):
    """An output that a deployment has at most once. Those of an optional part are missing without it."""

    ACTIVATION_QUEUE_URL = "ActivationQueueUrl"
    """URL of the activation queue."""
    DEAD_LETTER_QUEUE_URL = "DeadLetterQueueUrl"
    """URL of the dead-letter queue."""
    DEVICE_POLICY_NAME = "DevicePolicyName"
    """Name of the shared device policy; missing where each device has its own."""
    LEDGER_TABLE = "LedgerTable"
    """Name of the ledger table."""
    ALLOW_LIST_TABLE = "AllowListTable"
    """Name of the allow list's table; missing without one."""
    ALLOW_LIST_KEY = "AllowListKey"
    """By what the devices of the allow list are listed, a `KeyKind`; missing without one."""
    ACTIVATOR_FUNCTION = "ActivatorFunction"
    """Name of the activator function."""
    ACTIVATOR_LOG_GROUP = "ActivatorLogGroup"
    """Name of the activator's log group."""
    ACTIVATOR_ROLE = "ActivatorRole"
    """Name of the activator's role."""
    RULES_ROLE = "RulesRole"
    """Name of the topic rules' role."""
    REVOCATION_BUCKET = "RevocationBucket"
    """Name of the bucket of CRLs and revocation indexes; missing where no CA has a CRL."""
    CRL_PUBLISHER_FUNCTION = "CrlPublisherFunction"
    """Name of the CRL publisher function; missing where no CA has a CRL."""
    CRL_PUBLISHER_LOG_GROUP = "CrlPublisherLogGroup"
    """Name of the CRL publisher's log group; missing where no CA has a CRL."""
    SWEEP_FUNCTION = "SweepFunction"
    """Name of the sweep function; missing where no CA has a CRL."""
    SWEEP_LOG_GROUP = "SweepLogGroup"
    """Name of the sweep's log group; missing where no CA has a CRL."""
    CONNECT_GUARD_FUNCTION = "ConnectGuardFunction"
    """Name of the connect guard's function; missing without a guard."""
    CONNECT_GUARD_LOG_GROUP = "ConnectGuardLogGroup"
    """Name of the connect guard's log group; missing without a guard."""
    CONNECT_GUARD_CALLBACK_ARN = "ConnectGuardCallbackArn"
    """ARN that a domain configuration names as its client certificate callback; missing without a guard."""
    CONNECT_GUARD_DOMAIN_CONFIGURATION = "ConnectGuardDomainConfiguration"
    """Name of the guarded domain configuration, whose domain name is the devices' endpoint; missing without
    a guard."""
    SESSION_CLIENT_ID = "SessionClientId"
    """By which client id the sweep closes sessions, as a template (see `iot_jitr_runtime.policy.client_id`);
    missing where it closes none."""
    METRICS_NAMESPACE = "MetricsNamespace"
    """CloudWatch namespace of the metrics."""
    SERVICE_NAME = "ServiceName"
    """Value of the metrics' dimension `service`."""
    EVENT_BUS = "EventBus"
    """ARN of the event bus that outcome events go to; missing where they are off."""
    DASHBOARD = "Dashboard"
    """Name of the CloudWatch dashboard."""


CA_CERTIFICATE_ID = "CaCertificateId"
"""Ends the name of an output that begins with a CA's name: the id of its CA certificate."""

RULE = "Rule"
"""Ends the name of an output that begins with a CA's name: the name of its topic rule."""

CRL_LOCATION = "CrlLocation"
"""Ends the name of an output that begins with a CA's name: URL or S3 URI of its CRLs; missing without CRL."""

CA_CERTIFICATE_ARN = "CaCertificateArn"
"""Ends the name of an output that begins with a CA's name: the ARN of its CA certificate."""

CA_STATUS = "CaStatus"
"""Ends the name of an output that begins with a CA's name: ACTIVE or INACTIVE, as the deployment left it."""

CA_MODE = "CaMode"
"""Ends the name of an output that begins with a CA's name: DEFAULT or SNI_ONLY."""

CA_AUTO_REGISTRATION = "CaAutoRegistrationStatus"
"""Ends the name of an output that begins with a CA's name: ENABLE or DISABLE, as the deployment left it."""

CA_NOT_AFTER = "CaNotAfter"
"""Ends the name of an output that begins with a CA's name: the end of its validity, ISO 8601."""
