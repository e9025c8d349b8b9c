"""Validity periods of certificates relative to the present time: current, past and future ones."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BACKDATED = timedelta(minutes=5)
"""Time by which notBefore is before the issue of a certificate, for devices whose clock is behind."""


def now() -> datetime:
    """Return the present time in whole seconds, the precision of X.509."""
    return datetime.now(UTC).replace(microsecond=0)


@dataclass(frozen=True)
class Validity:
    """First and last moment of a certificate's validity (RFC 5280 section 4.1.2.5)."""

    not_before: datetime
    not_after: datetime

    @classmethod
    def days(cls, days: int) -> "Validity":
        """Valid from now on for `days` days."""
        return cls(now() - BACKDATED, now() + timedelta(days=days))

    @classmethod
    def expired(cls) -> "Validity":
        """Valid for a month, until yesterday."""
        return cls(now() - timedelta(days=31), now() - timedelta(days=1))

    @classmethod
    def future(cls) -> "Validity":
        """Valid for a month, from tomorrow."""
        return cls(now() + timedelta(days=1), now() + timedelta(days=31))
