"""Processes that outlive their command: real ones, started, recognised and ended."""

import dataclasses
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import psutil
import pytest

from iot_jitr_cli.lab import process
from iot_jitr_cli.lab.process import LAB_FOLDER, ProcessIdentity, spawn, stop_processes
from iot_jitr_cli.waiting import wait_until
from tests.support.limits import LONGEST_WAIT
from tests.support.processes import is_gone

pytestmark = pytest.mark.timing

Start = Callable[..., ProcessIdentity]
SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start Python programs that are ended after the test."""

    def run(program: str, **environment: str) -> ProcessIdentity:
        return spawn(
            [sys.executable, "-u", "-c", program],
            environment={LAB_FOLDER: str(tmp_path), **environment},
            log=tmp_path / "log",
            cwd=tmp_path,
            sockets=(),
        )

    yield run
    stop_processes(tmp_path, grace=0)


def printed(tmp_path: Path, text: str) -> bool:
    return wait_until(lambda: text in (tmp_path / "log").read_text(), limit=LONGEST_WAIT)


def test_a_spawned_process_has_its_own_session_the_given_environment_and_appends_to_the_log(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("of an earlier run\n")
    # The interpreter itself may add LC_CTYPE (PEP 538).
    start(
        "import os, sys; added = {'LC_CTYPE', 'JITR_LAB'}; "
        "print(sorted({*os.environ} - added), os.getsid(0) == os.getpid()); print('err', file=sys.stderr)",
        ONLY="1",
    )

    assert printed(tmp_path, "err")
    assert (tmp_path / "log").read_text() == "of an earlier run\n['ONLY'] True\nerr\n"


def test_a_running_process_is_recognised_and_an_ended_one_is_not(start: Start, tmp_path: Path) -> None:
    identity = start(SLEEP)

    assert identity.is_running()
    # Another process with the same number.
    assert not dataclasses.replace(identity, started=identity.started - 3600).is_running()
    assert stop_processes(tmp_path)
    assert not identity.is_running()
    assert not psutil.pid_exists(identity.pid)
    assert not stop_processes(tmp_path)


def test_a_process_can_be_found_immediately_after_its_start(start: Start, tmp_path: Path) -> None:
    for _ in range(10):
        assert psutil.Process(start(SLEEP).pid).environ()[LAB_FOLDER] == str(tmp_path)


def test_an_interrupted_start_leaves_no_process(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "wait_until", Mock(side_effect=KeyboardInterrupt))
    before = {*psutil.Process().children()}

    with pytest.raises(KeyboardInterrupt):
        start(SLEEP)

    [started] = {*psutil.Process().children()} - before
    assert wait_until(lambda: is_gone(started.pid), limit=LONGEST_WAIT)


def test_processes_of_another_lab_and_of_no_lab_continue(start: Start, tmp_path: Path) -> None:
    ours = start(SLEEP)
    others = [start(SLEEP, **{LAB_FOLDER: value}) for value in ("", f"{tmp_path}/", f"{tmp_path}-2")]
    try:
        stop_processes(tmp_path)

        assert not ours.is_running()
        assert all(other.is_running() for other in others)
    finally:
        for other in others:
            psutil.Process(other.pid).kill()


def test_an_excluded_process_and_its_children_continue(start: Start, tmp_path: Path) -> None:
    spared = start(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])")
    assert wait_until(lambda: psutil.Process(spared.pid).children(), limit=LONGEST_WAIT)
    other = start(SLEEP)

    stop_processes(tmp_path, spare=spared)

    assert not other.is_running()
    assert spared.is_running()
    assert psutil.Process(spared.pid).children()


@pytest.mark.parametrize(
    ("options", "then"),
    [("", SLEEP), (", start_new_session=True", "")],
    ids=["its parent runs", "its parent has ended"],
)
def test_a_child_of_the_process_is_ended_too(start: Start, tmp_path: Path, options: str, then: str) -> None:
    start(
        f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]{options}).pid); "
        + then
    )
    assert printed(tmp_path, "\n")
    child = int((tmp_path / "log").read_text())

    stop_processes(tmp_path)

    assert is_gone(child)


def test_a_process_that_ignores_sigterm_is_ended_by_force_from_any_thread(
    start: Start, tmp_path: Path
) -> None:
    identity = start(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready'); time.sleep(600)"
    )
    assert printed(tmp_path, "ready")

    thread = threading.Thread(target=stop_processes, args=(tmp_path,), kwargs={"grace": 0})
    thread.start()
    thread.join()

    assert not identity.is_running()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
def test_a_second_signal_does_not_interrupt_the_stopping(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """The process sends the signal when it gets SIGTERM, and then ends."""
    identity = start(
        f"import os, signal, sys, time; send = lambda *_: sys.exit(os.kill({os.getpid()}, {number:d})); "
        "signal.signal(signal.SIGTERM, send); print('ready'); time.sleep(600)"
    )
    assert printed(tmp_path, "ready")

    stop_processes(tmp_path, grace=LONGEST_WAIT)

    assert not identity.is_running()
