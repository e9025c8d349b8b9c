"""The templates as they were reviewed; `make snapshot` writes them anew, and the diff is what changed."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.scenarios import scenario

TEMPLATES = Path(__file__).parent / "templates"
REVIEWED = ("defaults", "everything_on", "foreign_stack")
"""The least, the most, and all imported: together they cover everything that can be deployed."""
UPDATE = "JITR_UPDATE_SNAPSHOTS"


def masked(template: dict[str, Any]) -> str:
    """The template as text, without the hashes of the assets: each line of the functions changes them."""
    return re.sub(r"[0-9a-f]{64}(?=\.(zip|json))", "<asset>", json.dumps(template, indent=2)) + "\n"


@pytest.mark.parametrize("name", REVIEWED)
def test_the_template_is_the_reviewed_one(name: str) -> None:
    snapshot = TEMPLATES / f"{name}.json"
    synthesized = masked(scenario(name))
    if os.environ.get(UPDATE):
        snapshot.write_text(synthesized)

    assert synthesized == snapshot.read_text(), "if that is meant: make snapshot, and review the diff"


def test_every_snapshot_has_its_scenario() -> None:
    assert {path.stem for path in TEMPLATES.iterdir()} == set(REVIEWED)
