"""The lab's folder: nothing else is ever removed, and damage to its state ends with a message."""

import json
import shutil
import stat
from pathlib import Path

import pytest

from iot_jitr_cli.console import CliError, WrongUseError
from iot_jitr_cli.lab.endpoint import Endpoint
from iot_jitr_cli.lab.files import (
    DeployedStack,
    LabFiles,
    State,
)
from iot_jitr_cli.lab.process import ProcessIdentity

ENDPOINT = Endpoint(ProcessIdentity(4711, 1_700_000_000.5), 4566, 8883, "LKIA1", "very-secret")
DEPLOYMENT = DeployedStack("iot-jitr", {"LedgerTable": "ledger"}, "/ca/ca.pem", 12.5)


@pytest.fixture
def files(tmp_path: Path) -> LabFiles:
    return LabFiles(tmp_path / "lab")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_is_its_owners_alone(files: LabFiles) -> None:
    files.create()

    assert mode(files.folder) == 0o700
    assert files.is_a_lab()


def test_an_empty_folder_becomes_a_lab_and_a_labs_folder_stays_one(files: LabFiles) -> None:
    files.folder.mkdir(mode=0o755)

    files.create()
    files.cdk_log.write_text("kept")
    files.create()

    assert mode(files.folder) == 0o700
    assert files.cdk_log.read_text() == "kept"


def test_a_folder_with_other_things_in_it_is_neither_used_nor_removed(files: LabFiles) -> None:
    files.folder.mkdir()
    thesis = files.folder / "thesis.txt"
    thesis.write_text("years of work")

    with pytest.raises(WrongUseError, match="--directory"):
        files.create()
    files.remove()

    assert thesis.read_text() == "years of work"
    assert list(files.folder.iterdir()) == [thesis]


def test_a_file_in_the_folders_place_is_refused(files: LabFiles) -> None:
    files.folder.write_text("a file")

    with pytest.raises(WrongUseError):
        files.create()


def test_removing_leaves_nothing(files: LabFiles) -> None:
    files.create()
    files.write_state(State(ENDPOINT))

    files.remove()

    assert not files.folder.exists()


def test_a_removal_that_is_cut_off_leaves_a_labs_folder(
    files: LabFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.create()
    (files.folder / "project").mkdir()

    def fail(_path: Path) -> None:
        raise OSError(39, "Directory not empty")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", fail)
        with pytest.raises(OSError, match="not empty"):
            files.remove()

    files.create()
    files.remove()
    assert not files.folder.exists()


@pytest.mark.parametrize("deployment", [None, DEPLOYMENT])
def test_state_is_read_as_it_was_written(files: LabFiles, deployment: DeployedStack | None) -> None:
    files.create()

    files.write_state(State(ENDPOINT, deployment))

    assert files.read_state() == State(ENDPOINT, deployment)


def test_the_state_file_holds_credentials_and_is_its_owners_alone(files: LabFiles) -> None:
    files.create()

    files.write_state(State(ENDPOINT))

    assert "very-secret" in files.state.read_text()
    assert mode(files.state) == 0o600


def test_no_state_file_means_no_state(files: LabFiles) -> None:
    assert files.read_state() is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '"text"',
        json.dumps({"endpoint": {}, "deployed": None}),
        json.dumps({"endpoint": {"process": {"pid": 1}}, "deployed": None}),
        json.dumps(
            {
                "endpoint": {
                    "process": {"pid": "one", "started": 1.0},
                    "gateway_port": 1,
                    "mqtt_port": 2,
                    "access_key_id": "a",
                    "secret_access_key": "s",
                },
                "deployed": None,
            }
        ),
    ],
)
def test_a_damaged_state_file_is_named_with_what_to_do(files: LabFiles, content: str) -> None:
    files.create()
    files.state.write_text(content)

    with pytest.raises(CliError, match=r"lab\.json is damaged .*jitr lab down"):
        files.read_state()


def test_two_commands_do_not_work_on_one_lab_at_a_time(files: LabFiles) -> None:
    files.create()

    with files.locked(), pytest.raises(CliError, match="wait until it is done"), files.locked():
        pass
    with files.locked():
        pass
