"""Names of the CloudWatch metrics: written by the functions, read by alarms, dashboard and `jitr status`.

Every metric has the dimension `service`, which names the pipeline, so that the values of two pipelines that
share a namespace are not added. A stable interface: names are added, never changed.
"""

from enum import StrEnum


class Dimension(StrEnum):
    """A dimension of a metric."""

    SERVICE = "service"
    """The pipeline. Powertools adds it to every metric, from `POWERTOOLS_SERVICE_NAME`."""
    REASON = "reason"
    """One of `iot_jitr_runtime.outcomes.Reason`."""
    CA = "ca"
    """Id of a CA certificate. Only for metrics with one value per CA; decisions have it as a property."""


class Metric(StrEnum):
    """A metric; counts are summed, the others are gauges."""

    ACTIVATED = "Activated"
    """Messages that ended with an activation."""
    STALE = "Stale"
    """Messages about certificates that were decided already."""
    REFUSED = "Refused"
    """Messages that ended with a refusal."""
    DEFERRED = "Deferred"
    """Messages that went back to the queue, for whatever reason."""
    BLOCKED = "Blocked"
    """Those of `Deferred` that wait for a fault to be fixed, not only for their slot."""
    DEAD_LETTERED = "DeadLettered"
    """Messages that went to the dead-letter queue."""
    DECISIONS = "Decisions"
    """All messages, by reason."""
    TIME_TO_ACTIVE = "TimeToActive"
    """Seconds from the first event of a certificate until it is ACTIVE."""
    CRL_AGE = "CrlAge"
    """Seconds since the oldest CRL in force of a CA was issued (`thisUpdate`), by CA."""
    CRL_TIME_LEFT = "CrlTimeLeft"
    """Seconds until the first CRL in force of a CA becomes stale; negative afterwards, by CA."""
    CRL_ENTRIES = "CrlEntries"
    """Serial numbers in a CA's revocation index, by CA."""
    CRL_UNUSABLE = "CrlUnusable"
    """CRLs that were fetched and could not be used, by CA."""
    SWEPT = "Swept"
    """Active certificates that were revoked, suspended or released because of a new CRL."""
    SESSIONS_CLOSED = "SessionsClosed"
    """Sessions of revoked or suspended devices that were closed."""
    SESSIONS_NOT_CLOSED = "SessionsNotClosed"
    """Failed attempts to close such a session; each is tried again."""
    REVOCATION_LIMIT_TRIPPED = "RevocationLimitTripped"
    """Indexes that have tripped the mass-revocation limit, by CA."""
    PENDING_AGE = "PendingAge"
    """Seconds that the oldest certificate without a decision has been pending."""
    REQUEUED = "Requeued"
    """Certificates that the reconciler put into the activation queue again."""
    BACKFILLED = "Backfilled"
    """Certificates, not decided by this pipeline, that the reconciler read for the ledger."""
    TASKS_FAILED = "TasksFailed"
    """Scheduled tasks (retirements, deletions of policies) that failed and are tried again later."""
    EVENTS_UNPUBLISHED = "EventsUnpublished"
    """Outcome events that could not be published; the reconciler publishes them later."""
    CA_DAYS_TO_EXPIRY = "CaDaysToExpiry"
    """Days until a CA certificate expires; negative afterwards, by CA."""
