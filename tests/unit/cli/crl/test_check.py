"""`jitr crl check`: the deployed engine's answer on the command line."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_cli.main import jitr
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import Extension, crl_distribution_points
from tests.support.crls import HOLD, KEY_COMPROMISE, NO_END, NOW, CrlSpec, Entry, idp, make_crl

CA = DevelopmentCa.create()
SERIAL = 0xABC
ONE, TWO = "http://crl.example/1.crl", "http://crl.example/2.crl"


class Files:
    """A folder with the files that a person would have."""

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

    def check(self, *crls: Path, more: tuple[str, ...] = ()) -> Result:
        options = [option for crl in crls for option in ("--crl", str(crl))]
        return CliRunner().invoke(
            jitr, ["crl", "check", str(self.device), "--ca", str(self.ca), *options, *more]
        )

    def report(self, *crls: Path) -> tuple[int, dict[str, Any]]:
        result = self.check(*crls, more=("--json",))
        return result.exit_code, json.loads(result.stdout)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_certificate_that_is_not_listed_is_good(files: Files) -> None:
    result = files.check(files.crl(Entry(1)))

    assert result.exit_code == 0
    assert result.stdout.startswith("good: serial abc is on no CRL")


def test_a_listed_certificate_is_revoked_and_the_reason_said(files: Files) -> None:
    result = files.check(files.crl(Entry(SERIAL, KEY_COMPROMISE)))

    assert result.exit_code == 1
    assert "revoked: serial abc is on CRL number 1 with reason keyCompromise" in result.stdout


def test_a_certificate_on_hold_is_revoked_for_now(files: Files) -> None:
    code, report = files.report(files.crl(Entry(SERIAL, HOLD)))

    assert (code, report["verdict"], report["reason"]) == (1, "revoked", "certificateHold")


def test_an_unusable_crl_gives_no_answer_and_the_reason_is_named(files: Files) -> None:
    code, report = files.report(files.crl(Entry(SERIAL), number=None))

    assert (code, report["verdict"]) == (3, "unusable")
    [checked] = report["crls"]
    assert (checked["usable"], checked["rejection"]) == (False, "no_number")
    assert checked["source"] == "RFC 5280 section 5.2.3"
    assert "RFC 5280 section 5.2.3" in report["detail"]


def test_a_crl_that_speaks_for_others_answers_nothing(files: Files) -> None:
    files.device = files.certificate(SERIAL, crl_distribution_points(TWO))
    code, report = files.report(files.crl(extensions=[idp(ONE)]))

    assert (code, report["verdict"]) == (3, "unusable")
    assert "6.3.3 (b) (2)" in report["detail"]


def test_of_several_crls_those_that_speak_for_the_certificate_decide(files: Files) -> None:
    files.device = files.certificate(SERIAL, crl_distribution_points(TWO))
    other = files.file("other.crl", make_crl(DevelopmentCa.create("Another CA"), CrlSpec([Entry(SERIAL)])))
    one = files.crl(Entry(SERIAL), name="one.crl", extensions=[idp(ONE)])
    two = files.crl(name="two.crl", extensions=[idp(TWO)])

    code, report = files.report(other, one, two)

    assert (code, report["verdict"]) == (0, "good")
    assert [checked["usable"] for checked in report["crls"]] == [False, True, True]


def test_of_two_crls_of_one_scope_the_newer_decides(files: Files) -> None:
    old = files.crl(Entry(SERIAL, HOLD), name="old.crl", number=1)
    new = files.crl(name="new.crl", number=2)

    code, report = files.report(new, old)

    assert code == 0
    assert "superseded" in report["crls"][1]["detail"]


def test_at_another_time_the_answer_may_differ(files: Files) -> None:
    crl = files.crl()

    then = (NOW + timedelta(days=2)).isoformat()
    assert files.check(crl).exit_code == 0
    assert files.check(crl, more=("--at", then)).exit_code == 3
    assert files.check(crl, more=("--at", "2026-01-01")).exit_code == 3


def test_a_crl_without_end_is_good_and_is_so_to_the_end(files: Files) -> None:
    crl = files.crl(next_update=NO_END)

    assert files.check(crl).exit_code == 0
    assert files.check(crl, more=("--at", NO_END.isoformat())).exit_code == 0


@pytest.mark.parametrize("at", ["0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_at_the_first_and_the_last_date_no_crl_of_today_is_usable(files: Files, at: str) -> None:
    assert files.check(files.crl(), more=("--at", at)).exit_code == 3


def test_pem_is_read_as_well(files: Files) -> None:
    pem = files.file("pem.crl", make_crl(CA, CrlSpec([Entry(SERIAL)]), Encoding.PEM))

    assert files.check(pem).exit_code == 1


def test_an_unreadable_time_is_wrong_use(files: Files) -> None:
    result = files.check(files.crl(), more=("--at", "tomorrow"))

    assert result.exit_code == 2
    assert "expected an ISO 8601 time" in result.stderr


def test_a_certificate_of_another_ca_is_wrong_use(files: Files) -> None:
    files.device = files.file("foreign.der", DevelopmentCa.create().issue(DeviceSpec("x")).certificate.der)

    result = files.check(files.crl())

    assert result.exit_code == 2
    assert "was not issued by this CA" in result.stderr


def test_a_certificate_with_unreadable_extensions_is_wrong_use(files: Files) -> None:
    broken = Extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.31"), b"\x04\x00"))
    files.device = files.certificate(SERIAL, broken)

    result = files.check(files.crl(extensions=[idp(ONE)]))

    assert result.exit_code == 2
    assert "extensions cannot be read" in result.stderr


@pytest.mark.parametrize("content", [b"", b"<html></html>", bytes(1_000_000)])
def test_what_is_no_crl_is_unusable(files: Files, content: bytes) -> None:
    assert files.check(files.file("bad.crl", content)).exit_code == 3


def test_a_file_that_is_not_there_is_wrong_use(files: Files) -> None:
    assert files.check(files.folder / "missing.crl").exit_code == 2
