import json
import re
from typing import Any

import pytest

from iot_jitr_cli.allow.table import AllowListTable
from tests.support.device_certificates import device_certificate

pytestmark = pytest.mark.timing

CA = "c0ffee" + "0" * 58
OTHER_CA = "decaf0" + "0" * 58


def test_devices_of_a_csv_file_are_listed_with_their_attributes(aws: Any) -> None:
    aws.stack("common_name", CA)

    answer = aws.run("load", aws.file("common_name,site,lot", "sensor-7,lab,12", "sensor-8,,"))

    assert (answer.exit_code, answer.out) == (0, "2 devices are listed\n")
    assert aws.items() == {"sensor-7": {"site": "lab", "lot": "12"}, "sensor-8": {}}


def test_devices_of_a_json_lines_file_are_listed_by_ca_and_serial(aws: Any) -> None:
    aws.stack("ca_serial", CA, OTHER_CA)
    file = aws.file(
        json.dumps({"serial_number": "0A:1B", "ca_certificate_id": OTHER_CA}),
        "",
        json.dumps({"serial_number": "FF", "thingAttributes": {"site": "lab"}}),
        name="devices.jsonl",
    )

    answer = aws.run("load", file, "--ca", CA, "--json")

    assert answer.json["devices"] == 2
    assert aws.items() == {f"{OTHER_CA}#a1b": {}, f"{CA}#ff": {"site": "lab"}}


def test_loading_a_file_again_changes_nothing(aws: Any) -> None:
    aws.stack("common_name", CA)
    file = aws.file("common_name", *(f"sensor-{n}" for n in range(60)))

    first, second = aws.run("load", file), aws.run("load", file)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert len(aws.items()) == 60
    assert [each.name for each in aws.folder.iterdir()] == ["devices.csv"]


def test_a_load_that_was_cut_off_is_completed_by_the_next_one(
    aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.stack("common_name", CA)
    file = aws.file("common_name", *(f"sensor-{n}" for n in range(400)))
    write = AllowListTable.write

    def cut_off(table: AllowListTable, batch: list[Any]) -> int:
        if batch[0].key == "sensor-200":
            raise ConnectionError("the network is gone")
        return write(table, batch)

    with monkeypatch.context() as patch:
        patch.setattr(AllowListTable, "write", cut_off)
        assert aws.run("load", file).exit_code == 3
    assert 0 < len(aws.items()) < 400

    assert aws.run("load", file).exit_code == 0
    assert len(aws.items()) == 400


def test_if_the_last_row_is_wrong_nothing_is_loaded(aws: Any) -> None:
    aws.stack("common_name", CA)

    answer = aws.run("load", aws.file("common_name", *(f"sensor-{n}" for n in range(60)), "a*"))

    assert answer.exit_code == 2
    assert re.search(r"line 62: .*nothing was loaded\n$", answer.err)
    assert answer.err.count("\n") == 1
    assert aws.items() == {}


def test_show_reports_whether_a_device_is_listed(aws: Any) -> None:
    aws.stack("common_name", CA)
    aws.run("load", aws.file("common_name,site", "sensor-7,lab"))

    listed, missing = aws.run("show", "sensor-7"), aws.run("show", "sensor-8")

    assert (listed.exit_code, missing.exit_code) == (0, 1)
    assert listed.out == "yes: 'sensor-7' is on the allow list\n  site = lab\n"
    assert missing.out.startswith("no: 'sensor-8' is not")
    assert aws.run("show", "sensor-7", "--json").json == {
        "key": "sensor-7",
        "listed": True,
        "thing_attributes": {"site": "lab"},
    }


def test_a_device_is_named_by_its_certificate_its_serial_number_or_both(aws: Any) -> None:
    aws.stack("ca_serial", CA)
    certificate = device_certificate("sensor-7", serial_number=0xA1B)
    (aws.folder / "device.der").write_bytes(certificate.der)
    aws.run("load", aws.file("serial_number", "a1b"))

    for key in (aws.folder / "device.der", "0A:1B", f"{CA}#a1b"):
        assert aws.run("show", key).exit_code == 0
    assert aws.run("show", f"{OTHER_CA}#a1b").exit_code == 1
    assert aws.run("show", "a1b", "--ca", OTHER_CA).exit_code == 1


def test_a_certificate_names_its_device_by_the_field_that_is_listed(aws: Any) -> None:
    aws.stack("common_name", CA, OTHER_CA)
    (aws.folder / "device.pem").write_text(device_certificate("sensor-7").pem)
    (aws.folder / "nameless.pem").write_text(device_certificate(organization="Acme").pem)
    aws.run("load", aws.file("common_name", "sensor-7"))

    assert aws.run("show", aws.folder / "device.pem").exit_code == 0
    nameless = aws.run("show", aws.folder / "nameless.pem")
    assert nameless.exit_code == 2
    assert "has 0 of 'common_name'" in nameless.err


def test_a_serial_number_alone_needs_its_ca_where_there_are_several(aws: Any) -> None:
    aws.stack("ca_serial", CA, OTHER_CA)

    answer = aws.run("show", "a1b")

    assert answer.exit_code == 2
    assert "--ca" in answer.err


def test_remove_removes_a_device_from_the_list(aws: Any) -> None:
    aws.stack("common_name", CA)
    aws.run("load", aws.file("common_name", "sensor-7", "sensor-8"))

    first, second = aws.run("remove", "sensor-7"), aws.run("remove", "sensor-7", "--json")

    assert (first.exit_code, second.exit_code) == (0, 1)
    assert "a device that is active stays active" in first.out
    assert second.json == {"key": "sensor-7", "removed": False}
    assert "was not on the allow list" in aws.run("remove", "sensor-7").out
    assert set(aws.items()) == {"sensor-8"}


def test_a_deployment_without_an_allow_list_is_an_error(aws: Any) -> None:
    aws.outputs["LedgerTable"] = "ledger"

    answer = aws.run("show", "sensor-7")

    assert answer.exit_code == 3
    assert "AllowListTable" in answer.err
