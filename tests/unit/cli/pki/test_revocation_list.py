"""`jitr pki crl`: the development CA's revocation list."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.entries import entries
from iot_jitr_runtime.revocation.verification import check_time, verify
from tests.support.command_line import CommandResult, run_jitr


class CaFolder:
    """A folder with a CA in it."""

    def __init__(self, folder: Path, kind: KeyKind = KeyKind.EC_P256) -> None:
        self.folder = folder
        self.ca = DevelopmentCa.create(key=kind)
        self.ca.save(folder)

    def crl(self, *options: object) -> CommandResult:
        return run_jitr("pki", "crl", self.folder, *options)

    def signed(self, *options: object, file: str = "ca.crl") -> Crl:
        result = self.crl(*options)
        assert result.exit_code == 0, result.err
        crl = Crl.load((self.folder / file).read_bytes())
        verify(crl, self.ca.certificate)
        check_time(crl, datetime.now(UTC))
        return crl

    def refused(self, *options: object) -> str:
        result = self.crl(*options)
        assert result.exit_code == 2, result.out
        return result.err


@pytest.fixture
def ca_folder(tmp_path: Path) -> CaFolder:
    return CaFolder(tmp_path)


def listed(crl: Crl) -> dict[int, str]:
    return {int.from_bytes(serial, "big"): reason.label for serial, reason in entries(crl)}


def test_the_first_list_is_empty_and_has_number_1(ca_folder: CaFolder) -> None:
    crl = ca_folder.signed()

    assert (crl.number, listed(crl)) == (1, {})
    assert crl.next_update - crl.this_update == timedelta(days=7)


def test_each_list_contains_the_entries_of_the_list_before(ca_folder: CaFolder) -> None:
    ca_folder.signed("--revoke", "a1", "--reason", "keyCompromise")
    crl = ca_folder.signed("--revoke", "0xB2", "--revoke", "0C:03")

    assert crl.number == 2
    assert listed(crl) == {0xA1: "keyCompromise", 0xB2: "unspecified", 0xC03: "unspecified"}


def test_a_certificate_is_revoked_by_its_file(ca_folder: CaFolder) -> None:
    identity = ca_folder.ca.issue(DeviceSpec("device", serial_number=77))
    files = identity.save(ca_folder.folder / "devices")

    assert listed(ca_folder.signed("--revoke", files.certificate)) == {77: "unspecified"}


def test_a_hold_can_be_released(ca_folder: CaFolder) -> None:
    assert listed(ca_folder.signed("--revoke", "5", "--reason", "certificateHold")) == {5: "certificateHold"}

    assert listed(ca_folder.signed("--release", "5")) == {}


def test_a_hold_can_become_a_revocation_but_a_revocation_stays(ca_folder: CaFolder) -> None:
    ca_folder.signed("--revoke", "5", "--reason", "certificateHold")
    assert listed(ca_folder.signed("--revoke", "5", "--reason", "keyCompromise")) == {5: "keyCompromise"}

    assert listed(ca_folder.signed("--revoke", "5", "--reason", "certificateHold")) == {5: "keyCompromise"}


@pytest.mark.parametrize("serial", ["5", "6"])
def test_only_a_hold_can_be_released(ca_folder: CaFolder, serial: str) -> None:
    ca_folder.signed("--revoke", "5")

    assert "only a certificate on hold" in ca_folder.refused("--release", serial)


def test_entries_keep_their_revocation_date(ca_folder: CaFolder) -> None:
    first = [entry.revocation_date_utc for entry in ca_folder.signed("--revoke", "5").parsed]

    assert [entry.revocation_date_utc for entry in ca_folder.signed().parsed] == first


def test_a_partition_has_its_own_file_and_distribution_point(ca_folder: CaFolder) -> None:
    file = ca_folder.folder / "1.crl"
    crl = ca_folder.signed("--partition", "http://crl.example/1", "--out", file, "--hours", 1, file="1.crl")

    assert crl.scope.points == {"http://crl.example/1"}
    assert crl.next_update - crl.this_update == timedelta(hours=1)
    assert not (ca_folder.folder / "ca.crl").exists()


def test_an_rsa_ca_signs_lists_as_well(tmp_path: Path) -> None:
    assert CaFolder(tmp_path, KeyKind.RSA_2048).signed("--revoke", "5").number == 1


@pytest.mark.parametrize("text", ["nothing", "-5", "0", ""])
def test_an_invalid_serial_number_is_refused(ca_folder: CaFolder, text: str) -> None:
    assert f"'{text}' is " in ca_folder.refused("--revoke", text)


def test_a_certificate_of_another_ca_is_refused(ca_folder: CaFolder, tmp_path: Path) -> None:
    foreign = DevelopmentCa.create().issue(DeviceSpec("foreign")).save(tmp_path / "foreign")

    assert "is not of this CA" in ca_folder.refused("--revoke", foreign.certificate)


def test_a_file_that_is_no_list_of_this_ca_is_never_overwritten(ca_folder: CaFolder) -> None:
    path = ca_folder.folder / "ca.crl"
    path.write_text("precious")

    assert f"{path} is no revocation list of this CA" in ca_folder.refused()
    assert path.read_text() == "precious"


def test_the_result_is_available_as_json(ca_folder: CaFolder) -> None:
    answer = ca_folder.crl("--revoke", "5", "--json").json

    assert answer == {"crl": str(ca_folder.folder / "ca.crl"), "number": 1, "entries": 1}
