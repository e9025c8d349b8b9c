"""Checks with CRL files whether a certificate is revoked, by the code of the deployed functions."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.outcomes import RefusedError
from iot_jitr_runtime.revocation.build import IndexBuilder
from iot_jitr_runtime.revocation.index import Index, RevocationStatus
from iot_jitr_runtime.revocation.model import Origin, RejectionReason, UnusableCrlError


class Verdict(StrEnum):
    """The command's result; a stable interface."""

    GOOD = "good"
    """No CRL that covers the certificate lists it."""
    REVOKED = "revoked"
    """A CRL that covers the certificate lists it: revoked for good, or on hold."""
    UNUSABLE = "unusable"
    """No usable CRL covers the certificate."""


_VERDICTS = {
    RevocationStatus.GOOD: Verdict.GOOD,
    RevocationStatus.REVOKED: Verdict.REVOKED,
    RevocationStatus.ON_HOLD: Verdict.REVOKED,
}


@dataclass(frozen=True)
class CheckedCrl:
    """The result of the revocation engine for one CRL."""

    file: Path
    usable: bool
    detail: str
    rejection: RejectionReason | None = None
    """The reason why the CRL is unusable."""
    source: str | None = None
    """The source of the rule that the CRL violates."""


@dataclass(frozen=True)
class CheckReport:
    """The verdict with its evidence."""

    verdict: Verdict
    detail: str
    serial_number: str
    reason: str | None
    """The revocation reason, by its name in RFC 5280."""
    crls: list[CheckedCrl]


def check(certificate: Certificate, ca: Certificate, crls: Sequence[Path], at: datetime) -> CheckReport:
    """Check a certificate against its CA's CRLs at a moment.

    Raises:
        WrongUseError: The CA did not issue the certificate, or its extensions cannot be read.
        OSError: A file cannot be read.
    """
    try:
        certificate.check_issued_by(ca)
    except RefusedError as error:
        raise WrongUseError(f"the certificate was not issued by this CA: {error}") from error
    with TemporaryDirectory(prefix="jitr-crl-") as folder:
        path = Path(folder) / "index.sqlite"
        with IndexBuilder(path, ca, at) as builder:
            checked = [_add_crl(builder, file) for file in crls]
            builder.finish(CaCertificateId(ca.fingerprint))
        try:
            with closing(Index.open(path)) as index:
                result = index.status(certificate.x509, at)
        except MalformedCertificateError as error:
            raise WrongUseError(str(error)) from error
    verdict = _VERDICTS.get(result.status, Verdict.UNUSABLE)
    unusable = [f"{crl.file}: {crl.detail}" for crl in checked if not crl.usable]
    detail = result.detail
    if verdict is Verdict.UNUSABLE and unusable:
        detail = "; ".join(unusable)
    reason = result.reason.label if result.reason is not None else None
    return CheckReport(verdict, detail, certificate.serial_number, reason, checked)


def _add_crl(builder: IndexBuilder, file: Path) -> CheckedCrl:
    try:
        in_force = builder.add_crl(file.read_bytes(), Origin(str(file)))
    except UnusableCrlError as error:
        reason = error.reason
        return CheckedCrl(file, usable=False, detail=str(error), rejection=reason, source=reason.source)
    return CheckedCrl(
        file, usable=True, detail="in force" if in_force else "superseded by another one of the given CRLs"
    )
