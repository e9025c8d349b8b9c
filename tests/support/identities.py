"""CAs and devices for tests, made once where making them anew would teach nothing."""

from functools import cache
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from iot_jitr_cli.pki import DevelopmentCa, DeviceIdentity, DeviceSpec, KeyKind, Validity
from iot_jitr_runtime.certificates import Certificate

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec


@cache
def ca(name: str = "Test CA") -> DevelopmentCa:
    """The same CA for the same name."""
    return DevelopmentCa.create(name)


@cache
def device(common_name: str = "sensor-1") -> DeviceIdentity:
    """The same device of `ca()` for the same name."""
    return ca().issue(DeviceSpec(common_name))


def ca_under_a_root() -> tuple[Certificate, DevelopmentCa]:
    """A root's certificate, and a CA that it signed."""
    root_key, key, validity = KeyKind.EC_P256.generate(), KeyKind.EC_P256.generate(), Validity.days(1)
    root_name, name = _name("Root"), _name("Test CA under a root")

    def signed(subject: x509.Name, public_key: "ec.EllipticCurvePublicKey") -> Certificate:
        builder = x509.CertificateBuilder(
            root_name,
            subject,
            public_key,
            x509.random_serial_number(),
            validity.not_before,
            validity.not_after,
        ).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return Certificate(builder.sign(root_key, hashes.SHA256()))

    return signed(root_name, root_key.public_key()), DevelopmentCa(signed(name, key.public_key()), key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
