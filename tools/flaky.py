"""`make flaky`: run all tests that depend on time repeatedly, on processors of different speed.

A test with a fixed wait may pass only on the machine of its author. Here every test that deploys, or starts a
process or a thread, runs as fast as the machine allows, on one core, and on one core with another load. Each
process of tests has one core, also for what its tests start; the cores work side by side. One failure fails
everything.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOGS = ROOT / "build" / "flaky"
LIMIT_SECONDS = 3600
"""Time limit of one round."""
SPEEDS = ("free", "one-core", "busy-core")
PROCESSES_A_CORE = 2
_PYTEST = ("-m", "pytest", "-q", "--dist=loadfile", "--no-loadscope-reorder", "-p", "no:cacheprovider")
_PINNED = ("-p", "tools.flaky")
"""Makes this module a plugin of the run: `pytest_configure`."""
_CORES = "JITR_FLAKY_CORES"
_SHOWN_OF_A_FAILURE = 8_000
"""Number of characters of the log's end that are printed: a run on another machine keeps nothing else."""
_MARKED = ("-m", "(e2e or timing) and not exhaustive")
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Round:
    """One run of the selected tests."""

    speed: str
    seconds: float
    exit_code: int
    failed: tuple[str, ...]
    log: Path


def pytest_configure() -> None:
    """Give a process of tests its core; the processes that it starts inherit it."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if worker:
        cores = os.environ[_CORES].split(",")
        os.sched_setaffinity(0, {int(cores[int(worker) % len(cores)])})


@contextmanager
def busy(cores: Sequence[int]) -> Iterator[None]:
    """Another load on each of the cores."""
    hogs = []
    try:
        for core in cores:
            hogs.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            os.sched_setaffinity(hogs[-1].pid, {core})
        yield
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()


def run(name: str, number: int, cores: Sequence[int], processes: int, selected: Sequence[str]) -> Round:
    """Run the selected tests once at a speed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}-{number}.log"
    pinned = () if name == "free" else _PINNED
    command = [sys.executable, *_PYTEST, *pinned, f"--numprocesses={processes}", *selected]
    environment = {**os.environ, _CORES: ",".join(map(str, cores))}
    began = time.monotonic()
    with busy(cores if name == "busy-core" else ()), log.open("w") as out:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    failed = tuple(_FAILED.findall(log.read_text(errors="replace")))
    return Round(name, time.monotonic() - began, done.returncode, failed, log)


def files_with_marked_tests() -> list[str]:
    """The files to collect: the collection of all tests takes as long as a deployment, in each process."""
    files = sorted(ROOT.glob("tests/**/test_*.py"))
    return [str(file) for file in files if "e2e" in file.parts or "pytest.mark.timing" in file.read_text()]


def main(arguments: Sequence[str]) -> int:
    """Run the rounds, print one line for each, and return the exit code."""
    if not hasattr(os, "sched_setaffinity"):
        sys.stderr.write("make flaky runs tests on one core, which needs Linux; use 'make test' here\n")
        return 2
    parser = argparse.ArgumentParser(prog="python -m tools.flaky", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each speed (default: 10)")
    parser.add_argument("--speeds", nargs="+", choices=SPEEDS, default=SPEEDS, help="default: all of them")
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument("--cores", nargs="+", type=int, default=cores, help="default: all of them")
    parser.add_argument("--processes", type=int, help="processes of tests (default: two for each core)")
    parser.add_argument("tests", nargs="*", help="arguments of pytest; default: tests that depend on time")
    chosen = parser.parse_args(arguments)
    selected = chosen.tests or [*files_with_marked_tests(), *_MARKED]
    processes = chosen.processes or PROCESSES_A_CORE * len(chosen.cores)
    rounds = []
    for name in chosen.speeds:
        for number in range(1, chosen.rounds + 1):
            rounds.append(run(name, number, chosen.cores, processes, selected))
            last = rounds[-1]
            result = "passed" if last.exit_code == 0 else f"FAILED ({last.log}): {' '.join(last.failed)}"
            sys.stdout.write(f"{name} {number} of {chosen.rounds}: {last.seconds:.0f} s, {result}\n")
            if last.exit_code != 0:
                sys.stdout.write(last.log.read_text(errors="replace")[-_SHOWN_OF_A_FAILURE:])
            sys.stdout.flush()
    failed = sum(each.exit_code != 0 for each in rounds)
    sys.stdout.write(f"{len(rounds)} rounds, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
