import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from iot_jitr_cli.allow import command
from iot_jitr_cli.allow.checkpoint import Checkpoint
from iot_jitr_cli.allow.loader import Loader
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


def test_a_load_that_was_cut_off_goes_on_where_it_stopped(
    aws: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.stack("common_name", CA)
    file = written(tmp_path / "devices.csv", "common_name", *(f"sensor-{n}" for n in range(2_000)))
    write = Loader._write
    calls: list[int] = []

    def cut_off(self: Loader, batch: list[Any]) -> None:
        if str(batch[0].key) == "sensor-1500":
            raise ConnectionError("the network is gone")
        write(self, batch)

    def counted(self: Loader, batch: list[Any]) -> None:
        calls.append(len(batch))
        write(self, batch)

    monkeypatch.setattr(Loader, "_write", cut_off)
    assert run("load", file).exit_code == 3
    monkeypatch.setattr(Loader, "_write", counted)

    result = run("load", file, "--json")

    assert json.loads(result.output)["resumed_at"] == 1500
    assert sum(calls) == 500
    assert len(aws.items()) == 2_000


def test_a_load_that_is_killed_leaves_a_note_of_how_far_it_came(
    aws: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.stack("common_name", CA)
    file = written(tmp_path / "devices.csv", "common_name", *(f"sensor-{n}" for n in range(200)))
    monkeypatch.setattr(command, "_NOTE_EVERY", 50)
    noted: list[int] = []
    monkeypatch.setattr(Checkpoint, "write", lambda _self, rows: noted.append(rows) or True)

    run("load", file)

    assert noted == [50, 100, 150, 200, 200]


def test_a_changed_file_or_another_table_is_loaded_from_the_start(tmp_path: Path) -> None:
    file = written(tmp_path / "devices.csv", "common_name", "sensor-7")
    checkpoint = Checkpoint(file, "one")
    assert checkpoint.write(700)
    assert checkpoint.read() == 700

    assert Checkpoint(file, "other").read() == 0
    checkpoint.path.write_text("{")
    assert checkpoint.read() == 0
    checkpoint.path.write_text("[]")
    assert checkpoint.read() == 0
    assert checkpoint.write(700)
    written(file, "common_name", "sensor-7", "sensor-8")
    assert checkpoint.read() == 0
    checkpoint.clear()
    assert not checkpoint.path.exists()


def test_restart_begins_with_the_first_row(aws: Any, run: Run, tmp_path: Path) -> None:
    aws.stack("common_name", CA)
    file = written(tmp_path / "devices.csv", "common_name", "sensor-7", "sensor-8")
    Checkpoint(file, "expected-devices").write(1)

    assert "went on after 1" in run("load", file).output
    assert set(aws.items()) == {"sensor-8"}
    Checkpoint(file, "expected-devices").write(1)
    assert run("load", file, "--restart").output == "2 devices are listed\n"
    assert set(aws.items()) == {"sensor-7", "sensor-8"}


def test_a_wrong_row_is_named_and_nothing_is_loaded(aws: Any, run: Run, tmp_path: Path) -> None:
    aws.stack("common_name", CA)
    file = written(tmp_path / "devices.csv", "common_name,site", "sensor-7,lab", ",lab", "sensor-9,a b")

    result = run("load", file)

    assert result.exit_code == 2
    assert "line 3: found no text 'common_name'; line 4: attribute 'site' is not" in result.output
    assert "nothing was loaded" in result.output
    assert aws.items() == {}


def test_a_folder_that_cannot_be_written_costs_the_resumption_only(
    aws: Any, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.stack("common_name", CA)
    file = written(tmp_path / "devices.csv", "common_name", "sensor-7")

    def refuse(_self: Path, *_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    result = run("load", file)

    assert result.exit_code == 0
    assert "a load that is cut off starts anew" in result.output
    assert set(aws.items()) == {"sensor-7"}


def test_show_tells_whether_a_device_is_listed(aws: Any, run: Run, tmp_path: Path) -> None:
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


def test_remove_takes_a_device_off_the_list(aws: Any, run: Run, tmp_path: Path) -> None:
    aws.stack("common_name", CA)
    run("load", written(tmp_path / "devices.csv", "common_name", "sensor-7", "sensor-8"))

    first, second = run("remove", "sensor-7"), run("remove", "sensor-7", "--json")

    assert (first.exit_code, second.exit_code) == (0, 1)
    assert "if it is in, it stays in" in first.output
    assert json.loads(second.output) == {"key": "sensor-7", "removed": False}
    assert "was not on the allow list" in run("remove", "sensor-7").output
    assert set(aws.items()) == {"sensor-8"}


def test_a_deployment_without_an_allow_list_says_so(aws: Any, run: Run) -> None:
    aws.outputs["LedgerTable"] = "ledger"

    result = run("show", "sensor-7")

    assert result.exit_code == 3
    assert "AllowListTable" in result.output
