"""The safety catch: a CRL that would put out an unusual share of the fleet waits for a person."""

from dataclasses import dataclass

DEFAULT_SHARE = 0.1
DEFAULT_MINIMUM = 50


@dataclass(frozen=True, slots=True)
class SafetyCatch:
    """How many devices of a CA one CRL may put out."""

    share: float = DEFAULT_SHARE
    """Of the devices in service, more than 0 and at most 1. At 1 it never holds."""
    minimum: int = DEFAULT_MINIMUM
    """Devices: fewer than so many are always let through."""

    def holds(self, devices: int, fleet: int) -> bool:
        """Whether a person must confirm that so many devices of the fleet are put out."""
        return devices >= self.minimum and devices > self.share * fleet and self.share < 1
