"""What a schedule's event says to the CRL publisher; the stack writes it, the function reads it."""

from enum import StrEnum


class Trigger(StrEnum):
    """What a schedule's event says."""

    SCHEDULE = "schedule"
    """Time to ask every CA."""
    WATCH = "watch"
    """Time to ask the CAs whose CRLs are about to become stale, are stale, or missing."""
