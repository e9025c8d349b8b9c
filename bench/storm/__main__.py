"""`python -m bench.storm`: run the storm and save the measurements; `make bench-storm` runs everything."""

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.storm import results
from bench.storm.cloud import storm_cloud
from bench.storm.devices import BEHAVIOURS
from bench.storm.storm import storm
from bench.storm.systems import SYSTEMS, Ours

SIZES = (100, 500, 2000)
REAL_SIZE = 200


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.storm", description=__doc__)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--behaviours", nargs="+", choices=BEHAVIOURS, default=list(BEHAVIOURS))
    parser.add_argument("--sizes", nargs="*", type=int, default=list(SIZES), help="devices; events injected")
    parser.add_argument("--real", type=int, default=REAL_SIZE, help="real devices besides; 0 for none")
    parser.add_argument("--out", type=Path, default=results.RESULTS, help="folder for the results")
    return parser.parse_args()


def main() -> int:
    """Run the chosen systems, sizes and behaviours."""
    arguments = _arguments()
    about: dict[str, object] = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "command": "python -m bench.storm",
    }
    with tempfile.TemporaryDirectory() as folder, storm_cloud(Path(folder)) as cloud:
        print("deployed", flush=True)
        for size, real in _plan(arguments):
            for name in arguments.behaviours:
                for kind in arguments.systems:
                    if size == arguments.real and kind != Ours.name:
                        continue  # only for comparison: the rate of injected events and that of real devices
                    result = asyncio.run(
                        storm(cloud, SYSTEMS[kind](cloud), BEHAVIOURS[name], size, real=real)
                    )
                    print(result, f"ratio={result.ratio}", flush=True)
                    results.save(arguments.out, [result], about)
    return 0


def _plan(arguments: argparse.Namespace) -> list[tuple[int, bool]]:
    real = [(arguments.real, True), (arguments.real, False)] if arguments.real else []
    return real + [(size, False) for size in arguments.sizes]


if __name__ == "__main__":
    sys.exit(main())
