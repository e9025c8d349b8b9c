"""Lets AWS Private CA issue the verification certificate."""

from typing import TYPE_CHECKING

from botocore.exceptions import WaiterError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_runtime.aws_errors import AwsError, error_code
from iot_jitr_runtime.ca_registration.signers.base import RegistrationCode, Signer
from iot_jitr_runtime.ca_registration.sources import verification_template_arn
from iot_jitr_runtime.ca_registration.verification import (
    check_key_belongs,
    signature_hash,
    verification_subject,
)
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from mypy_boto3_acm_pca import ACMPCAClient
    from mypy_boto3_acm_pca.literals import SigningAlgorithmType

_VALIDITY_DAYS = 1


class PrivateCaUnavailableError(JitrError):
    """The AWS Private CA does not exist, is not active, or may not be used."""


class UnsupportedPrivateCaKeyError(JitrError):
    """The AWS Private CA's key is neither RSA nor EC."""


class PrivateCaSigner(Signer):
    """Asks the Private CA for its certificate, and for one that proves possession of its key."""

    def __init__(self, client: "ACMPCAClient", arn: str) -> None:
        self._client = client
        self._arn = arn

    def ca_certificate(self) -> Certificate:
        """The Private CA's own certificate.

        Raises:
            PrivateCaUnavailableError: It cannot be read.
        """
        try:
            answer = self._client.get_certificate_authority_certificate(CertificateAuthorityArn=self._arn)
        except AwsError as error:
            raise self._unavailable(error_code(error)) from error
        return Certificate.load(answer["Certificate"])

    def verification_certificate(self, ca: Certificate, registration_code: RegistrationCode) -> str:
        """Have the Private CA issue a certificate, valid for a day.

        Raises:
            PrivateCaUnavailableError: It does not issue.
            KeyMismatchError: `ca` is another CA's certificate.
        """
        key = self.ca_certificate().x509.public_key()
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise UnsupportedPrivateCaKeyError(
                f"the key of the Private CA '{self._arn}' is neither RSA nor EC; AWS IoT takes no other"
            )
        check_key_belongs(key, ca, f"the Private CA '{self._arn}'")
        try:
            issued = self._client.issue_certificate(
                CertificateAuthorityArn=self._arn,
                Csr=_request(registration_code()),
                SigningAlgorithm=_algorithm(key),
                TemplateArn=verification_template_arn(self._arn.split(":")[1]),
                Validity={"Value": _VALIDITY_DAYS, "Type": "DAYS"},
            )["CertificateArn"]
            self._client.get_waiter("certificate_issued").wait(
                CertificateAuthorityArn=self._arn, CertificateArn=issued
            )
            answer = self._client.get_certificate(CertificateAuthorityArn=self._arn, CertificateArn=issued)
        except WaiterError as error:
            raise self._unavailable(f"the certificate was not issued: {error}") from error
        except AwsError as error:
            raise self._unavailable(error_code(error)) from error
        return answer["Certificate"]

    def _unavailable(self, found: str) -> PrivateCaUnavailableError:
        return PrivateCaUnavailableError(
            f"cannot use the Private CA '{self._arn}': {found}; it must exist in this account and region, or "
            "be shared with it, be active, and let the registration function issue certificates"
        )


def _request(registration_code: str) -> bytes:
    own_key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(verification_subject(registration_code))
    return builder.sign(own_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _algorithm(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> "SigningAlgorithmType":
    if isinstance(key, rsa.RSAPublicKey):
        return "SHA256WITHRSA"
    match signature_hash(key):
        case hashes.SHA384():
            return "SHA384WITHECDSA"
        case hashes.SHA512():
            return "SHA512WITHECDSA"
    return "SHA256WITHECDSA"
