"""The lab's folder: nothing else is ever removed, and damage to its state ends with a message."""

import json
import shutil
import stat
from pathlib import Path

import pytest

from iot_jitr_cli.console import CliError, WrongUseError
from iot_jitr_cli.lab.files import LabFiles
from iot_jitr_cli.lab.ministack import MiniStack
from iot_jitr_cli.lab.process import ProcessIdentity
from iot_jitr_cli.lab.state import DeployedStack, read_state, write_state

MINISTACK = MiniStack(ProcessIdentity(4711, 1_700_000_000.5), 4566, 8883, "LKIA1", "very-secret")
DEPLOYED = DeployedStack("iot-jitr", {"LedgerTable": "ledger"}, "/ca/ca.pem", 12.5)
WITHOUT_PROCESS = {"gateway_port": 1, "mqtt_port": 2, "access_key_id": "a", "secret_access_key": "s"}


@pytest.fixture
def files(tmp_path: Path) -> LabFiles:
    return LabFiles(tmp_path / "lab")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_empty_folder_becomes_a_lab_and_a_labs_folder_stays_one(files: LabFiles) -> None:
    files.folder.mkdir(mode=0o755)

    files.create()
    files.cdk_log.write_text("kept")
    files.create()

    assert (mode(files.folder), files.is_a_lab()) == (0o700, True)
    assert files.cdk_log.read_text() == "kept"


def test_a_folder_with_other_files_is_neither_used_nor_removed(files: LabFiles) -> None:
    files.folder.mkdir()
    thesis = files.folder / "thesis.txt"
    thesis.write_text("years of work")

    with pytest.raises(WrongUseError, match="--directory"):
        files.create()
    files.remove()

    assert thesis.read_text() == "years of work"
    assert list(files.folder.iterdir()) == [thesis]


def test_a_file_in_place_of_the_folder_is_refused(files: LabFiles) -> None:
    files.folder.write_text("a file")

    with pytest.raises(WrongUseError):
        files.create()


def test_an_interrupted_removal_can_be_repeated(files: LabFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.create()
    write_state(files.state, MINISTACK, None)
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


@pytest.mark.parametrize("deployed", [None, DEPLOYED])
def test_state_is_read_as_written_and_its_file_is_readable_by_its_owner_only(
    files: LabFiles, deployed: DeployedStack | None
) -> None:
    files.create()
    assert read_state(files.state) is None

    write_state(files.state, MINISTACK, deployed)

    assert read_state(files.state) == (MINISTACK, deployed)
    assert "very-secret" in files.state.read_text()
    assert mode(files.state) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '"text"',
        json.dumps({"ministack": {}, "deployed": None}),
        json.dumps({"ministack": {"process": {"pid": 1}}, "deployed": None}),
        json.dumps(
            {"ministack": {"process": {"pid": "one", "started": 1.0}, **WITHOUT_PROCESS}, "deployed": None}
        ),
    ],
)
def test_a_damaged_state_file_is_named_with_what_to_do(files: LabFiles, content: str) -> None:
    files.create()
    files.state.write_text(content)

    with pytest.raises(CliError, match=r"lab\.json is damaged .*jitr lab down"):
        read_state(files.state)


def test_two_commands_do_not_work_on_one_lab_at_a_time(files: LabFiles) -> None:
    files.create()

    with files.locked(), pytest.raises(CliError, match="wait until it is done"), files.locked():
        pass
    with files.locked():
        pass
