"""The tests have the same names in every process: those that share a run refuse to begin otherwise."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parents[2]


def test_the_names_of_the_tests_depend_on_neither_the_clock_nor_the_order_of_sets(
    request: "pytest.FixtureRequest",
) -> None:
    """Collect the files of this run again: later, in another time zone, with another hash seed."""
    here = {item.nodeid for item in request.session.items}
    files = sorted({name.partition("::")[0] for name in here})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *files]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))
    } | {"PYTHONHASHSEED": "1", "TZ": "Asia/Kolkata"}

    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert sorted(here - set(run.stdout.splitlines())) == []
