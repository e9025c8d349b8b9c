"""The JSON schema of `cdk.json`: it accepts what the synthesis accepts, and rejects wrong values."""

import json
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from iot_jitr import AccountLoggingMode, JitrConfiguration, Reason
from iot_jitr.schema import schema
from tests.support.pages import blocks

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "cdk.json", *sorted((ROOT / "examples").glob("*/cdk.json"))]
MINIMAL = {"cas": [{"name": "Factory", "certificate": "ca.pem", "mode": "SNI_ONLY", "revocation": "none"}]}


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    return jsonschema.Draft202012Validator(found)


def takes(validator: jsonschema.Draft202012Validator, **changes: Any) -> bool:
    return bool(validator.is_valid({"context": {"jitr": {**deepcopy(MINIMAL), **changes}}}))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_each_cdk_json_of_the_project_is_valid(
    validator: jsonschema.Draft202012Validator, path: Path
) -> None:
    assert list(validator.iter_errors(json.loads(path.read_text()))) == []


def test_each_ca_in_the_documentation_is_valid(validator: jsonschema.Draft202012Validator) -> None:
    of_page = [json.loads(each.text) for each in blocks("json") if each.page.name == "ca.md"]
    cas = [found for found in of_page if "signer" in found]

    assert len(cas) >= 4
    for ca in cas:
        assert takes(validator, cas=[ca]), ca


@pytest.mark.parametrize(
    "changes",
    [
        {"alarms": "none", "dashboard": False},
        {"alarms": {"refused": 5, "pending": "2 days"}},
        {"policy": {"kind": "per_device", "template": "policy.json", "options": ["shadow"]}},
        {"admission": {"type": "allow_list", "key": "common_name"}},
        {"things": {"type": "Sensor", "groups": ["fleet"], "attributes": {"site": "{{locality}}"}}},
        {"on_refusal": {"expired": "revoked"}},
        {"connect_guard": {"on_unknown": "refuse", "domain": "aws"}},
        {"revocation": {"every": "30 minutes"}},
    ],
    ids="-".join,
)
def test_the_schema_accepts_values_that_the_synthesis_accepts(
    validator: jsonschema.Draft202012Validator, changes: dict[str, Any]
) -> None:
    assert takes(validator, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"alarm": {}},
        {"alarms": "nine"},
        {"alarms": {"refused": 0}},
        {"alarms": {"pending": 90}},
        {"log_retention_days": 31},
        {"account_logging": "mange"},
        {"activations_per_second": "10"},
        {"admission": {"type": "allowlist"}},
        {"cas": [{"name": "Factory"}]},
        {"cas": [{**MINIMAL["cas"][0], "signer": {"type": "kms"}}]},
        {"on_refusal": {"expired": "deleted"}},
        {"dashboard": None},
    ],
    ids=str,
)
def test_the_schema_rejects_values_that_the_synthesis_refuses(
    validator: jsonschema.Draft202012Validator, changes: dict[str, Any]
) -> None:
    assert not takes(validator, **changes)


def properties(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield from value.get("properties", {}).items()
        for each in value.values():
            yield from properties(each)
    elif isinstance(value, list):
        for each in value:
            yield from properties(each)


def test_every_key_has_a_description() -> None:
    found = {name: each for name, each in properties(schema()) if name not in {"context", "jitr"}}

    assert {
        name for name, each in found.items() if "description" not in each and "const" not in each
    } == set()
    assert len(found) >= 60


def test_the_schema_lists_closed_sets_and_allows_no_null() -> None:
    text = json.dumps(schema())

    assert json.dumps([each.value for each in AccountLoggingMode]) in text
    assert json.dumps(Reason.NOT_LISTED.value) in text
    assert "null" not in text


def test_the_schema_has_every_option_of_the_configuration() -> None:
    jitr = schema()["properties"]["context"]["properties"]["jitr"]

    assert set(jitr["properties"]) == set(JitrConfiguration.__dataclass_fields__)
    assert jitr["required"] == ["cas"]


def test_the_documented_command_prints_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "iot_jitr.schema"], capture_output=True, text=True, timeout=120, check=True
    )

    assert json.loads(done.stdout) == schema()
