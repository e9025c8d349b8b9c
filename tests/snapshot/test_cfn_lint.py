"""cfn-lint, which has AWS's resource schemas of each region, finds nothing in the templates."""

import subprocess
import sys
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).parent / "templates"
CDK_WRITES_IT = "W3005"
"""Redundant `DependsOn`: the CDK writes the role beside its policy, of which only the latter is needed."""
WRONG = "wrong.json"
REGIONS = ("eu-central-1", "cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1")


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The findings of one run of cfn-lint in all templates, and in one that is wrong."""
    wrong = tmp_path_factory.mktemp("templates") / WRONG
    wrong.write_text('{"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"Name": "x"}}}}')
    templates = [*sorted(TEMPLATES.glob("*.json")), wrong]
    options = ["--format", "parseable", "--regions", *REGIONS, "--ignore-checks", CDK_WRITES_IT]
    run = "from cfnlint.runner import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, *options, "--", *map(str, templates)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_templates_are_clean(findings: list[str]) -> None:
    assert [line for line in findings if WRONG not in line] == []


def test_a_wrong_template_is_found(findings: list[str]) -> None:
    assert [line for line in findings if WRONG in line and "E3002" in line]
