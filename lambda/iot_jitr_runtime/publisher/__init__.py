"""From a CA's CRLs, over HTTP or in S3, to the revocation index that the activator reads."""

from enum import StrEnum


class Trigger(StrEnum):
    """What a schedule's event starts."""

    SCHEDULE = "schedule"
    """A publication for every CA."""
    WATCH = "watch"
    """A publication for the CAs whose CRLs are about to become stale, are stale, or are missing."""
