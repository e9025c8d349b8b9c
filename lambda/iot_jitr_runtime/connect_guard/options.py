"""What the configuration decides for the connect guard; shared with the stack."""

from enum import StrEnum


class OnUnknown(StrEnum):
    """What becomes of a connect while there is no usable revocation index of the certificate's CA."""

    ADMIT = "admit"
    """It goes on, as without a guard: AWS IoT still refuses what is not ACTIVE. A revoked device that the
    sweep has not reached yet gets in."""
    REFUSE = "refuse"
    """It is refused: no device of this CA gets in before there is a usable index."""
