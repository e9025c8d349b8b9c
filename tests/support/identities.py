"""CAs and devices for tests, made once where each test may use the same ones."""

from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from iot_jitr_cli.pki import DevelopmentCa, DeviceIdentity, DeviceSpec, KeyKind, Validity
from iot_jitr_runtime.certificates import Certificate


@cache
def ca(name: str = "Test CA") -> DevelopmentCa:
    """The same CA for the same name."""
    return DevelopmentCa.create(name)


@cache
def device(common_name: str = "sensor-1") -> DeviceIdentity:
    """The same device of `ca()` for the same name."""
    return ca().issue(DeviceSpec(common_name))


def common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def unsigned(
    key: Any, subject: x509.Name, issuer: x509.Name | None = None, *, is_ca: bool = False
) -> x509.CertificateBuilder:
    """A certificate of the key, valid from now for a day, to be extended and signed.

    Its issuer is its subject unless another one is given, and its only extension are the basic constraints.
    """
    validity = Validity.days(1)
    builder = x509.CertificateBuilder(
        issuer or subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        validity.not_before,
        validity.not_after,
    )
    return builder.add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)


def ca_under_a_root() -> tuple[Certificate, DevelopmentCa]:
    """A root's certificate, and a CA that it signed."""
    root_key, key, root_name = KeyKind.EC_P256.generate(), KeyKind.EC_P256.generate(), common_name("Root")
    root = unsigned(root_key, root_name, is_ca=True)
    under_it = unsigned(key, common_name("Test CA under a root"), root_name, is_ca=True)
    signed, made = (Certificate(each.sign(root_key, hashes.SHA256())) for each in (root, under_it))
    return signed, DevelopmentCa(made, key)
