"""Reads the certificates of a chain file, and finds the device certificate and the CA certificate."""

import re
from dataclasses import dataclass
from typing import TypeVar

from cryptography import x509

from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki.keys import has_key
from iot_jitr_runtime.accepted_algorithms import PrivateKey
from iot_jitr_runtime.certificates import UNREADABLE, Certificate, MalformedCertificateError
from iot_jitr_runtime.outcomes import RefusedError

_PRIVATE_KEY = b"PRIVATE KEY-----"
_EXPECTED = "expected PEM or DER: the device certificate, then its CA's"
_BEGINNING = re.compile(rb"(?=-----BEGIN )")
_LABELS = (b"-----BEGIN CERTIFICATE-----", b"-----BEGIN X509 CERTIFICATE-----")
_LONG_FORM = 0x80

ExtensionKind = TypeVar("ExtensionKind", bound=x509.ExtensionType)


class UnreadableChainError(WrongUseError):
    """The file does not contain X.509 certificates."""


@dataclass(frozen=True)
class Chain:
    """The certificates of a chain file, in the file's order, and the role of each."""

    certificates: tuple[Certificate, ...]
    encoding: str
    """`PEM` or `DER`."""
    holds_private_key: bool
    device: Certificate
    ca: Certificate | None
    """The certificate that signed the device certificate, or else one with the issuer's name, or `None`."""

    @property
    def pem(self) -> str:
        """The whole chain in PEM, in the file's order, as TLS libraries expect it."""
        return "".join(certificate.pem for certificate in self.certificates)


def parse_chain(data: bytes, key: PrivateKey | None = None) -> Chain:
    """Read a chain file, PEM or DER (one certificate after another), in any order.

    The device certificate is one that is not a CA certificate, if the file has such a certificate. Of these
    it is the one that belongs to `key`, if there is one, else the first.

    Raises:
        UnreadableChainError: The file does not contain X.509 certificates.
    """
    pem = b"-----BEGIN" in data
    elements = _pem_elements(data) if pem else _der_elements(data)
    try:
        certificates = tuple(Certificate.load(element) for element in elements)
    except MalformedCertificateError as error:
        raise UnreadableChainError(
            f"found no well-formed X.509 certificates ({error}); {_EXPECTED}"
        ) from error
    device = _device(certificates, key)
    return Chain(
        certificates=certificates,
        encoding="PEM" if pem else "DER",
        holds_private_key=_PRIVATE_KEY in data,
        device=device,
        ca=_ca_of(device, certificates),
    )


def is_ca(certificate: Certificate) -> bool:
    """Whether the certificate's basicConstraints are CA:TRUE (RFC 5280 section 4.2.1.9)."""
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def extension(certificate: Certificate, kind: type[ExtensionKind]) -> ExtensionKind | None:
    """An extension of the certificate; `None` if the extension is missing or cannot be parsed."""
    try:
        return certificate.x509.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return None


def signed(ca: Certificate, certificate: Certificate) -> bool:
    """Whether `ca` issued the certificate: the name matches and the signature verifies."""
    try:
        certificate.check_issued_by(ca)
    except RefusedError:
        return False
    return True


def _device(certificates: tuple[Certificate, ...], key: PrivateKey | None) -> Certificate:
    candidates = [certificate for certificate in certificates if not is_ca(certificate)] or [*certificates]
    of_the_key = (certificate for certificate in candidates if key is not None and has_key(certificate, key))
    return next(of_the_key, candidates[0])


def _ca_of(device: Certificate, certificates: tuple[Certificate, ...]) -> Certificate | None:
    others = [certificate for certificate in certificates if certificate.der != device.der]
    candidates = [
        *(other for other in others if signed(other, device)),
        *(other for other in others if other.x509.subject == device.x509.issuer),
        *(other for other in others if is_ca(other)),
    ]
    return next(iter(candidates), None)


def _pem_elements(data: bytes) -> list[bytes]:
    # The data is split at each begin line, so a block without an end line is an error.
    elements = [block for block in _BEGINNING.split(data) if block.startswith(_LABELS)]
    if not elements:
        what = "a private key" if _PRIVATE_KEY in data else "PEM of another kind"
        raise UnreadableChainError(f"found {what}, but no certificate; {_EXPECTED}")
    return elements


def _der_elements(data: bytes) -> list[bytes]:
    elements: list[bytes] = []
    while data or not elements:
        size = _der_size(data)
        elements.append(data[:size])
        data = data[size:]
    return elements


def _der_size(data: bytes) -> int:
    """Octets of the first DER element: identifier, length and content (ITU-T X.690 section 8.1.3)."""
    if len(data) < 2 or not data[1] & _LONG_FORM:  # noqa: PLR2004  identifier and length octet
        return len(data)
    octets = data[1] & ~_LONG_FORM
    return 2 + octets + int.from_bytes(data[2 : 2 + octets])
