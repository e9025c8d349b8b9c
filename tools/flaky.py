"""`make flaky`: run all tests that depend on time repeatedly, on processors of different speed.

A test with a fixed wait may pass only on the machine of its author. Here every test that deploys, or starts a
process or a thread, runs as fast as the machine allows, on one core, and on one core with another load. One
failure fails everything.
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
_PYTEST = ("-m", "pytest", "-q", "--dist=loadfile", "--no-loadscope-reorder", "-p", "no:cacheprovider")
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


@contextmanager
def speed(name: str, core: int) -> Iterator[None]:
    """Run this process and its child processes at a speed: child processes inherit the CPU affinity."""
    before = os.sched_getaffinity(0)
    hog = None
    try:
        if name != "free":
            os.sched_setaffinity(0, {core})
        if name == "busy-core":
            hog = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        yield
    finally:
        if hog is not None:
            hog.kill()
            hog.wait()
        os.sched_setaffinity(0, before)


def run(name: str, number: int, core: int, processes: int, selected: Sequence[str]) -> Round:
    """Run the selected tests once at a speed."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{name}-{number}.log"
    command = [sys.executable, *_PYTEST, f"--numprocesses={processes}", *selected]
    began = time.monotonic()
    with speed(name, core), log.open("w") as out:
        done = subprocess.run(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS, check=False
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
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)), help="the one core")
    parser.add_argument(
        "--processes", type=int, default=3, help="processes of tests side by side (default: 3)"
    )
    parser.add_argument("tests", nargs="*", help="arguments of pytest; default: tests that depend on time")
    chosen = parser.parse_args(arguments)
    selected = chosen.tests or [*files_with_marked_tests(), *_MARKED]
    rounds = []
    for name in chosen.speeds:
        for number in range(1, chosen.rounds + 1):
            rounds.append(run(name, number, chosen.core, chosen.processes, selected))
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
