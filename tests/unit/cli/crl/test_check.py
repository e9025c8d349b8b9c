"""`jitr crl check`: the deployed engine on the command line."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import Extension, crl_distribution_points
from iot_jitr_runtime.certificates import Certificate
from tests.support.command_line import CommandResult, run_jitr
from tests.support.crls import (
    BROKEN_POINTS,
    HOLD,
    KEY_COMPROMISE,
    NO_END,
    NOW,
    CrlSpec,
    Entry,
    idp,
    make_crl,
)

CA = DevelopmentCa.create()
SERIAL = 0xABC
ONE, TWO = "http://crl.example/1.crl", "http://crl.example/2.crl"


class Files:
    """A folder with the files that an operator has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = self.file("ca.pem", CA.certificate.pem.encode())
        self.device = self.certificate(SERIAL)

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def certificate(self, serial: int, *extensions: Extension) -> Path:
        issued = CA.issue(DeviceSpec("device", serial_number=serial, extensions=extensions))
        return self.file("device.der", issued.certificate.der)

    def crl(self, *entries: Entry, name: str = "ca.crl", **values: Any) -> Path:
        return self.file(name, make_crl(CA, CrlSpec(entries=entries, **values)))

    def check(self, *crls: Path, more: tuple[str, ...] = ()) -> CommandResult:
        options = [option for crl in crls for option in ("--crl", crl)]
        return run_jitr("crl", "check", self.device, "--ca", self.ca, *options, *more)

    def report(self, *crls: Path) -> tuple[int, dict[str, Any]]:
        result = self.check(*crls, more=("--json",))
        return result.exit_code, result.json


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


LISTED = "revoked: serial abc is on CRL number 1 with reason"


@pytest.mark.parametrize(
    ("entry", "code", "first_line"),
    [
        (Entry(1), 0, "good: serial abc is on no CRL that covers it"),
        (Entry(SERIAL, KEY_COMPROMISE), 1, f"{LISTED} keyCompromise"),
        (Entry(SERIAL, HOLD), 1, f"{LISTED} certificateHold"),
    ],
)
@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_the_status_of_a_certificate_is_shown_with_its_reason(
    files: Files, entry: Entry, code: int, first_line: str, encoding: Encoding
) -> None:
    crl = files.file("a.crl", make_crl(CA, CrlSpec([entry]), encoding))

    result = files.check(crl)

    assert result.exit_code == code
    assert result.out.splitlines() == [first_line, f"  {crl}: in force"]


def test_an_unusable_crl_leaves_the_status_undetermined_for_a_named_reason(files: Files) -> None:
    code, report = files.report(files.crl(Entry(SERIAL), number=None))

    assert (code, report["verdict"]) == (3, "unusable")
    [checked] = report["crls"]
    assert (checked["usable"], checked["rejection"]) == (False, "no_number")
    assert checked["source"] == "RFC 5280 section 5.2.3"
    assert "RFC 5280 section 5.2.3" in report["detail"]


def test_a_crl_that_covers_other_certificates_decides_nothing(files: Files) -> None:
    files.device = files.certificate(SERIAL, crl_distribution_points(TWO))
    code, report = files.report(files.crl(extensions=[idp(ONE)]))

    assert (code, report["verdict"]) == (3, "unusable")
    assert "6.3.3 (b) (2)" in report["detail"]


def test_among_crls_only_those_that_cover_the_certificate_decide(files: Files) -> None:
    files.device = files.certificate(SERIAL, crl_distribution_points(TWO))
    other = files.file("other.crl", make_crl(DevelopmentCa.create("Another CA"), CrlSpec([Entry(SERIAL)])))
    one = files.crl(Entry(SERIAL), name="one.crl", extensions=[idp(ONE)])
    two = files.crl(name="two.crl", extensions=[idp(TWO)])

    code, report = files.report(other, one, two)

    assert (code, report["verdict"]) == (0, "good")
    assert [checked["usable"] for checked in report["crls"]] == [False, True, True]


def test_the_newer_of_two_crls_of_one_scope_decides(files: Files) -> None:
    old = files.crl(Entry(SERIAL, HOLD), name="old.crl", number=1)
    new = files.crl(name="new.crl", number=2)

    code, report = files.report(new, old)

    assert code == 0
    assert "superseded" in report["crls"][1]["detail"]


@pytest.mark.parametrize(
    ("at", "code"),
    [
        pytest.param((NOW + timedelta(days=2)).isoformat(), 3, id="the day after next update"),
        ("2026-01-01", 3),
        ("0001-01-01", 3),
        ("0001-01-01T00:00:00+14:00", 3),
        ("9999-12-31T23:59:59-14:00", 3),
        ("tomorrow", 2),
    ],
)
def test_a_crl_is_usable_only_between_its_dates(files: Files, at: str, code: int) -> None:
    assert files.check(files.crl(), more=("--at", at)).exit_code == code


def test_a_crl_without_end_is_usable_at_the_last_date(files: Files) -> None:
    crl = files.crl(next_update=NO_END)

    assert files.check(crl).exit_code == 0
    assert files.check(crl, more=("--at", NO_END.isoformat())).exit_code == 0


FOREIGN = DevelopmentCa.create().issue(DeviceSpec("x")).certificate
BROKEN = CA.issue(DeviceSpec("device", extensions=(BROKEN_POINTS,))).certificate


@pytest.mark.parametrize(
    ("certificate", "message"),
    [(FOREIGN, "was not issued by this CA"), (BROKEN, "extensions cannot be read")],
)
def test_a_certificate_that_cannot_be_on_these_crls_is_wrong_use(
    files: Files, certificate: Certificate, message: str
) -> None:
    files.device = files.file("other.der", certificate.der)

    result = files.check(files.crl(extensions=[idp(ONE)]))

    assert result.exit_code == 2
    assert message in result.err


@pytest.mark.parametrize("content", [b"", b"<html></html>", bytes(1_000_000)])
def test_a_file_that_is_no_crl_is_unusable(files: Files, content: bytes) -> None:
    assert files.check(files.file("bad.crl", content)).exit_code == 3


def test_a_file_that_is_not_there_is_wrong_use(files: Files) -> None:
    assert files.check(files.folder / "missing.crl").exit_code == 2
