"""Checks of the device certificate and its CA's, each by itself and against one another."""

import re
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509

from iot_jitr_cli.chain.findings import CheckId, Finding, failed, not_checked, passed, warning
from iot_jitr_cli.chain.parsing import extension, is_ca
from iot_jitr_runtime.accepted_algorithms import (
    SUPPORTED_KEYS,
    SUPPORTED_SIGNATURES,
    UnsupportedKeyError,
    UnsupportedSignatureError,
    check_key_usage,
    supported_key,
    supported_signature,
)
from iot_jitr_runtime.certificates import MalformedCertificateError
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.policy.common_name import check_common_name

if TYPE_CHECKING:
    from iot_jitr_cli.chain.parsing import Chain
    from iot_jitr_runtime.certificates import Certificate

_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
_NO_CA = "the CA certificate is missing"


def check_not_a_ca(chain: "Chain") -> Finding:
    """Check that the certificate to be presented is a device's."""
    if not is_ca(chain.device):
        return passed(CheckId.NOT_A_CA, f"'{chain.device.subject}'")
    return failed(
        CheckId.NOT_A_CA,
        f"'{chain.device.subject}' is a CA certificate (basicConstraints CA:TRUE)",
        "present the device's own certificate, signed by the registered CA, not the CA's",
    )


def check_issuer(chain: "Chain") -> Finding:
    """Check that the device certificate names this CA as its issuer."""
    if chain.ca is None:
        return not_checked(CheckId.ISSUER, _NO_CA)
    issuer = chain.device.x509.issuer
    if issuer == chain.ca.x509.subject:
        return passed(CheckId.ISSUER, f"'{chain.ca.subject}'")
    return failed(
        CheckId.ISSUER,
        f"issued by '{issuer.rfc4514_string()}', but the CA in the file is '{chain.ca.subject}'",
        f"put the certificate of '{issuer.rfc4514_string()}' into the file; it must be the registered CA",
    )


def check_signature(chain: "Chain") -> Finding:
    """Check that the CA's key signed the device certificate."""
    if chain.ca is None:
        return not_checked(CheckId.SIGNATURE, _NO_CA)
    try:
        chain.device.check_issued_by(chain.ca)
    except RefusedError as error:
        if error.reason is Reason.BAD_SIGNATURE:
            return failed(
                CheckId.SIGNATURE,
                str(error),
                "a CA of the same name but with another key: use the certificate of the CA that signed",
            )
        return not_checked(CheckId.SIGNATURE, str(error))
    return passed(CheckId.SIGNATURE, "verifies with the CA's key")


def check_validity(chain: "Chain", now: datetime) -> Finding:
    """Check that the device certificate is within its validity."""
    return _validity(CheckId.VALIDITY, chain.device, now, "issue a new certificate to the device")


def check_ca_validity(chain: "Chain", now: datetime) -> Finding:
    """Check that the CA certificate is within its validity."""
    if chain.ca is None:
        return not_checked(CheckId.CA_VALIDITY, _NO_CA)
    return _validity(CheckId.CA_VALIDITY, chain.ca, now, "renew the CA certificate and register the new one")


def check_key_algorithm(chain: "Chain") -> Finding:
    """Check the device's kind of key."""
    return _key_algorithm(CheckId.KEY_ALGORITHM, chain.device)


def check_ca_key_algorithm(chain: "Chain") -> Finding:
    """Check the CA's kind of key."""
    if chain.ca is None:
        return not_checked(CheckId.CA_KEY_ALGORITHM, _NO_CA)
    return _key_algorithm(CheckId.CA_KEY_ALGORITHM, chain.ca)


def check_signature_algorithm(chain: "Chain") -> Finding:
    """Check the algorithm that the device certificate is signed with."""
    return _signature_algorithm(CheckId.SIGNATURE_ALGORITHM, chain.device)


def check_ca_signature_algorithm(chain: "Chain") -> Finding:
    """Check the algorithm that the CA certificate is signed with."""
    if chain.ca is None:
        return not_checked(CheckId.CA_SIGNATURE_ALGORITHM, _NO_CA)
    return _signature_algorithm(CheckId.CA_SIGNATURE_ALGORITHM, chain.ca)


def check_client_use(chain: "Chain") -> Finding:
    """Check that the key usages, where there are any, allow TLS clients (RFC 5280 section 4.2.1.12)."""
    try:
        check_key_usage(chain.device)
    except RefusedError as error:
        return failed(
            CheckId.CLIENT_USE,
            str(error),
            "issue the certificate with keyUsage digitalSignature and extendedKeyUsage clientAuth",
        )
    except MalformedCertificateError as error:
        return not_checked(CheckId.CLIENT_USE, str(error))
    restricted = extension(chain.device, x509.ExtendedKeyUsage) is not None
    return passed(CheckId.CLIENT_USE, "clientAuth" if restricted else "not restricted")


def check_common_name_use(chain: "Chain") -> Finding:
    """Check that the common name can be client id, topic level and policy variable, and a thing's name."""
    try:
        name = check_common_name(chain.device)
    except RefusedError as error:
        return failed(
            CheckId.COMMON_NAME,
            str(error),
            "issue a certificate with exactly one common name made of letters, digits, ':', '_' and '-'",
        )
    if _THING_NAME.fullmatch(name):
        return passed(CheckId.COMMON_NAME, f"'{name}'")
    return warning(
        CheckId.COMMON_NAME,
        f"'{name}' serves as client id, but not as a thing's name",
        "use only letters, digits, ':', '_' and '-' if the deployment makes things",
    )


def check_ca_may_sign(chain: "Chain") -> Finding:
    """Check that the CA certificate allows signing certificates (RFC 5280 sections 4.2.1.3 and 4.2.1.9)."""
    if chain.ca is None:
        return not_checked(CheckId.CA_MAY_SIGN, _NO_CA)
    fix = "make the CA certificate with basicConstraints CA:TRUE and keyUsage keyCertSign (see 'jitr pki ca')"
    if not is_ca(chain.ca):
        return failed(CheckId.CA_MAY_SIGN, f"'{chain.ca.subject}' lacks basicConstraints CA:TRUE", fix)
    usage = extension(chain.ca, x509.KeyUsage)
    if usage is None:
        return passed(CheckId.CA_MAY_SIGN, "CA:TRUE")
    if not usage.key_cert_sign:
        return failed(CheckId.CA_MAY_SIGN, f"the keyUsage of '{chain.ca.subject}' lacks keyCertSign", fix)
    return passed(CheckId.CA_MAY_SIGN, "CA:TRUE, keyCertSign")


def _validity(check: CheckId, certificate: "Certificate", now: datetime, renew: str) -> Finding:
    try:
        certificate.check_validity(now)
    except RefusedError as error:
        wait = "wait until then, or correct the clock of the machine that issued it"
        return failed(check, str(error), renew if error.reason is Reason.EXPIRED else wait)
    return passed(
        check, f"{certificate.not_before:%Y-%m-%d %H:%MZ} to {certificate.not_after:%Y-%m-%d %H:%MZ}"
    )


def _key_algorithm(check: CheckId, certificate: "Certificate") -> Finding:
    try:
        return passed(check, supported_key(certificate))
    except UnsupportedKeyError as error:
        return failed(check, f"{error}, which AWS IoT Core does not take", f"use {SUPPORTED_KEYS}")


def _signature_algorithm(check: CheckId, certificate: "Certificate") -> Finding:
    try:
        return passed(check, supported_signature(certificate))
    except UnsupportedSignatureError as error:
        return failed(
            check, f"{error}, which AWS IoT Core does not take", f"sign with {SUPPORTED_SIGNATURES}"
        )
