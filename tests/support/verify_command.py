"""`jitr verify`, called as a user calls it, against a cloud."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iot_jitr_runtime.ledger_table import KEY
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import Cloud
from tests.support.command_line import run_jitr
from tests.support.least_policy import least_privileged


def ca_files(cloud: Cloud, folder: Path) -> list[str]:
    """The options that name the cloud's CA and its key."""
    certificate, key = cloud.ca.save(folder)
    return ["--ca-cert", str(certificate), "--ca-key", str(key)]


def verify(variables: Mapping[str, str], *arguments: object) -> tuple[int, dict[str, Any]]:
    """Exit code and JSON report of a run."""
    answer = run_jitr("verify", "--json", *arguments, variables=dict(variables))
    return answer.exit_code, answer.json


def verify_with_least_permissions(cloud: Cloud, *arguments: object) -> tuple[int, dict[str, Any]]:
    """The same by a user with exactly the policy that `--iam-policy` prints."""
    with least_privileged(cloud, "verify") as operator:
        return verify(operator(), *arguments)


def not_passed(report: Mapping[str, Any]) -> dict[str, str]:
    """The steps that did not pass, and how they ended."""
    return {step["id"]: step["status"] for step in report["steps"] if step["status"] != "passed"}


@contextmanager
def nothing_left_in(cloud: Cloud) -> Iterator[None]:
    """Assert that a run restores the former state."""
    before = _contents(cloud)
    yield
    assert _contents(cloud) == before


def _contents(cloud: Cloud) -> dict[str, set[str]]:
    iot, outputs = cloud.client("iot"), cloud.outputs
    tables = [outputs[name] for name in (Output.LEDGER_TABLE, Output.ALLOW_LIST_TABLE) if name in outputs]
    return {
        "certificates": {each["certificateId"] for each in _all(iot, "list_certificates", "certificates")},
        "policies": {each["policyName"] for each in _all(iot, "list_policies", "policies")},
        "things": {each["thingName"] for each in _all(iot, "list_things", "things")},
        **{table: _keys(cloud, table) for table in tables},
    }


def _all(client: Any, operation: str, name: str) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate():
        yield from page[name]


def _keys(cloud: Cloud, table: str) -> set[str]:
    """The keys of the rows about devices; counters and the like begin with `#`."""
    pages = cloud.client("dynamodb").get_paginator("scan").paginate(TableName=table)
    keys = {item.get(KEY, item.get("deviceKey"))["S"] for page in pages for item in page["Items"]}
    return {key for key in keys if not key.startswith("#")}
