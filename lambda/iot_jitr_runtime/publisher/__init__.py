"""Builds the revocation index that the activator reads from a CA's CRLs, over HTTP or in S3."""

from enum import StrEnum


class Trigger(StrEnum):
    """The task that a scheduled event starts."""

    SCHEDULE = "schedule"
    """A publication for every CA."""
    WATCH = "watch"
    """A publication for the CAs whose CRLs are about to become stale, are stale, or are missing."""
