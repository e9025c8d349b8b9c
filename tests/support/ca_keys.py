"""CA keys in KMS and in AWS Private CA, as moto keeps them."""

from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_public_key

from iot_jitr_runtime.ca_registration.kms import KmsEcKey, KmsRsaKey
from iot_jitr_runtime.certificates import Certificate


def make_kms_key(client: Any, spec: str) -> tuple[str, KmsEcKey | KmsRsaKey]:
    """A KMS key, and the private key it stands for."""
    arn = client.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    public_key: Any = load_der_public_key(client.get_public_key(KeyId=arn)["PublicKey"])
    kind = KmsRsaKey if spec.startswith("RSA") else KmsEcKey
    return arn, kind(client, arn, public_key)


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
