"""Checks whether a CRL may be used for the device certificates of a CA: RFC 5280 sections 5 and 6.3.3.

The entries are checked when they are read (`entries`).
"""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS, PKCS1v15

from iot_jitr_runtime.certificates import CLOCK_TOLERANCE, Certificate, MalformedCertificateError
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.model import RejectionReason, UnusableCrlError

_WEAK = (hashes.MD5, hashes.SHA1)
_PROCESSED_WHEN_CRITICAL = {
    x509.IssuingDistributionPoint.oid,
    x509.AuthorityKeyIdentifier.oid,
    x509.DeltaCRLIndicator.oid,
}


def verify(crl: Crl, ca: Certificate) -> None:
    """Check a CRL, except its time and its entries.

    Raises:
        UnusableCrlError: With the first reason that is found.
    """
    try:
        _check_issuer(crl, ca)
        _check_crl_sign(ca)
    except MalformedCertificateError as error:
        raise UnusableCrlError(RejectionReason.NO_CRL_SIGN, f"the CA certificate: {error}") from error
    _check_signature(crl, ca)
    _check_extensions(crl)
    _check_scope(crl)
    # These reads are checks: they raise an exception if the value is missing or malformed.
    _ = crl.number, crl.next_update


def check_time(crl: Crl, now: datetime, max_age: timedelta | None = None) -> None:
    """Check `thisUpdate ≤ now < nextUpdate`, up to the tolerance, and that it is not older than `max_age`.

    Differences are compared, because they exist for all dates; 99991231235959Z plus a tolerance is an
    overflow.

    Raises:
        UnusableCrlError: `NOT_YET_VALID`, `EXPIRED` or `NO_NEXT_UPDATE`.
    """
    if crl.this_update - now > CLOCK_TOLERANCE:
        raise UnusableCrlError(
            RejectionReason.NOT_YET_VALID, f"its thisUpdate is {crl.this_update:%Y-%m-%d %H:%M:%SZ}"
        )
    if now - crl.next_update >= CLOCK_TOLERANCE:
        raise UnusableCrlError(
            RejectionReason.EXPIRED, f"its nextUpdate was {crl.next_update:%Y-%m-%d %H:%M:%SZ}"
        )
    if max_age is not None and now - crl.this_update >= max_age:
        raise UnusableCrlError(
            RejectionReason.EXPIRED,
            f"it is from {crl.this_update:%Y-%m-%d %H:%M:%SZ}, older than the configured {max_age}",
        )


def _check_issuer(crl: Crl, ca: Certificate) -> None:
    if crl.parsed.issuer != ca.x509.subject:
        raise UnusableCrlError(
            RejectionReason.WRONG_ISSUER,
            f"its issuer is '{crl.issuer}', the CA's subject is '{ca.subject}'",
        )
    named = crl.extension(x509.AuthorityKeyIdentifier)
    if named is None:
        return
    own = ca.extension(x509.SubjectKeyIdentifier)
    key_id = named.key_identifier
    if key_id is not None and own is not None and key_id != own.digest:
        raise UnusableCrlError(
            RejectionReason.WRONG_ISSUER,
            f"it names the key {key_id.hex()}, the CA's key is {own.digest.hex()}",
        )
    serial = named.authority_cert_serial_number
    if serial is not None and serial != ca.x509.serial_number:
        raise UnusableCrlError(
            RejectionReason.WRONG_ISSUER,
            f"it names a CA certificate with serial {serial:x}, not {ca.serial_number}",
        )


def _check_crl_sign(ca: Certificate) -> None:
    usage = ca.extension(x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        raise UnusableCrlError(
            RejectionReason.NO_CRL_SIGN, "the CA's key usage does not allow it to sign CRLs"
        )


def _check_signature(crl: Crl, ca: Certificate) -> None:
    """Check the signature over the signed bytes in place (sections 5.1.1.2, 5.1.1.3, 6.3.3 (g))."""
    try:
        algorithm = crl.parsed.signature_hash_algorithm
        if isinstance(algorithm, _WEAK):
            raise UnusableCrlError(
                RejectionReason.SIGNATURE_ALGORITHM, f"it is signed with the weak {algorithm.name.upper()}"
            )
        if not _is_signed_by(crl, ca, algorithm):
            raise UnusableCrlError(
                RejectionReason.BAD_SIGNATURE, f"its signature is not by the key of '{ca.subject}'"
            )
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise UnusableCrlError(
            RejectionReason.SIGNATURE_ALGORITHM, f"its signature algorithm cannot be verified here: {error}"
        ) from error


def _is_signed_by(crl: Crl, ca: Certificate, algorithm: hashes.HashAlgorithm | None) -> bool:
    key = ca.x509.public_key()
    parameters = crl.parsed.signature_algorithm_parameters
    try:
        match key, parameters:
            case rsa.RSAPublicKey(), PKCS1v15() | PSS() as padding if algorithm is not None:
                # `verify` accepts any buffer, although its parameter has the type bytes.
                key.verify(crl.parsed.signature, crl.signed, padding, algorithm)  # type: ignore[arg-type]
            case ec.EllipticCurvePublicKey(), ec.ECDSA() as ecdsa:
                key.verify(crl.parsed.signature, crl.signed, ecdsa)
            case _:
                # The library refuses keys that cannot sign, and algorithms of other kinds of keys.
                return crl.parsed.is_signature_valid(key)  # type: ignore[arg-type]
    except InvalidSignature:
        return False
    return True


def _check_extensions(crl: Crl) -> None:
    for extension in crl.parsed.extensions:
        if extension.critical and extension.oid not in _PROCESSED_WHEN_CRITICAL:
            raise UnusableCrlError(
                RejectionReason.CRITICAL_EXTENSION,
                f"its critical extension {extension.oid.dotted_string} is not processed here",
            )
    if delta := crl.extension(x509.DeltaCRLIndicator):
        raise UnusableCrlError(
            RejectionReason.DELTA,
            f"it is a delta CRL to number {delta.crl_number:x} (hexadecimal), not a complete one",
        )


def _check_scope(crl: Crl) -> None:
    idp = crl.extension(x509.IssuingDistributionPoint)
    if idp is None:
        return
    if idp.indirect_crl:
        raise UnusableCrlError(RejectionReason.INDIRECT, "it is an indirect CRL")
    if idp.only_contains_ca_certs:
        raise UnusableCrlError(RejectionReason.ONLY_CA_CERTIFICATES, "it lists CA certificates only")
    if idp.only_contains_attribute_certs:
        raise UnusableCrlError(
            RejectionReason.ONLY_ATTRIBUTE_CERTIFICATES, "it lists attribute certificates only"
        )
    if idp.only_some_reasons is not None:
        raise UnusableCrlError(
            RejectionReason.ONLY_SOME_REASONS, "it lists certificates revoked for some reasons only"
        )
