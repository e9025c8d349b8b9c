"""The one interface of all signers."""

from abc import ABC, abstractmethod
from collections.abc import Callable

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError

RegistrationCode = Callable[[], str]
"""Fetches the account's registration code, for the signers that need it."""


class CertificateNotGivenError(JitrError):
    """No CA certificate was given, and this signer knows none."""


class Signer(ABC):
    """Proves to AWS IoT that the CA's key is in the right hands."""

    def ca_certificate(self) -> Certificate:
        """The CA's own certificate, where the signer can read it.

        Raises:
            CertificateNotGivenError: It cannot.
        """
        raise CertificateNotGivenError(
            "no CA certificate given; only an AWS Private CA can be asked for its certificate"
        )

    @abstractmethod
    def verification_certificate(self, ca: Certificate, registration_code: RegistrationCode) -> str | None:
        """A verification certificate for `ca`, PEM; None where the mode asks for none."""
