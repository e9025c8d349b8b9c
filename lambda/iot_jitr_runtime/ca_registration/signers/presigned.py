"""Takes a verification certificate that the holder of an offline key has signed."""

from typing import TYPE_CHECKING

from iot_jitr_runtime.ca_registration.signers.base import RegistrationCode, Signer
from iot_jitr_runtime.ca_registration.verification import (
    check_registration_code,
    check_still_valid,
    load_verification_certificate,
)

if TYPE_CHECKING:
    from iot_jitr_runtime.certificates import Certificate


class PresignedSigner(Signer):
    """Checks what it was given, so that the error says more than AWS's."""

    def __init__(self, verification_certificate: str) -> None:
        self._pem = verification_certificate

    def verification_certificate(self, ca: "Certificate", registration_code: RegistrationCode) -> str:
        """The certificate that was given.

        Raises:
            CaCertificateError: It is not exactly one certificate.
            VerificationCertificateError: It proves nothing about `ca` here and now.
        """
        certificate = load_verification_certificate(self._pem, ca)
        check_still_valid(certificate)
        check_registration_code(certificate, registration_code())
        return certificate.pem
