"""docs/device-kit.md and docs/devices.md show parts of the programs that run, and the values in the code."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from iot_jitr_cli.connect import Cause
from tests.support.limits import LONGEST_WAIT
from tests.support.pages import is_part_of

pytestmark = pytest.mark.timing

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "device-kit.md").read_text()
RECIPES = (ROOT / "docs" / "devices.md").read_text()
EXAMPLES = sorted(path for path in (ROOT / "examples" / "devices").iterdir() if path.is_file())
MOSQUITTO = ROOT / "examples" / "devices" / "mosquitto_device.sh"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_the_page_shows_a_part_of_each_program_after_its_link(example: Path) -> None:
    link = re.escape(f"(../examples/devices/{example.name})")

    (block,) = re.findall(rf"{link}\n\n```\w+\n(.*?)^```$", RECIPES, re.DOTALL | re.MULTILINE)

    assert is_part_of(block, example.read_text())


def test_each_recipe_is_marked_as_run_or_not_run() -> None:
    """The table's last column, the note in its section, and the programs that the end-to-end tests run."""
    rows = re.findall(r"^\| \[([^]]+)\]\(#.*\| (run by the tests|not run) \|$", RECIPES, re.MULTILINE)
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", RECIPES, re.MULTILINE))

    assert len(rows) == 15
    for name, tested in rows:
        (section,) = (text for title, text in sections.items() if title.startswith(name))
        assert ("*Not run.*" in section or "*Not run* by the tests" in section) == (tested == "not run"), name
        assert ("../examples/devices/" in section) == (tested == "run by the tests"), name


@pytest.mark.parametrize("cause", Cause)
def test_the_page_names_every_cause(cause: Cause) -> None:
    assert f"`{cause}`" in PAGE


def test_the_mosquitto_loop_reconnects_until_admitted_and_waits_at_least_a_second(tmp_path: Path) -> None:
    """With stand-ins for `mosquitto_pub`, which is admitted at its fourth call, and for `sleep`."""
    calls, waits = tmp_path / "calls", tmp_path / "waits"
    stand_in(tmp_path / "mosquitto_pub", f'echo "$@" >> {calls}; [ "$(wc -l < {calls})" -ge 4 ] || exit 7')
    stand_in(tmp_path / "sleep", f'echo "$1" >> {waits}')

    subprocess.run(
        ["/usr/bin/env", "bash", MOSQUITTO, "there", "8883", "s.chain.pem", "s.key", "s", "root.pem"],
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        timeout=LONGEST_WAIT,
        check=True,
    )

    delays = [int(line) for line in waits.read_text().splitlines()]
    assert len(delays) == 3
    assert all(low <= delay <= 2 * low for low, delay in zip([1, 2, 4], delays, strict=True))
    arguments = (
        "--host there --port 8883 --id s --cafile root.pem --cert s.chain.pem --key s.key "
        "--qos 1 --topic devices/s/hello --message hello"
    )
    assert calls.read_text().splitlines() == [arguments] * 4


def stand_in(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
