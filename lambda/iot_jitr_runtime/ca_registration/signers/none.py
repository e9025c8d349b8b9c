"""For mode SNI_ONLY, in which possession of the CA's key is not proved."""

from typing import TYPE_CHECKING

from iot_jitr_runtime.ca_registration.signers.base import RegistrationCode, Signer

if TYPE_CHECKING:
    from iot_jitr_runtime.certificates import Certificate


class NoSigner(Signer):
    """Signs nothing."""

    def verification_certificate(self, ca: "Certificate", registration_code: RegistrationCode) -> None:  # noqa: ARG002 -- the interface's
        """There is none, and AWS IoT refuses one in this mode."""
        return
