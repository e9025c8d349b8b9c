"""The CDK's feature flags: each `cdk.json` sets those that `cdk init` writes, and they change no permission.

The reviewed templates are synthesized with the flags of `cdk.json`, so their diff shows what a flag changes.
"""

import json
import os
import re
import tarfile
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_cli.lab.project import write_project
from tests.support.scenarios import NAMES, add_to
from tests.support.stacks import FEATURE_FLAGS, app_without_bundling, as_list, readable, template

ROOT = Path(__file__).parents[2]
UPDATE = "JITR_UPDATE_SNAPSHOTS"
PROJECTS = [ROOT / "cdk.json", *sorted(ROOT.glob("examples/*/cdk.json"))]
FLAGS_OF_THE_LAB = ROOT / "cli" / "iot_jitr_cli" / "lab" / "feature_flags.json"
NOT_AS_RECOMMENDED: dict[str, tuple[Any, str]] = {}
"""A flag that we set otherwise than `cdk init` → its value and the reason. No flag is set otherwise today."""
REMEDY = (
    f"run '{UPDATE}=1 pytest {Path(__file__).relative_to(ROOT)}' and 'make snapshot', and review both diffs"
)

Template = dict[str, Any]


# which flags are set


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    """What the installed `aws-cdk-lib` recommends, sorted as `cdk init` does, with our exceptions."""
    (package,) = (each for each in (files("aws_cdk") / "_jsii").iterdir() if each.name.endswith(".tgz"))
    with as_file(package) as path, tarfile.open(path, "r|gz") as archive:
        member = next(each for each in archive if each.name == "package/recommended-feature-flags.json")
        content = archive.extractfile(member)
        assert content is not None
        recommended = json.load(content)
    ours = {name: value for name, (value, _) in NOT_AS_RECOMMENDED.items()}
    return dict(sorted({**recommended, **ours}.items()))


@pytest.mark.parametrize("path", PROJECTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_each_project_sets_the_recommended_flags(path: Path, expected: dict[str, Any]) -> None:
    if os.environ.get(UPDATE):
        lines = json.dumps({"context": expected}, indent=2).splitlines()[2:-2]
        flags = re.compile(r'^    "@aws-cdk.*(?=\n  }\n})', re.DOTALL | re.MULTILINE)
        path.write_text(flags.sub("\n".join(lines), path.read_text()))
    context = json.loads(path.read_text())["context"]
    flags_of_project = {name: value for name, value in context.items() if name != "jitr"}

    assert list(flags_of_project.items()) == list(expected.items()), REMEDY


def test_the_lab_sets_the_recommended_flags(tmp_path: Path, expected: dict[str, Any]) -> None:
    if os.environ.get(UPDATE):
        FLAGS_OF_THE_LAB.write_text(json.dumps(expected, indent=2) + "\n")
    write_project(tmp_path, {})
    context = json.loads((tmp_path / "cdk.json").read_text())["context"]

    assert context == {"jitr": {"account_logging": "none"}, **expected}, REMEDY


# what they change


@pytest.fixture(scope="module")
def with_flags() -> dict[str, Template]:
    return _templates(FEATURE_FLAGS)


@pytest.fixture(scope="module")
def without_flags() -> dict[str, Template]:
    """What an app gets that was made before there were these flags."""
    return _templates({})


@pytest.mark.parametrize("name", NAMES)
def test_the_flags_group_permissions_and_write_partitions_out_and_change_nothing_else(
    name: str, with_flags: dict[str, Template], without_flags: dict[str, Template]
) -> None:
    assert with_flags[name] != without_flags[name]
    assert _comparable(with_flags[name]) == _comparable(without_flags[name])


def _templates(feature_flags: Mapping[str, Any]) -> dict[str, Template]:
    with app_without_bundling(feature_flags) as app:
        stacks = {name: add_to(app, name) for name in NAMES}
        return {name: template(stack) for name, stack in stacks.items()}


def _comparable(template: Template) -> Any:
    """A template with its policies as sets of single permissions, and with the partition `aws`."""
    return _with_permissions(json.loads(json.dumps(readable(template)).replace("${AWS::Partition}", "aws")))


def _with_permissions(value: Any) -> Any:
    match value:
        case list():
            return [_with_permissions(each) for each in value]
        case {"Statement": statements}:
            return {**value, "Statement": {each for one in statements for each in _permissions(one)}}
        case dict():
            return {key: _with_permissions(each) for key, each in value.items()}
    return value


def _permissions(statement: dict[str, Any]) -> list[str]:
    """One text for each action on each resource."""
    return [
        json.dumps({**statement, "Action": action, "Resource": resource}, sort_keys=True)
        for action in as_list(statement["Action"])
        for resource in as_list(statement.get("Resource"))
    ]
