"""The checks of a chain file, its certificates and its key. Each returns a finding and a fix."""

from datetime import datetime

from cryptography import x509

from iot_jitr_cli.chain.findings import ChainStatus
from iot_jitr_cli.chain.parsing import Chain, extension, is_ca, signed
from iot_jitr_cli.pki.keys import has_key
from iot_jitr_runtime.accepted_algorithms import (
    SUPPORTED_KEYS,
    SUPPORTED_SIGNATURES,
    PrivateKey,
    UnsupportedKeyError,
    UnsupportedSignatureError,
    check_key_usage,
    supported_key,
    supported_signature,
)
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.policy.common_name import check_common_name
from iot_jitr_runtime.things.patterns import REGISTRY_NAME

_JOIN = "cat device.pem ca.pem > device.chain.pem"

Result = tuple[ChainStatus, str, str]
"""ChainStatus, evidence and fix."""


def passed(found: str) -> Result:
    """The check passed."""
    return ChainStatus.PASSED, found, ""


def failed(found: str, fix: str) -> Result:
    """The check failed."""
    return ChainStatus.FAILED, found, fix


def warning(found: str, fix: str) -> Result:
    """The check passed with a problem that should be fixed."""
    return ChainStatus.WARNING, found, fix


def not_checked(why: str) -> Result:
    """The check could not be made."""
    return ChainStatus.NOT_CHECKED, why, ""


def readable(chain: Chain) -> Result:
    """Report the number of certificates in the file."""
    count = len(chain.certificates)
    return passed(f"{count} certificate{'s' if count > 1 else ''} ({chain.encoding})")


def ca_included(chain: Chain) -> Result:
    """Check that the CA certificate is in the file.

    AWS IoT Core also accepts the device certificate alone, but only from a client that sends SNI.
    """
    device = chain.device
    if chain.ca is not None:
        return passed(f"'{chain.ca.subject}'")
    if device.x509.issuer == device.x509.subject:
        return failed(
            f"the only certificate, '{device.subject}', is signed by itself",
            "present a certificate that was signed by the registered CA, followed by that CA's certificate",
        )
    return failed(
        f"only the device certificate; its CA's, '{device.x509.issuer.rfc4514_string()}', is missing",
        f"append the CA certificate: {_JOIN} (only clients that send SNI may leave it out)",
    )


def order(chain: Chain) -> Result:
    """Check that the device certificate is the first, and the CA certificate the second."""
    expected = [chain.device, *([chain.ca] if chain.ca else [])]
    if list(chain.certificates[: len(expected)]) == expected:
        return passed("device certificate first" + (", then its CA's" if chain.ca else ""))
    position = chain.certificates.index(chain.device) + 1
    return failed(
        f"the device certificate is number {position} of {len(chain.certificates)}"
        + (f", its CA's number {chain.certificates.index(chain.ca) + 1}" if chain.ca else ""),
        f"put the device certificate first, its CA's second: {_JOIN}",
    )


def nothing_extra(chain: Chain, ca: Certificate) -> Result:
    """Check that the file contains only the two certificates: it is sent at every handshake."""
    extra = list(chain.certificates)
    extra.remove(chain.device)
    extra.remove(ca)
    if not extra:
        return passed("the device certificate and its CA's, nothing else")
    names = ", ".join(f"'{certificate.subject}'" for certificate in extra)
    if len(extra) == 1 and signed(extra[0], ca):
        return warning(
            f"also the CA's own issuer, {names}",
            f"leave it out, it costs bytes at every handshake and is not checked: {_JOIN}",
        )
    return failed(
        f"certificates that are not of this chain: {names}",
        f"leave only the device certificate and its CA's: {_JOIN}",
    )


def no_private_key(chain: Chain) -> Result:
    """Check that the file contains no private key."""
    if not chain.holds_private_key:
        return passed("none")
    return warning(
        "the file also contains a private key",
        "keep the key in a separate file that only the device can read (mode 0600)",
    )


def not_a_ca(device: Certificate) -> Result:
    """Check that the first certificate is a device certificate, not a CA certificate."""
    if not is_ca(device):
        return passed(f"'{device.subject}'")
    return failed(
        f"'{device.subject}' is a CA certificate (basicConstraints CA:TRUE)",
        "present the device's own certificate, signed by the registered CA, not the CA's",
    )


def issuer(device: Certificate, ca: Certificate) -> Result:
    """Check that the device certificate names this CA as its issuer."""
    name = device.x509.issuer
    if name == ca.x509.subject:
        return passed(f"'{ca.subject}'")
    return failed(
        f"issued by '{name.rfc4514_string()}', but the CA in the file is '{ca.subject}'",
        f"put the certificate of '{name.rfc4514_string()}' into the file; it must be the registered CA",
    )


def signature(device: Certificate, ca: Certificate) -> Result:
    """Check that the CA's key signed the device certificate."""
    try:
        device.check_issued_by(ca)
    except RefusedError as error:
        if error.reason is Reason.BAD_SIGNATURE:
            return failed(
                str(error),
                "a CA of the same name but with another key: use the certificate of the CA that signed",
            )
        return not_checked(str(error))
    return passed("verifies with the CA's key")


def validity(certificate: Certificate, now: datetime, renew: str) -> Result:
    """Check that a certificate is within its validity period; `renew` is the fix if it has expired."""
    try:
        certificate.check_validity(now)
    except RefusedError as error:
        wait = "wait until then, or correct the clock of the machine that issued it"
        return failed(str(error), renew if error.reason is Reason.EXPIRED else wait)
    return passed(f"{certificate.not_before:%Y-%m-%d %H:%MZ} to {certificate.not_after:%Y-%m-%d %H:%MZ}")


def key_algorithm(certificate: Certificate) -> Result:
    """Check a certificate's kind of key."""
    try:
        return passed(supported_key(certificate))
    except UnsupportedKeyError as error:
        return failed(f"{error}, which AWS IoT Core does not accept", f"use {SUPPORTED_KEYS}")


def signature_algorithm(certificate: Certificate) -> Result:
    """Check the algorithm that a certificate is signed with."""
    try:
        return passed(supported_signature(certificate))
    except UnsupportedSignatureError as error:
        return failed(f"{error}, which AWS IoT Core does not accept", f"sign with {SUPPORTED_SIGNATURES}")


def client_use(device: Certificate) -> Result:
    """Check that the key usages, if present, allow a TLS client (RFC 5280 section 4.2.1.12)."""
    try:
        check_key_usage(device)
    except RefusedError as error:
        return failed(
            str(error),
            "issue the certificate with keyUsage digitalSignature and extendedKeyUsage clientAuth",
        )
    except MalformedCertificateError as error:
        return not_checked(str(error))
    restricted = extension(device, x509.ExtendedKeyUsage) is not None
    return passed("clientAuth" if restricted else "not restricted")


def common_name(device: Certificate) -> Result:
    """Check that the common name can be used as client id, topic level, policy variable and thing name."""
    try:
        name = check_common_name(device)
    except RefusedError as error:
        return failed(
            str(error),
            "issue a certificate with exactly one common name made of letters, digits, ':', '_' and '-'",
        )
    if REGISTRY_NAME.fullmatch(name):
        return passed(f"'{name}'")
    return warning(
        f"'{name}' serves as client id, but not as a thing's name",
        "use only letters, digits, ':', '_' and '-' if the deployment makes things",
    )


def ca_may_sign(ca: Certificate) -> Result:
    """Check that the CA certificate allows signing certificates (RFC 5280 sections 4.2.1.3 and 4.2.1.9)."""
    fix = "make the CA certificate with basicConstraints CA:TRUE and keyUsage keyCertSign (see 'jitr pki ca')"
    if not is_ca(ca):
        return failed(f"'{ca.subject}' lacks basicConstraints CA:TRUE", fix)
    usage = extension(ca, x509.KeyUsage)
    if usage is None:
        return passed("CA:TRUE")
    if not usage.key_cert_sign:
        return failed(f"the keyUsage of '{ca.subject}' lacks keyCertSign", fix)
    return passed("CA:TRUE, keyCertSign")


def key_matches(chain: Chain, key: PrivateKey) -> Result:
    """Check that the private key is the device certificate's."""
    if has_key(chain.device, key):
        return passed("the key is the device certificate's")
    if chain.ca is not None and has_key(chain.ca, key):
        return failed("the key is the CA's", "give the device's own key; the CA's must never be on a device")
    return failed(
        f"the key is not that of '{chain.device.subject}'",
        "give the key that the certificate was made for; if it is lost, issue a new certificate",
    )
