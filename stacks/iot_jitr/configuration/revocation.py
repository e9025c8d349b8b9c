"""Where a CA publishes its certificate revocation lists, or that it has none, said in words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iot_jitr.configuration.reader import Section

NONE = "none"


@dataclass(frozen=True)
class NoRevocation:
    """The CA has no CRL: a certificate, once issued, is admitted until it expires."""

    setting = "none"
    """What the activator is told."""


Revocation = NoRevocation
"""How the revocation of a CA's certificates is known."""

ALLOWED = '"none", which says that certificates of this CA are activated without a revocation check'


def read_revocation(ca: "Section") -> Revocation:
    """Read the key `revocation` of a CA.

    There is no default: to activate devices without a revocation check is a decision that somebody takes.

    Raises:
        ConfigurationError: It is missing or wrong.
    """
    if ca.get("revocation") != NONE:
        raise ca.wrong("revocation", ALLOWED)
    return NoRevocation()
