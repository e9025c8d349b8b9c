"""cfn-lint, which knows AWS's own resource schemas, has nothing to say about the templates."""

import subprocess
import sys
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"
CDK_WRITES_IT = "W3005"
"""Redundant `DependsOn`: the CDK writes the role beside its policy, of which only the latter is needed."""


def lint(*templates: Path) -> str:
    options = ["--format", "parseable", "--regions", "eu-central-1", "--ignore-checks", CDK_WRITES_IT]
    run = "from cfnlint.runner import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", run, *options, "--", *map(str, templates)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


def test_the_templates_are_clean() -> None:
    templates = sorted(TEMPLATES.glob("*.json"))

    assert templates
    assert lint(*templates) == ""


def test_a_wrong_template_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"Name": "x"}}}}')

    assert "E3002" in lint(wrong)
