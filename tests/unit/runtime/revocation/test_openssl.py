"""The same inputs to `openssl verify -crl_check` and to the engine: they agree, or the engine is stricter.

Each difference is in a table with its reason. CRLs are made by OpenSSL itself where it can make them.
"""

import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import crl_distribution_points
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.revocation.build import IndexBuilder
from iot_jitr_runtime.revocation.index import Index, RevocationStatus
from iot_jitr_runtime.revocation.model import Origin, RejectionReason, UnusableCrlError
from tests.support.crl_cases import BROKEN, CA, ED25519, LONG, SOUND, UNKNOWN, UNSOUND
from tests.support.crls import HOLD, KEY_COMPROMISE, NOW, CrlSpec, Entry, idp, make_crl, raw_crl
from tests.support.limits import LONGEST_WAIT
from tests.support.pkix_der import entry, extension, utc_time

OPENSSL = shutil.which("openssl")
pytestmark = [
    pytest.mark.timing,
    pytest.mark.skipif(OPENSSL is None, reason="the openssl command is not installed"),
]

SERIAL = 0x1000
URL, OTHER_URL = "http://crl.example/1.crl", "http://crl.example/2.crl"


def openssl(*arguments: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(OPENSSL), *map(str, arguments)],
        check=check,
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
    )


@dataclass
class OpensslDirectory:
    """A directory in which `openssl ca` works for one CA, as its manual page describes."""

    folder: Path
    ca: DevelopmentCa = field(default_factory=lambda: CA)

    def __post_init__(self) -> None:
        key = self.ca.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "ca.pem").write_text(self.ca.certificate.pem)
        (self.folder / "ca.key").write_bytes(key)
        (self.folder / "index.txt").touch()
        (self.folder / "crlnumber").write_text("0A\n")

    def certificate(self, serial: int = SERIAL, *urls: str) -> Path:
        extensions = (crl_distribution_points(*urls),) if urls else ()
        issued = self.ca.issue(
            DeviceSpec("device", validity=LONG, serial_number=serial, extensions=extensions)
        )
        path = self.folder / f"device-{serial:x}.pem"
        path.write_text(issued.certificate.pem)
        return path

    def revoke(self, certificate: Path, *reason: str) -> None:
        self._ca("-revoke", certificate, *reason)

    def crl(self, extensions: str = "", number: bool = True, *more: str) -> bytes:  # noqa: FBT001, FBT002
        target = self.folder / "made.crl"
        self._ca("-gencrl", "-out", target, *more, extensions=extensions, number=number)
        return target.read_bytes()

    def _ca(self, *arguments: str | Path, extensions: str = "", number: bool = True) -> None:
        config = self.folder / "openssl.cnf"
        config.write_text(
            "[ca]\ndefault_ca = here\n[here]\n"
            f"database = {self.folder}/index.txt\ncertificate = {self.folder}/ca.pem\n"
            f"private_key = {self.folder}/ca.key\ndefault_md = sha256\ndefault_crl_days = 1\n"
            + (f"crlnumber = {self.folder}/crlnumber\n" if number else "")
            + "crl_extensions = crl_ext\n"
            f"[crl_ext]\nauthorityKeyIdentifier = keyid:always\n{extensions}\n"
        )
        openssl("ca", "-batch", "-config", config, *arguments)

    def openssl_accepts(self, crl: bytes, certificate: Path, at: datetime | None = None) -> bool:
        pem = crl if b"-----BEGIN" in crl else _pem(crl)
        if pem is None:
            return False
        (self.folder / "checked.crl").write_bytes(pem)
        arguments = ["-crl_check", "-CAfile", self.folder / "ca.pem", "-CRLfile", self.folder / "checked.crl"]
        moment = ["-attime", str(int(at.timestamp()))] if at else []
        # The scope of a CRL is only checked with extended CRL support.
        run = openssl("verify", "-extended_crl", *arguments, *moment, certificate, check=False)
        return run.returncode == 0

    def engine_accepts(
        self, crl: bytes, certificate: Path, at: datetime | None = None
    ) -> bool | RejectionReason:
        at = at or datetime.now(UTC)
        ca, leaf = self.ca.certificate, Certificate.load(certificate.read_bytes())
        path = self.folder / "index"
        path.unlink(missing_ok=True)
        with IndexBuilder(path, ca, at) as builder:
            try:
                builder.add_crl(crl, Origin("crl"))
            except UnusableCrlError as error:
                return error.reason
            builder.finish("ca")  # type: ignore[arg-type]
        index = Index.open(path)
        status = index.status(leaf.x509, at).status
        index.close()
        return status is RevocationStatus.GOOD


def _pem(der: bytes) -> bytes | None:
    run = subprocess.run(
        [str(OPENSSL), "crl", "-inform", "DER"],
        input=der,
        capture_output=True,
        timeout=LONGEST_WAIT,
        check=False,
    )
    return run.stdout if run.returncode == 0 else None


@pytest.fixture
def directory(tmp_path: Path) -> OpensslDirectory:
    return OpensslDirectory(tmp_path)


def test_a_good_certificate_passes_with_a_crl_of_openssl(directory: OpensslDirectory) -> None:
    directory.revoke(directory.certificate(0x2000))
    crl, certificate = directory.crl(), directory.certificate()

    assert directory.openssl_accepts(crl, certificate)
    assert directory.engine_accepts(crl, certificate) is True


@pytest.mark.parametrize(
    "reason",
    [
        (),
        ("-crl_reason", "keyCompromise"),
        ("-crl_reason", "CACompromise"),
        ("-crl_reason", "affiliationChanged"),
        ("-crl_reason", "superseded"),
        ("-crl_reason", "cessationOfOperation"),
        ("-crl_hold", "holdInstructionReject"),
        ("-crl_compromise", "20260101000000Z"),
    ],
)
def test_a_revoked_certificate_is_refused_with_a_crl_of_openssl(
    directory: OpensslDirectory, reason: tuple[str, ...]
) -> None:
    certificate = directory.certificate()
    directory.revoke(directory.certificate(0x2000))
    directory.revoke(certificate, *reason)
    crl = directory.crl()

    assert not directory.openssl_accepts(crl, certificate)
    assert directory.engine_accepts(crl, certificate) is False


def test_partitions_by_openssl_cover_their_certificates_only(directory: OpensslDirectory) -> None:
    crl = directory.crl(f"issuingDistributionPoint = critical,@idp\n[idp]\nfullname = URI:{URL}\n")
    inside, outside = directory.certificate(0x3000, URL), directory.certificate(0x3001, OTHER_URL)

    assert directory.openssl_accepts(crl, inside)
    assert directory.engine_accepts(crl, inside) is True
    assert not directory.openssl_accepts(crl, outside)
    assert directory.engine_accepts(crl, outside) is False


def entries(*listed: Entry, **values: Any) -> tuple[bytes, DevelopmentCa]:
    return make_crl(CA, CrlSpec(listed, **values)), CA


ISSUER = x509.CertificateIssuer([x509.DirectoryName(CA.certificate.x509.subject)])
CASES: dict[str, tuple[bytes, DevelopmentCa]] = {
    name: (data, ca)
    for name, (data, ca, *_) in {**SOUND, **UNSOUND}.items()
    # No device certificates are made with these.
    if ca not in (ED25519, BROKEN)
} | {
    "good": entries(Entry(0x2000)),
    "revoked": entries(Entry(SERIAL)),
    "compromised": entries(Entry(SERIAL, KEY_COMPROMISE)),
    "on hold": entries(Entry(SERIAL, HOLD)),
    "critical entry extension elsewhere": entries(Entry(0x2000, extensions=[(UNKNOWN, True)])),
    "entry extension elsewhere": entries(Entry(0x2000, extensions=[(UNKNOWN, False)])),
    "a partition it does not point at": entries(extensions=[idp(URL)]),
    "user certificates only": entries(extensions=[idp(only_contains_user_certs=True)]),
    "entry of another issuer": entries(Entry(0x2000, extensions=[(ISSUER, True)])),
    "reason that does not exist": (
        raw_crl(CA, entries=[entry(b"\x20\x00", utc_time(NOW), extension("551d15", b"\x0a\x01\x07"))]),
        CA,
    ),
    "removed from the CRL": entries(Entry(SERIAL, x509.ReasonFlags.remove_from_crl)),
}
STRICTER = {
    "entry of another issuer": "OpenSSL skips such entries; to the engine the CRL is an indirect one",
    "reason that does not exist": "OpenSSL does not check it; the engine could not tell whether it is a hold",
    "no number": "required of every CRL (RFC 5280 section 5.2.3); without it a rollback cannot be noticed",
    "version 1": "it has no number",
    "no nextUpdate": "required of every CRL (section 5.1.2.5); without it no CRL would ever be stale",
    "it is an indirect CRL": "OpenSSL resolves the issuers of entries; the engine supports the CA's own CRLs",
    "trailing data": "OpenSSL reads the first CRL of a file; the engine reads all of the file",
    "two CRLs in one PEM file": "as before",
    "two signature algorithms": "they are the same in every CRL (section 5.1.1.2)",
    "version 5": "there is no such version (section 5.1.2.1)",
    "version 1 with extensions": "extensions are of version 2, so it has no number",
    "a negative CRL number": "a CRL number is not negative (section 5.2.3)",
    "a number of 21 octets": "a CRL number has 20 octets at most (section 5.2.3)",
    "an absurd number": "as before",
    "the same extension twice": "an extension occurs in a CRL once at most (section 4.2)",
    "removed from the CRL": "a reason of delta CRLs only (section 5.3.1); OpenSSL takes it for good",
}
LAXER = {
    "thisUpdate in the future, tolerated": "the engine tolerates a clock that is behind by seconds",
    "nextUpdate passed, tolerated": "and one that is ahead",
}


@pytest.mark.parametrize("name", CASES)
def test_openssl_and_the_engine_agree_or_a_table_has_the_difference(tmp_path: Path, name: str) -> None:
    crl, ca = CASES[name]
    directory = OpensslDirectory(tmp_path, ca)
    certificate = directory.certificate()

    by_openssl = directory.openssl_accepts(crl, certificate, NOW)
    by_engine = directory.engine_accepts(crl, certificate, NOW) is True

    assert (name in STRICTER) == (by_openssl and not by_engine)
    assert (name in LAXER) == (by_engine and not by_openssl)
