"""Processes that outlive their command: real ones, started, recognised and ended."""

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from iot_jitr_cli.lab.process import ProcessIdentity, spawn, stop_group, wait_until
from tests.support.clock import Stopwatch
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing

Start = Callable[..., ProcessIdentity]
SLEEP = "import time; time.sleep(600)"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start Python programs that are ended after the test."""
    started: list[ProcessIdentity] = []

    def run(program: str, **environment: str) -> ProcessIdentity:
        identity = spawn(
            [sys.executable, "-u", "-c", program],
            environment=environment,
            log=tmp_path / "log",
            cwd=tmp_path,
            sockets=(),
        )
        started.append(identity)
        return identity

    yield run
    for identity in started:
        stop_group(identity, grace=0.1)


def said(tmp_path: Path, text: str) -> bool:
    return wait_until(lambda: text in (tmp_path / "log").read_text(), limit=LONGEST_WAIT)


def test_a_spawned_process_runs_in_its_own_session_with_only_the_environment_it_was_given(
    start: Start, tmp_path: Path
) -> None:
    # The interpreter itself may add LC_CTYPE (PEP 538).
    start(
        "import os; print(sorted({*os.environ} - {'LC_CTYPE'}), os.getsid(0) == os.getpid(), flush=True)",
        ONLY="1",
    )

    assert said(tmp_path, "['ONLY'] True")


def test_a_running_process_is_recognised_and_an_ended_one_is_not(start: Start) -> None:
    identity = start(SLEEP)

    assert identity.is_running()
    stop_group(identity)
    assert not identity.is_running()
    assert not psutil.pid_exists(identity.pid)


def test_another_process_under_the_same_number_is_neither_recognised_nor_ended(start: Start) -> None:
    identity = start(SLEEP)
    of_a_former_process = dataclasses.replace(identity, started=identity.started - 3600)

    stop_group(of_a_former_process)

    assert not of_a_former_process.is_running()
    assert identity.is_running()


def test_stopping_ends_what_the_process_started_too(start: Start, tmp_path: Path) -> None:
    child = f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}])"
    identity = start(
        f"import subprocess, sys, time; print('child', {child}.pid, flush=True); time.sleep(600)"
    )
    assert said(tmp_path, "\n")
    child_pid = int((tmp_path / "log").read_text().split()[1])

    stop_group(identity)

    assert not psutil.pid_exists(child_pid) or psutil.Process(child_pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_ignores_sigterm_is_ended_by_force(start: Start, tmp_path: Path) -> None:
    identity = start(
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('deaf', flush=True); time.sleep(600)"
    )
    assert said(tmp_path, "deaf")

    stop_group(identity, grace=0)

    assert not identity.is_running()


def test_a_second_ctrl_c_does_not_interrupt_the_stopping(start: Start, tmp_path: Path) -> None:
    """The process presses it, as soon as it is asked to end; it ends when that has been done."""
    identity = start(
        f"import os, signal, sys, time; press = lambda *_: sys.exit(os.kill({os.getpid()}, signal.SIGINT)); "
        "signal.signal(signal.SIGTERM, press); print('ready', flush=True); time.sleep(600)"
    )
    assert said(tmp_path, "ready")

    stop_group(identity, grace=LONGEST_WAIT)

    assert not identity.is_running()


def test_stopping_works_from_any_thread(start: Start) -> None:
    identity = start(SLEEP)

    thread = threading.Thread(target=stop_group, args=(identity,))
    thread.start()
    thread.join()

    assert not identity.is_running()


def test_stopping_a_process_that_ended_by_itself_does_nothing(start: Start) -> None:
    identity = start("pass")
    assert wait_until(lambda: not identity.is_running(), limit=LONGEST_WAIT)

    stop_group(identity)

    assert not identity.is_running()


def test_stopping_a_process_that_ends_at_that_very_moment_does_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = ProcessIdentity(2**31 - 1, 0.0)
    monkeypatch.setattr(ProcessIdentity, "is_running", lambda _self: True)

    stop_group(ended)


def test_output_is_appended_to_the_log(start: Start, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("of an earlier run\n")

    start("import sys; print('out'); print('err', file=sys.stderr)")

    assert said(tmp_path, "err")
    assert (tmp_path / "log").read_text() == "of an earlier run\nout\nerr\n"


def test_a_process_goes_on_when_the_one_that_started_it_has_ended(tmp_path: Path) -> None:
    starter = (
        "import sys; from pathlib import Path; from iot_jitr_cli.lab.process import spawn; "
        f"child = spawn([sys.executable, '-c', {SLEEP!r}], "
        "environment={}, log=Path('log'), cwd=Path(), sockets=()); "
        "print(child.pid)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", starter],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LONGEST_WAIT,
        check=True,
    )
    orphan = psutil.Process(int(answer.stdout))
    identity = ProcessIdentity(orphan.pid, orphan.create_time())

    assert identity.is_running()
    stop_group(identity)
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
