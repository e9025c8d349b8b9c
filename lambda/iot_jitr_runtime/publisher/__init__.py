"""From a CA's CRLs, over HTTP or in S3, to the revocation index that the activator reads."""

from enum import StrEnum


class Trigger(StrEnum):
    """What a schedule's event says."""

    SCHEDULE = "schedule"
    """Time to ask every CA."""
    WATCH = "watch"
    """Time to ask the CAs whose CRLs are about to become stale, are stale, or missing."""
