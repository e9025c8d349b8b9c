"""Two independent validators of certificates and CRLs: the engine, and pyhanko-certvalidator."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography.exceptions import InvalidSignature
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.context import ValidationContext
from pyhanko_certvalidator.errors import (
    CRLNoMatchesError,
    CRLValidationError,
    InvalidCertificateError,
    PathValidationError,
    RevokedError,
)
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import NO_REVOCATION, CertRevTrustPolicy
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.sig_validate import DefaultSignatureValidator
from pyhanko_certvalidator.validate import async_validate_path, validate_usage

from iot_jitr_runtime.accepted_algorithms import check_device_certificate
from iot_jitr_runtime.certificates import CLOCK_TOLERANCE, Certificate, MalformedCertificateError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.outcomes import RefusedError
from iot_jitr_runtime.revocation.build import IndexBuilder
from iot_jitr_runtime.revocation.index import Index, RevocationStatus
from iot_jitr_runtime.revocation.model import Origin, RevocationReason, UnusableCrlError
from tests.support.pkix_cases import Case
from tests.support.pkix_sound import NOW

GOOD, UNDETERMINED = "good", "undetermined"
_LABELS = {reason: reason.name.lower() for reason in RevocationReason}


@dataclass(frozen=True)
class Verdict:
    """A validator's result for a case."""

    certificate: str
    """GOOD, or why the certificate is not the device certificate of the CA."""
    revocation: str | None
    """GOOD, UNDETERMINED, or the reason for which it is revoked; None: the certificate cannot be read."""
    why: set[str] = field(default_factory=set)
    """What was wrong with the CRLs."""


def by_the_engine(case: Case, folder: Path) -> Verdict:
    ca = _ca_of_the_engine(case.ca.der)
    try:
        certificate = Certificate.load(case.certificate)
    except MalformedCertificateError:
        return Verdict("unparsable_certificate", None)
    found = GOOD
    try:
        certificate.check_issued_by(ca)
        check_device_certificate(certificate)
        certificate.check_validity(NOW)
    except RefusedError as error:
        found = error.reason.value
    except MalformedCertificateError:
        found = "unparsable_certificate"
    return Verdict(found, *_on_crls(case, ca, certificate, folder))


def _on_crls(
    case: Case, ca: Certificate, certificate: Certificate, folder: Path
) -> tuple[str | None, set[str]]:
    why = set()
    path = folder / "index.sqlite"
    path.unlink(missing_ok=True)
    with IndexBuilder(path, ca, NOW) as builder:
        for number, crl in enumerate(case.crls):
            try:
                why.add("in_force" if builder.add_crl(crl, Origin(str(number))) else "superseded")
            except UnusableCrlError as error:
                why.add(error.reason.value)
        builder.finish(CaCertificateId("oracle"))
    index = Index.open(path)
    try:
        result = index.status(certificate.x509, NOW)
    except MalformedCertificateError:
        return None, set()
    finally:
        index.close()
    if result.reason is not None:
        return _LABELS[result.reason], why
    if result.status is RevocationStatus.GOOD:
        return GOOD, why
    # Without any usable CRL none covers the certificate, which is no finding of its own.
    return UNDETERMINED, why | {result.status.value} if "in_force" in why else why


async def by_pyhanko(case: Case) -> Verdict:
    ca = _ca_of_pyhanko(case.ca.der)
    try:
        certificate = asn1_x509.Certificate.load(case.certificate, strict=True)
        path = ValidationPath(CertTrustAnchor(ca), [], certificate)
        context = _context(ca, [])
    except (ValueError, TypeError):
        return Verdict("unreadable", None)
    found = GOOD
    try:
        await async_validate_path(context, path)
        usage = {"digital_signature"} if certificate.key_usage_value else set()
        validate_usage(certificate, usage, {"client_auth"}, extended_optional=True)
    except (PathValidationError, InvalidCertificateError) as error:
        found = type(error).__name__
    except Exception as error:  # noqa: BLE001 - whatever it cannot read
        found = f"unreadable: {type(error).__name__}"
    return Verdict(found, *await _on_crls_by_pyhanko(case, ca, certificate))


async def _on_crls_by_pyhanko(case: Case, ca: Any, certificate: Any) -> tuple[str, set[str]]:
    why = set()
    crls = []
    for der in case.crls:
        try:
            crls.append(asn1_crl.CertificateList.load(der, strict=True))
        except (ValueError, TypeError) as error:
            why.add(f"unreadable: {type(error).__name__}")
    path = ValidationPath(CertTrustAnchor(ca), [], certificate)
    try:
        await verify_crl(certificate, path, _context(ca, crls), use_deltas=False)
    except RevokedError as error:
        return error.reason.native, why
    except (CRLNoMatchesError, CRLValidationError) as error:
        # Its message may contain unreadable text.
        return UNDETERMINED, why | {type(error).__name__}
    except Exception as error:  # noqa: BLE001 - whatever it cannot read
        return UNDETERMINED, why | {f"unreadable: {type(error).__name__}"}
    return GOOD, why


def _context(ca: Any, crls: list[Any]) -> ValidationContext:
    return ValidationContext(
        trust_roots=[ca],
        moment=NOW,
        crls=crls,
        time_tolerance=CLOCK_TOLERANCE,
        revinfo_policy=CertRevTrustPolicy(NO_REVOCATION),
        signature_validator=_SignatureValidator(),
    )


class _SignatureValidator(DefaultSignatureValidator):
    """Takes a signature of another kind than the key for an invalid one; the library's own asserts."""

    def validate_signature(self, *arguments: Any, **more: Any) -> None:
        try:
            super().validate_signature(*arguments, **more)
        except AssertionError as error:
            raise InvalidSignature from error


@cache
def _ca_of_the_engine(der: bytes) -> Certificate:
    return Certificate.load(der)


@cache
def _ca_of_pyhanko(der: bytes) -> Any:
    return asn1_x509.Certificate.load(der)
