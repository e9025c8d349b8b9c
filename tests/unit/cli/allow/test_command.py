import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from iot_jitr_cli.allow.table import AllowListTable
from tests.support.device_certificates import device_certificate

pytestmark = pytest.mark.timing

Run = Callable[..., Result]

CA = "c0ffee" + "0" * 58
OTHER_CA = "decaf0" + "0" * 58


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_devices_of_a_csv_file_are_listed_with_their_attributes(aws: Any, run: Run, tmp_path: Path) -> None:
    aws.stack("common_name", CA)
    file = written(tmp_path / "devices.csv", "common_name,site,lot", "sensor-7,lab,12", "sensor-8,,")

    result = run("load", file)

    assert (result.exit_code, result.output) == (0, "2 devices are listed\n")
    assert aws.items() == {"sensor-7": {"site": "lab", "lot": "12"}, "sensor-8": {}}


def test_devices_of_a_json_lines_file_are_listed_by_ca_and_serial(aws: Any, run: Run, tmp_path: Path) -> None:
    aws.stack("ca_serial", CA, OTHER_CA)
    file = written(
        tmp_path / "devices.jsonl",
        json.dumps({"serial_number": "0A:1B", "ca_certificate_id": OTHER_CA}),
        "",
        json.dumps({"serial_number": "FF", "thingAttributes": {"site": "lab"}}),
    )

    result = run("load", file, "--ca", CA, "--json")

    assert json.loads(result.output)["devices"] == 2
    assert aws.items() == {f"{OTHER_CA}#a1b": {}, f"{CA}#ff": {"site": "lab"}}


def test_loading_a_file_again_changes_nothing(aws: Any, run: Run, tmp_path: Path) -> None:
    aws.stack("common_name", CA)
    file = written(tmp_path / "devices.csv", "common_name", *(f"sensor-{n}" for n in range(60)))

    first, second = run("load", file), run("load", file)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert len(aws.items()) == 60
    assert [each.name for each in tmp_path.iterdir()] == ["devices.csv"]


def test_a_load_that_was_cut_off_is_completed_by_the_next_one(
    aws: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.stack("common_name", CA)
    file = written(tmp_path / "devices.csv", "common_name", *(f"sensor-{n}" for n in range(400)))
    write = AllowListTable._write

    def cut_off(table: AllowListTable, batch: list[Any]) -> int:
        if str(batch[0].key) == "sensor-200":
            raise ConnectionError("the network is gone")
        return write(table, batch)

    with monkeypatch.context() as patch:
        patch.setattr(AllowListTable, "_write", cut_off)
        assert run("load", file).exit_code == 3
    assert 0 < len(aws.items()) < 400

    assert run("load", file).exit_code == 0
    assert len(aws.items()) == 400


def test_a_wrong_row_is_named_and_nothing_is_loaded(aws: Any, run: Run, tmp_path: Path) -> None:
    aws.stack("common_name", CA)
    file = written(tmp_path / "devices.csv", "common_name,site", "sensor-7,lab", ",lab", "sensor-9,a b")

    result = run("load", file)

    assert result.exit_code == 2
    assert "line 3: found no text 'common_name'; line 4: attribute 'site' is not" in result.output
    assert "nothing was loaded" in result.output
    assert aws.items() == {}


WRONG_LAST_ROWS = {
    "a lone surrogate": r'{"common_name": "\ud800"}',
    "a wildcard": '{"common_name": "a*"}',
    "a control character": r'{"common_name": "a\u0007"}',
    "blanks": '{"common_name": " g1 "}',
    "a doubled key": '{"common_name": "a", "common_name": "b"}',
    "a doubled attribute": '{"common_name": "a", "thingAttributes": {"x": "1", "x": "2"}}',
    "a doubled device": '{"common_name": "sensor-7"}',
    "nested JSON": "[" * 100_000,
    "a large item": json.dumps(
        {"common_name": "a", "thingAttributes": {f"n{n}": "v" * 800 for n in range(520)}}
    ),
}


@pytest.mark.parametrize("row", WRONG_LAST_ROWS.values(), ids=WRONG_LAST_ROWS.keys())
def test_if_the_last_row_is_wrong_nothing_is_loaded(aws: Any, run: Run, tmp_path: Path, row: str) -> None:
    aws.stack("common_name", CA)
    rows = [json.dumps({"common_name": f"sensor-{n}"}) for n in range(60)]

    result = run("load", written(tmp_path / "devices.jsonl", *rows, row))

    assert result.exit_code == 2
    assert re.search(r"line 61: .*nothing was loaded\n$", result.output)
    assert result.output.count("\n") == 1
    assert aws.items() == {}


def test_show_answers_whether_a_device_is_listed(aws: Any, run: Run, tmp_path: Path) -> None:
    aws.stack("common_name", CA)
    run("load", written(tmp_path / "devices.csv", "common_name,site", "sensor-7,lab"))

    listed, missing = run("show", "sensor-7"), run("show", "sensor-8")

    assert (listed.exit_code, missing.exit_code) == (0, 1)
    assert listed.output == "yes: 'sensor-7' is on the allow list\n  site = lab\n"
    assert missing.output.startswith("no: 'sensor-8' is not")
    assert json.loads(run("show", "sensor-7", "--json").output) == {
        "key": "sensor-7",
        "listed": True,
        "thing_attributes": {"site": "lab"},
    }


def test_a_device_is_named_by_its_certificate_its_serial_number_or_both(
    aws: Any, run: Run, tmp_path: Path
) -> None:
    aws.stack("ca_serial", CA)
    certificate = device_certificate("sensor-7", serial_number=0xA1B)
    (tmp_path / "device.der").write_bytes(certificate.der)
    run("load", written(tmp_path / "devices.csv", "serial_number", "a1b"))

    for key in (tmp_path / "device.der", "0A:1B", f"{CA}#a1b"):
        assert run("show", key).exit_code == 0
    assert run("show", f"{OTHER_CA}#a1b").exit_code == 1
    assert run("show", "a1b", "--ca", OTHER_CA).exit_code == 1


def test_a_certificate_names_its_device_by_the_field_that_is_listed(
    aws: Any, run: Run, tmp_path: Path
) -> None:
    aws.stack("common_name", CA, OTHER_CA)
    (tmp_path / "device.pem").write_text(device_certificate("sensor-7").pem)
    (tmp_path / "nameless.pem").write_text(device_certificate(organization="Acme").pem)
    run("load", written(tmp_path / "devices.csv", "common_name", "sensor-7"))

    assert run("show", tmp_path / "device.pem").exit_code == 0
    nameless = run("show", tmp_path / "nameless.pem")
    assert nameless.exit_code == 2
    assert "has 0 of 'common_name'" in nameless.output


def test_a_serial_number_alone_needs_its_ca_where_there_are_several(aws: Any, run: Run) -> None:
    aws.stack("ca_serial", CA, OTHER_CA)

    result = run("show", "a1b")

    assert result.exit_code == 2
    assert "name the certificate's with --ca" in result.output


def test_remove_removes_a_device_from_the_list(aws: Any, run: Run, tmp_path: Path) -> None:
    aws.stack("common_name", CA)
    run("load", written(tmp_path / "devices.csv", "common_name", "sensor-7", "sensor-8"))

    first, second = run("remove", "sensor-7"), run("remove", "sensor-7", "--json")

    assert (first.exit_code, second.exit_code) == (0, 1)
    assert "a device that is active stays active" in first.output
    assert json.loads(second.output) == {"key": "sensor-7", "removed": False}
    assert "was not on the allow list" in run("remove", "sensor-7").output
    assert set(aws.items()) == {"sensor-8"}


def test_a_deployment_without_an_allow_list_is_an_error(aws: Any, run: Run) -> None:
    aws.outputs["LedgerTable"] = "ledger"

    result = run("show", "sensor-7")

    assert result.exit_code == 3
    assert "AllowListTable" in result.output
