"""The templates as they were reviewed; `make snapshot` writes them anew, and the diff says what changed."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.scenarios import SCENARIOS
from tests.support.stacks import of_type, template_of

TEMPLATES = Path(__file__).parent / "templates"
UPDATE = "JITR_UPDATE_SNAPSHOTS"
STATEFUL = (
    "AWS::DynamoDB::Table",
    "AWS::S3::Bucket",
    "AWS::SQS::Queue",
    "AWS::IoT::Policy",
    "Custom::JitrCaCertificate",
)


def masked(template: dict[str, Any]) -> str:
    """The template as text, without the hashes of the assets: each line of the functions changes them."""
    return re.sub(r"[0-9a-f]{64}(?=\.(zip|json))", "<asset>", json.dumps(template, indent=2)) + "\n"


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_template_is_the_reviewed_one(name: str) -> None:
    snapshot = TEMPLATES / f"{name}.json"
    synthesized = masked(template_of(SCENARIOS[name]))
    if os.environ.get(UPDATE):
        snapshot.write_text(synthesized)

    assert synthesized == snapshot.read_text(), "if that is meant: make snapshot, and review the diff"


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in TEMPLATES.iterdir()} == set(SCENARIOS)


def test_stateful_resources_keep_their_logical_ids() -> None:
    """One that changes replaces its resource: the ledger's rows, the queued events, the CA would go."""
    stateful = {
        name
        for kind in STATEFUL
        for name in of_type(json.loads((TEMPLATES / "defaults.json").read_text()), kind)
    }

    assert stateful == {
        "JitrLedgerTable9B5F8499",
        "JitrQueuesActivation60F7F482",
        "JitrQueuesDeadLetters6D64BC3A",
        "JitrDevicePolicyShared127B8EF9",
        "JitrCaFactory6411E921",
    }
