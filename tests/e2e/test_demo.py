"""`jitr demo` as people run it: the real stack on a local cloud of its own."""

import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from iot_jitr_cli.main import jitr

# Ctrl-C as at a terminal: what a script starts in the background inherits that it is to be ignored.
AT_A_TERMINAL = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
JITR = [sys.executable, "-c", f"{AT_A_TERMINAL}; from iot_jitr_cli.main import main; main()"]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demonstration puts its folder: nothing may be left here."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_the_demonstration_meets_every_expectation_and_leaves_nothing(temporary: Path) -> None:
    result = CliRunner().invoke(jitr, ["demo", "--devices", "3", "--json"])

    printed = json.loads(result.stdout)
    assert result.exit_code == 0
    assert printed["succeeded"] is True
    marks = [device["marks"] for device in printed["devices"]]
    # The ledger says so after the certificate is active, so a device may be faster than that.
    decided = [each.pop("activated") > each["pending"] for each in marks]
    assert decided == [True, True]
    order = ["registered", "pending", "connected", "published"]
    assert [sorted(each, key=each.get) for each in marks] == [order, order]
    refused = {device["name"]: device["reason"] for device in printed["refused"]}
    assert list(refused) == ["sensor-03", "foreign", "expired"]
    # The activator's outcome, or the sweep's if it ran meanwhile.
    assert "with reason cessationOfOperation" in refused["sensor-03"]
    met = [expectation["claim"] for expectation in printed["expectations"] if expectation["met"]]
    for claim in (
        "sensor-03, which is on the CRL, was refused each time",
        "sensor-01 became REVOKED after the new CRL",
        "the open session of sensor-01 was closed",
        "sensor-01, which had been active, was refused at its next connect",
        "1 of 1 other devices stayed ACTIVE",
    ):
        assert claim in met
    assert list(temporary.iterdir()) == []


@pytest.mark.exhaustive
def test_with_a_connect_guard_the_listed_device_is_never_registered(temporary: Path) -> None:
    result = CliRunner().invoke(jitr, ["demo", "--devices", "2", "--connect-guard", "--json"])

    printed = json.loads(result.stdout)
    assert result.exit_code == 0
    refused = {device["name"]: device["reason"] for device in printed["refused"]}
    assert "connect guard" in refused["sensor-02"]
    met = [expectation["claim"] for expectation in printed["expectations"] if expectation["met"]]
    assert "its certificate was never registered" in met
    assert "the open session of sensor-01 was closed" in met
    assert list(temporary.iterdir()) == []


def test_ctrl_c_ends_all_processes(temporary: Path) -> None:
    process = subprocess.Popen([*JITR, "demo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first_line = process.stdout.readline()
    ours = psutil.Process(process.pid).children(recursive=True)

    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert first_line.startswith("local cloud")
    assert process.returncode == 130
    assert errors.endswith("interrupted\n")
    assert ours
    assert not [each for each in ours if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
    assert list(temporary.iterdir()) == []
