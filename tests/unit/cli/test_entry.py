"""The `jitr` script, with and without the libraries of the command line."""

import sys

import pytest

from iot_jitr_cli import entry
from iot_jitr_cli.console import ExitCode


def test_the_script_runs_jitr(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["jitr", "--help"])

    with pytest.raises(SystemExit) as ended:
        entry.main()

    assert ended.value.code == ExitCode.OK
    assert "just-in-time registration" in capsys.readouterr().out


def test_a_missing_library_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "iot_jitr_cli.main", raising=False)
    monkeypatch.setitem(sys.modules, "click", None)

    with pytest.raises(SystemExit) as ended:
        entry.main()

    assert ended.value.code == ExitCode.UNDETERMINED
    assert capsys.readouterr().err == (
        "error: 'jitr' needs the Python package 'click', which is not installed: "
        "pip install 'iot-jitr[cli]'\n"
    )


def test_a_missing_module_of_the_package_propagates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "iot_jitr_cli.main", None)

    with pytest.raises(ModuleNotFoundError, match=r"iot_jitr_cli\.main"):
        entry.main()
