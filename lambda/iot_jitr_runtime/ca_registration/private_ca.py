"""Reads the certificate of an AWS Private CA, and has it issue one that proves possession of its key."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_runtime.ca_registration.signers import SignerError, verification_template_arn
from iot_jitr_runtime.ca_registration.verification import (
    check_key_belongs,
    signature_hash,
    verification_subject,
)
from iot_jitr_runtime.certificates import Certificate

if TYPE_CHECKING:
    from mypy_boto3_acm_pca import ACMPCAClient
    from mypy_boto3_acm_pca.literals import SigningAlgorithmType

_VALIDITY_DAYS = 1


def private_ca_certificate(client: "ACMPCAClient", arn: str) -> Certificate:
    """The Private CA's own certificate. Errors of the SDK propagate."""
    answer = client.get_certificate_authority_certificate(CertificateAuthorityArn=arn)
    return Certificate.load(answer["Certificate"])


def issue_certificate(
    client: "ACMPCAClient", arn: str, ca: Certificate, registration_code: Callable[[], str]
) -> str:
    """Have the Private CA issue a verification certificate, valid for a day. Errors of the SDK propagate.

    Raises:
        SignerError: Its key is neither RSA nor EC.
        CaCertificateError: `ca` is another CA's certificate.
    """
    key = private_ca_certificate(client, arn).x509.public_key()
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise SignerError(f"the key of the Private CA '{arn}' is neither RSA nor EC; AWS IoT takes no other")
    check_key_belongs(key, ca, f"the Private CA '{arn}'")
    issued = client.issue_certificate(
        CertificateAuthorityArn=arn,
        Csr=_request(registration_code()),
        SigningAlgorithm=_algorithm(key),
        TemplateArn=verification_template_arn(arn.split(":")[1]),
        Validity={"Value": _VALIDITY_DAYS, "Type": "DAYS"},
    )["CertificateArn"]
    client.get_waiter("certificate_issued").wait(CertificateAuthorityArn=arn, CertificateArn=issued)
    return client.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)["Certificate"]


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
