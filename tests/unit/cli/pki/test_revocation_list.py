"""`jitr pki crl`: the development CA's revocation list."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from iot_jitr_cli.main import jitr
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.entries import entries
from iot_jitr_runtime.revocation.verification import check_time, verify


class Desk:
    """A folder with a CA in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = DevelopmentCa.create()
        self.ca.save(folder)

    def crl(self, *options: str) -> Result:
        return CliRunner().invoke(jitr, ["pki", "crl", str(self.folder), *options])

    def signed(self, *options: str, file: str = "ca.crl") -> Crl:
        result = self.crl(*options)
        assert result.exit_code == 0, result.output
        crl = Crl.load((self.folder / file).read_bytes())
        verify(crl, self.ca.certificate)
        check_time(crl, datetime.now(UTC))
        return crl

    def refused(self, *options: str) -> str:
        result = self.crl(*options)
        assert result.exit_code == 2, result.output
        return result.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def listed(crl: Crl) -> dict[int, str]:
    return {int.from_bytes(serial, "big"): reason.label for serial, reason in entries(crl)}


def test_the_first_list_is_empty_and_has_number_1(desk: Desk) -> None:
    crl = desk.signed()

    assert (crl.number, listed(crl)) == (1, {})
    assert crl.next_update - crl.this_update == timedelta(days=7)


def test_each_list_continues_the_one_before(desk: Desk) -> None:
    desk.signed("--revoke", "a1", "--reason", "keyCompromise")
    crl = desk.signed("--revoke", "0xB2", "--revoke", "0C:03")

    assert crl.number == 2
    assert listed(crl) == {0xA1: "keyCompromise", 0xB2: "unspecified", 0xC03: "unspecified"}


def test_a_certificate_is_revoked_by_its_file(desk: Desk) -> None:
    identity = desk.ca.issue(DeviceSpec("device", serial_number=77))
    files = identity.save(desk.folder / "devices")

    assert listed(desk.signed("--revoke", str(files.certificate))) == {77: "unspecified"}


def test_a_hold_can_be_released(desk: Desk) -> None:
    assert listed(desk.signed("--revoke", "5", "--reason", "certificateHold")) == {5: "certificateHold"}

    assert listed(desk.signed("--release", "5")) == {}


def test_a_hold_can_become_a_revocation_but_not_the_other_way(desk: Desk) -> None:
    desk.signed("--revoke", "5", "--reason", "certificateHold")
    assert listed(desk.signed("--revoke", "5", "--reason", "keyCompromise")) == {5: "keyCompromise"}

    assert listed(desk.signed("--revoke", "5", "--reason", "certificateHold")) == {5: "keyCompromise"}


@pytest.mark.parametrize("serial", ["5", "6"])
def test_only_a_hold_can_be_released(desk: Desk, serial: str) -> None:
    desk.signed("--revoke", "5")

    assert "only a certificate on hold" in desk.refused("--release", serial)


def test_entries_keep_the_moment_of_their_revocation(desk: Desk) -> None:
    first = [entry.revocation_date_utc for entry in desk.signed("--revoke", "5").parsed]

    assert [entry.revocation_date_utc for entry in desk.signed().parsed] == first


def test_a_partition_has_its_own_file_and_distribution_point(desk: Desk) -> None:
    crl = desk.signed(
        "--partition",
        "http://crl.example/1",
        "--out",
        str(desk.folder / "1.crl"),
        "--hours",
        "1",
        file="1.crl",
    )

    assert crl.scope.points == {"http://crl.example/1"}
    assert crl.next_update - crl.this_update == timedelta(hours=1)
    assert not (desk.folder / "ca.crl").exists()


def test_an_rsa_ca_signs_lists_as_well(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "first")
    desk.ca = DevelopmentCa.create(key=KeyKind.RSA_2048)
    desk.folder = tmp_path / "rsa"
    desk.ca.save(desk.folder)

    assert desk.signed("--revoke", "5").number == 1


@pytest.mark.parametrize("text", ["nothing", "-5", "0", ""])
def test_what_is_no_serial_number_is_refused(desk: Desk, text: str) -> None:
    assert f"'{text}' is " in desk.refused("--revoke", text)


def test_a_certificate_of_another_ca_is_refused(desk: Desk, tmp_path: Path) -> None:
    foreign = DevelopmentCa.create().issue(DeviceSpec("foreign")).save(tmp_path / "foreign")

    assert "is not of this CA" in desk.refused("--revoke", str(foreign.certificate))


def test_a_file_that_is_not_this_cas_list_is_never_overwritten(desk: Desk) -> None:
    path = desk.folder / "ca.crl"
    path.write_text("precious")

    assert f"{path} is no revocation list of this CA" in desk.refused()
    assert path.read_text() == "precious"


def test_the_result_is_available_as_json(desk: Desk) -> None:
    answer: dict[str, Any] = json.loads(desk.crl("--revoke", "5", "--json").stdout)

    assert answer == {"crl": str(desk.folder / "ca.crl"), "number": 1, "entries": 1}
