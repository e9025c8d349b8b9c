"""The development CA: is stored in a directory and signs device certificates."""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from iot_jitr_cli.certificate_file import read_certificate
from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.extensions import Extension, ca_extensions, device_extensions
from iot_jitr_cli.pki.files import refuse_existing, write_private, write_public
from iot_jitr_cli.pki.keys import KeyKind, has_key, key_pem, load_key
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.accepted_algorithms import PrivateKey, PublicKey
from iot_jitr_runtime.ca_registration.verification import signature_hash
from iot_jitr_runtime.certificates import Certificate

DEFAULT_NAME = "iot-jitr development CA"
CERTIFICATE_FILE = "ca.pem"
KEY_FILE = "ca.key"
DEVICES = "devices"
"""The folder beside the CA's files into which `jitr pki device` writes."""
_YEARS = 10


@dataclass(frozen=True)
class DevelopmentCa:
    """A self-signed CA with its private key."""

    certificate: Certificate
    key: PrivateKey = field(repr=False)

    @classmethod
    def create(
        cls, name: str = DEFAULT_NAME, key: KeyKind = KeyKind.EC_P256, validity: Validity | None = None
    ) -> "DevelopmentCa":
        """Make a CA with a new key; by default it is valid for ten years.

        Raises:
            WrongUseError: The name is empty or longer than 64 characters.
        """
        private = key.generate()
        subject = _subject(name)
        builder = _builder(private.public_key(), subject, validity or Validity.days(365 * _YEARS))
        builder = _extended(builder, ca_extensions(private.public_key()))
        return cls(Certificate(builder.issuer_name(subject).sign(private, signature_hash(private))), private)

    @classmethod
    def load(cls, directory: Path) -> "DevelopmentCa":
        """Read a CA from the directory in which it was saved.

        Raises:
            WrongUseError: The directory has no `ca.pem` or no `ca.key`, or they do not belong together.
            WrongUseError, UnreadableKeyError: They cannot be read.
        """
        certificate_file, key_file = directory / CERTIFICATE_FILE, directory / KEY_FILE
        for path in (certificate_file, key_file):
            if not path.is_file():
                raise WrongUseError(
                    f"no {path.name} in {directory}: make a CA with 'jitr pki ca {directory}'"
                )
        return cls.from_files(certificate_file, key_file)

    @classmethod
    def from_files(cls, certificate_file: Path, key_file: Path) -> "DevelopmentCa":
        """Read a CA from its certificate and key, PEM or DER.

        Raises:
            WrongUseError: They do not belong together.
            WrongUseError, UnreadableKeyError: They cannot be read.
        """
        certificate = read_certificate(certificate_file)
        key = load_key(key_file.read_bytes())
        if not has_key(certificate, key):
            raise WrongUseError(f"{key_file} is not the private key of the certificate in {certificate_file}")
        return cls(certificate, key)

    def save(self, directory: Path) -> tuple[Path, Path]:
        """Write `ca.pem` and `ca.key` (mode 0600) and return their paths.

        Raises:
            WrongUseError: One of the files exists already; no file is written.
        """
        certificate_file, key_file = directory / CERTIFICATE_FILE, directory / KEY_FILE
        refuse_existing(certificate_file, key_file)
        write_private(key_file, key_pem(self.key))
        write_public(certificate_file, self.certificate.pem.encode())
        return certificate_file, key_file

    def issue(self, spec: DeviceSpec) -> DeviceIdentity:
        """Make a device's key and certificate, even if AWS IoT would refuse a certificate with this `spec`.

        Raises:
            WrongUseError: The common name is empty or longer than 64 characters.
        """
        private = spec.key.generate()
        subject = x509.Name([]) if spec.common_name is None else _subject(spec.common_name)
        builder = _builder(private.public_key(), subject, spec.validity, spec.serial_number)
        builder = _extended(builder, device_extensions(private.public_key(), self.certificate.x509))
        builder = _extended(builder, list(spec.extensions)).issuer_name(self.certificate.x509.subject)
        signed = builder.sign(self.key, signature_hash(self.key))
        return DeviceIdentity(Certificate(signed), private, self.certificate)


def _subject(common_name: str) -> x509.Name:
    try:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    except ValueError as error:
        raise WrongUseError(
            f"the common name cannot be in a certificate: {error} (RFC 5280 appendix A.1: 1 to 64)"
        ) from error


def _builder(
    public_key: PublicKey, subject: x509.Name, validity: Validity, serial_number: int | None = None
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number() if serial_number is None else serial_number)
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )


def _extended(builder: x509.CertificateBuilder, extensions: list[Extension]) -> x509.CertificateBuilder:
    for extension in extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder
