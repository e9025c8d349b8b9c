"""Processes that outlive their command: real ones, started, recognised and ended."""

import dataclasses
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from iot_jitr_cli.lab.process import LAB_FOLDER, ProcessIdentity, spawn, stop_processes, wait_until
from tests.support.clock import Stopwatch
from tests.support.limits import LONGEST_WAIT

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


def said(tmp_path: Path, text: str) -> bool:
    return wait_until(lambda: text in (tmp_path / "log").read_text(), limit=LONGEST_WAIT)


def test_a_spawned_process_runs_in_its_own_session_with_only_the_environment_it_was_given(
    start: Start, tmp_path: Path
) -> None:
    # The interpreter itself may add LC_CTYPE (PEP 538).
    start(
        "import os; added = {'LC_CTYPE', 'JITR_LAB'}; "
        "print(sorted({*os.environ} - added), os.getsid(0) == os.getpid(), flush=True)",
        ONLY="1",
    )

    assert said(tmp_path, "['ONLY'] True")


def test_a_running_process_is_recognised_and_an_ended_one_is_not(start: Start, tmp_path: Path) -> None:
    identity = start(SLEEP)

    assert identity.is_running()
    assert stop_processes(tmp_path)
    assert not identity.is_running()
    assert not psutil.pid_exists(identity.pid)


def test_another_process_under_the_same_number_is_not_recognised(start: Start) -> None:
    identity = start(SLEEP)

    assert not dataclasses.replace(identity, started=identity.started - 3600).is_running()


def test_processes_of_another_lab_and_of_no_lab_go_on(start: Start, tmp_path: Path) -> None:
    ours = start(SLEEP)
    others = [start(SLEEP, **{LAB_FOLDER: value}) for value in ("", f"{tmp_path}/", f"{tmp_path}-2")]
    try:
        stop_processes(tmp_path)

        assert not ours.is_running()
        assert all(other.is_running() for other in others)
    finally:
        for other in others:
            psutil.Process(other.pid).kill()


def test_a_process_that_is_spared_goes_on_with_its_children(start: Start, tmp_path: Path) -> None:
    spared = start(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])")
    assert wait_until(lambda: psutil.Process(spared.pid).children(), limit=LONGEST_WAIT)
    other = start(SLEEP)

    stop_processes(tmp_path, spare=spared)

    assert not other.is_running()
    assert spared.is_running()
    assert psutil.Process(spared.pid).children()


def test_what_goes_on_without_the_process_that_started_it_is_ended_too(start: Start, tmp_path: Path) -> None:
    start(
        "import subprocess, sys; "
        f"print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}], start_new_session=True).pid)"
    )
    assert said(tmp_path, "\n")
    child = psutil.Process(int((tmp_path / "log").read_text()))

    stop_processes(tmp_path)

    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_stopping_ends_what_the_process_started_too(start: Start, tmp_path: Path) -> None:
    child = f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}])"
    start(f"import subprocess, sys, time; print('child', {child}.pid, flush=True); time.sleep(600)")
    assert said(tmp_path, "\n")
    child_pid = int((tmp_path / "log").read_text().split()[1])

    stop_processes(tmp_path)

    assert not psutil.pid_exists(child_pid) or psutil.Process(child_pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_ignores_sigterm_is_ended_by_force(start: Start, tmp_path: Path) -> None:
    identity = start(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(600)"
    )
    assert said(tmp_path, "deaf")

    stop_processes(tmp_path, grace=0)

    assert not identity.is_running()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=str)
def test_a_second_signal_does_not_interrupt_the_stopping(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """The process sends it, as soon as it is told to end; it ends when that has been done."""
    identity = start(
        f"import os, signal, sys, time; send = lambda *_: sys.exit(os.kill({os.getpid()}, {number:d})); "
        "signal.signal(signal.SIGTERM, send); print('ready', flush=True); time.sleep(600)"
    )
    assert said(tmp_path, "ready")

    stop_processes(tmp_path, grace=LONGEST_WAIT)

    assert not identity.is_running()


def test_stopping_works_from_any_thread(start: Start, tmp_path: Path) -> None:
    identity = start(SLEEP)

    thread = threading.Thread(target=stop_processes, args=(tmp_path,))
    thread.start()
    thread.join()

    assert not identity.is_running()


def test_where_nothing_runs_nothing_is_stopped(start: Start, tmp_path: Path) -> None:
    identity = start("pass")
    assert wait_until(lambda: not identity.is_running(), limit=LONGEST_WAIT)

    assert not stop_processes(tmp_path)


def test_output_is_appended_to_the_log(start: Start, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("of an earlier run\n")

    start("import sys; print('out'); print('err', file=sys.stderr)")

    assert said(tmp_path, "err")
    assert (tmp_path / "log").read_text() == "of an earlier run\nout\nerr\n"


def test_a_process_goes_on_when_the_one_that_started_it_has_ended(tmp_path: Path) -> None:
    starter = (
        "import sys; from pathlib import Path; from iot_jitr_cli.lab.process import spawn; "
        f"child = spawn([sys.executable, '-c', {SLEEP!r}], "
        "environment={'JITR_LAB': sys.argv[1]}, log=Path('log'), cwd=Path(), sockets=()); "
        "print(child.pid)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", starter, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=True,
    )
    orphan = psutil.Process(int(answer.stdout))
    identity = ProcessIdentity(orphan.pid, orphan.create_time())

    assert identity.is_running()
    stop_processes(tmp_path)
    assert not identity.is_running()


def test_waiting_asks_until_its_limit_and_once_more() -> None:
    clock, asked_at = Stopwatch(), list[float]()

    def never() -> bool:
        asked_at.append(clock.now)
        return False

    assert not wait_until(never, limit=3, interval=1, clock=clock, sleep=clock.sleep)
    assert asked_at == [0, 1, 2, 3, 4]


def test_what_came_about_while_the_waiting_process_was_held_up_counts() -> None:
    clock = Stopwatch()

    def hold_up(_seconds: float) -> None:
        clock.sleep(3600)

    assert wait_until(lambda: clock.now > 0, limit=1, clock=clock, sleep=hold_up)
