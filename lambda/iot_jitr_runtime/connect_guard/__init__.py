"""The connect guard: refuses a listed device at its next handshake, before AWS IoT has changed its status.

AWS IoT invokes it for each connect to a domain configuration that names it, after mutual TLS authentication.
https://docs.aws.amazon.com/iot/latest/developerguide/customize-client-auth.html
"""

from enum import StrEnum


class OnUnknown(StrEnum):
    """What happens to a connect while there is no usable revocation index of the certificate's CA."""

    ADMIT = "admit"
    """It is admitted, as without a guard: AWS IoT still refuses what is not ACTIVE. A revoked device that the
    sweep has not reached yet is admitted."""
    REFUSE = "refuse"
    """It is refused: no device of this CA is admitted before there is a usable index."""
