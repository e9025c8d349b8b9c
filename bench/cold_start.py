"""Compares the start of the activator with the start of the libraries that it needs.

    python -m bench.cold_start

Two programs run in turn, each in fresh processes, with compiled modules: the libraries alone (boto3 with the
activator's three clients, and `cryptography`), and the activator's handler with the same clients. The results
are CPU times; the minimum of many runs is the run with the least disturbance by other processes.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

LIMIT = 1.15
"""Limit of the ratio: CPU time of the activator ÷ CPU time of its libraries."""
_CLIENTS = "for service in ('iot', 'dynamodb', 'sqs'): boto3.client(service)"
LIBRARIES = f"import boto3, cryptography.x509\n{_CLIENTS}"
ACTIVATOR = f"import iot_jitr_runtime.activator.handler\n{LIBRARIES}"
_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_SECRET_ACCESS_KEY": "none",
}


def start(program: str, variables: Mapping[str, str]) -> tuple[float, float]:
    """Run a program in a fresh interpreter; return its CPU and elapsed seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, env={**os.environ, **variables})
    elapsed, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, elapsed


def main(arguments: Sequence[str]) -> int:
    """Measure and print; fail if the ratio is above the limit."""
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start")
    parser.add_argument("--runs", type=int, default=20, help="fresh processes of each program (20)")
    runs = parser.parse_args(arguments).runs
    times: dict[str, list[float]] = {LIBRARIES: [], ACTIVATOR: []}
    for program in times:
        start(program, _ENVIRONMENT)  # compiles the modules that are not compiled yet
    for _ in range(runs):
        for program, measured in times.items():
            measured.append(start(program, _ENVIRONMENT)[0])
    for name, program in (("libraries", LIBRARIES), ("activator", ACTIVATOR)):
        print(
            f"{name}: least {min(times[program]):.3f} s, median {statistics.median(times[program]):.3f} s CPU"
        )
    ratio = min(times[ACTIVATOR]) / min(times[LIBRARIES])
    print(f"ratio of the least: {ratio:.2f}, limit {LIMIT}")
    return 0 if ratio <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
