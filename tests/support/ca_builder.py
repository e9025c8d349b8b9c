"""CA certificates of every kind, valid ones and others that must be refused."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from iot_jitr_cli.pki.extensions import key_usage
from iot_jitr_runtime.ca_registration.kms import KmsEcKey, KmsRsaKey, kms_key
from iot_jitr_runtime.ca_registration.verification import signature_hash
from iot_jitr_runtime.certificates import Certificate


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return one key for each size: to make one takes longer than a test."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


@dataclass(frozen=True)
class CaSpec:
    """The fields of a CA certificate; valid by default."""

    name: str = "Test CA"
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    hash: Any = field(default_factory=hashes.SHA256)
    starts_in_days: float = -1
    ends_in_days: float = 3650
    is_ca: bool | None = True
    """basicConstraints CA; None for none at all."""
    may_sign: bool | None = True
    """keyUsage keyCertSign; None for no keyUsage at all."""

    def build(self) -> Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_days(self.starts_in_days))
            .not_valid_after(_days(self.ends_in_days))
        )
        if self.is_ca is not None:
            constraints = x509.BasicConstraints(ca=self.is_ca, path_length=0 if self.is_ca else None)
            builder = builder.add_extension(constraints, critical=True)
        if self.may_sign is not None:
            builder = builder.add_extension(
                key_usage(digital_signature=True, key_cert_sign=self.may_sign, crl_sign=self.may_sign),
                critical=True,
            )
        return Certificate(builder.sign(self.key, self.hash))


def ca_of(key: Any) -> Certificate:
    """A CA certificate of this key."""
    return CaSpec(key=key, hash=signature_hash(key)).build()


def make_kms_key(client: Any, spec: str) -> tuple[str, KmsEcKey | KmsRsaKey]:
    """A key in KMS, and the private key that signs with it."""
    arn = client.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    return arn, kms_key(client, arn)


def make_private_ca(client: Any) -> tuple[str, Certificate]:
    """An active AWS Private CA and its certificate, valid for ten years."""
    arn = client.create_certificate_authority(
        CertificateAuthorityType="ROOT",
        CertificateAuthorityConfiguration={
            "KeyAlgorithm": "RSA_2048",
            "SigningAlgorithm": "SHA256WITHRSA",
            "Subject": {"CommonName": "Private CA"},
        },
    )["CertificateAuthorityArn"]
    csr = client.get_certificate_authority_csr(CertificateAuthorityArn=arn)["Csr"]
    issued = client.issue_certificate(
        CertificateAuthorityArn=arn,
        Csr=csr,
        SigningAlgorithm="SHA256WITHRSA",
        TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1",
        Validity={"Value": 3650, "Type": "DAYS"},
    )["CertificateArn"]
    pem = client.get_certificate(CertificateAuthorityArn=arn, CertificateArn=issued)["Certificate"]
    client.import_certificate_authority_certificate(CertificateAuthorityArn=arn, Certificate=pem)
    return arn, Certificate.load(pem)


def pem_of(key: Any, passphrase: str | None = None) -> str:
    """A private key in PEM, for a file or a secret."""
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode())
