"""The connect guard: refuses a revoked device at its next connect, even if its certificate is still ACTIVE.

AWS IoT invokes it for each connect to a domain configuration that names it, after mutual TLS authentication.
https://docs.aws.amazon.com/iot/latest/developerguide/customize-client-auth.html
"""

from enum import StrEnum


class OnUnknown(StrEnum):
    """What happens to a connect while there is no usable revocation index of the certificate's CA."""

    ADMIT = "admit"
    """It is admitted, as without a guard: AWS IoT still refuses a certificate that is not ACTIVE. A revoked
    device is admitted until the sweep has revoked its certificate."""
    REFUSE = "refuse"
    """It is refused: no device of this CA is admitted before there is a usable index."""
