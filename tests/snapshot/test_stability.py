"""An upgrade replaces no stateful resource and registers no CA anew.

`stateful.json` holds what was deployed by the releases so far: the logical id of each stateful resource, and
the properties whose change makes CloudFormation replace it. `make snapshot` adds what is new. It never
removes or changes an entry: to replace a resource, edit the file, describe in the changelog what becomes of
the data, and make a major release.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.scenarios import NAMES, scenario

RECORD = Path(__file__).with_name("stateful.json")
UPDATE = "JITR_UPDATE_SNAPSHOTS"
REPLACED_BY = {
    "AWS::DynamoDB::Table": ("TableName", "KeySchema", "LocalSecondaryIndexes"),
    "AWS::IoT::Policy": ("PolicyName",),
    "AWS::KMS::Key": ("KeySpec", "KeyUsage"),
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::SQS::Queue": ("FifoQueue", "QueueName"),
    "Custom::JitrAccountLogging": ("ServiceToken",),
    "Custom::JitrCaCertificate": ("CaCertificatePem", "Mode", "ServiceToken"),
}
"""The stateful types, each with what CloudFormation, or our custom resource, replaces it for."""

Record = dict[str, dict[str, Any]]


def stateful(template: dict[str, Any]) -> Record:
    """The stateful resources of a template: logical id → type and what it would be replaced for."""
    return {
        name: {
            "Type": resource["Type"],
            **{
                key: resource["Properties"][key]
                for key in REPLACED_BY[resource["Type"]]
                if key in resource["Properties"]
            },
        }
        for name, resource in template["Resources"].items()
        if resource["Type"] in REPLACED_BY
    }


@pytest.mark.parametrize("name", NAMES)
def test_an_upgrade_replaces_no_stateful_resource(name: str) -> None:
    released: dict[str, Record] = json.loads(RECORD.read_text())
    now = stateful(scenario(name))
    if os.environ.get(UPDATE):
        released[name] = now | released.get(name, {})
        RECORD.write_text(json.dumps(released, indent=2, sort_keys=True) + "\n")

    assert {key for key, resource in released[name].items() if now.get(key) != resource} == set()
    assert set(now) == set(released[name]), "new: make snapshot"


def test_every_stateful_type_is_watched() -> None:
    """What is retained when the stack is deleted holds state."""
    retained = {
        resource["Type"]
        for name in NAMES
        for resource in scenario(name)["Resources"].values()
        if resource.get("DeletionPolicy") == "Retain"
    }

    assert retained <= set(REPLACED_BY)
    assert "AWS::DynamoDB::Table" in retained
