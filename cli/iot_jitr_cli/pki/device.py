"""The specification of a device certificate, and the result: certificate, key, chain and files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from iot_jitr_cli.pki.files import refuse_existing, write_private, write_public
from iot_jitr_cli.pki.keys import KeyKind, key_pem
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.accepted_algorithms import PrivateKey

if TYPE_CHECKING:
    from iot_jitr_cli.pki.extensions import Extension
    from iot_jitr_runtime.certificates import Certificate

DEFAULT_DAYS = 365
"""The default validity of a device certificate, in days."""


@dataclass(frozen=True)
class DeviceSpec:
    """The content of a device certificate. With the defaults, AWS IoT Core accepts the certificate."""

    common_name: str | None
    """The subject's common name; `None` makes a certificate without one."""
    key: KeyKind = KeyKind.EC_P256
    validity: Validity = field(default_factory=lambda: Validity.days(DEFAULT_DAYS))
    serial_number: int | None = None
    """1 to 2^159 - 1 (RFC 5280 section 4.1.2.2); `None`: a random serial number."""
    extensions: tuple["Extension", ...] = ()
    """Extensions in addition to the default ones."""


@dataclass(frozen=True)
class DeviceFiles:
    """The paths of a device's key, certificate and chain."""

    key: Path
    certificate: Path
    chain: Path


@dataclass(frozen=True)
class DeviceIdentity:
    """A device certificate with its private key and the CA certificate that signed it."""

    certificate: "Certificate"
    key: PrivateKey = field(repr=False)
    ca: "Certificate"

    @property
    def chain_pem(self) -> str:
        """The content of the chain file: the device certificate, then its CA's, in the order of TLS."""
        return self.certificate.pem + self.ca.pem

    def files(self, directory: Path, name: str | None = None) -> DeviceFiles:
        """The paths to which `save` writes: `<name>.key`, `<name>.pem` and `<name>.chain.pem`.

        The default name is the common name; characters that cannot be in a file name become `%xx`.
        """
        stem = quote(name or "".join(self.certificate.common_names[:1]) or "device", safe=" :@,;=")
        return DeviceFiles(
            key=directory / f"{stem}.key",
            certificate=directory / f"{stem}.pem",
            chain=directory / f"{stem}.chain.pem",
        )

    def save(self, directory: Path, name: str | None = None) -> DeviceFiles:
        """Write key (mode 0600), certificate and chain to the paths of `files`.

        Raises:
            WrongUseError: One of the three files exists already; no file is written.
        """
        files = self.files(directory, name)
        refuse_existing(files.key, files.certificate, files.chain)
        write_private(files.key, key_pem(self.key))
        write_public(files.certificate, self.certificate.pem.encode())
        write_public(files.chain, self.chain_pem.encode())
        return files
