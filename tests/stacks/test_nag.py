"""Each violation of cdk-nag's AwsSolutions rules is acknowledged with a reason."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks

from iot_jitr import JitrPipeline
from tests.support.scenarios import NAMES, add_to
from tests.support.stacks import FACTORY_CA, app_without_bundling

CARELESS = "Careless"
PLACED = "Placed"
PLUGIN = "AwsSolutions"


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """The violations that cdk-nag finds in all scenarios and in a stack that breaks rules, in one run."""
    with app_without_bundling() as app:
        for name in NAMES:
            add_to(app, name)
        place = cdk.Environment(account="123456789012", region="us-east-1")
        JitrPipeline(cdk.Stack(app, PLACED, env=place), "Jitr", cas=[FACTORY_CA])
        sqs.Queue(cdk.Stack(app, CARELESS), "Queue")
        cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        with pytest.raises(RuntimeError, match="ValidationFailed"):
            app.synth()
        reports = json.loads((Path(app.outdir) / "validation-report.json").read_text())["pluginReports"]
    (found,) = (each for each in reports if each["pluginName"] == PLUGIN)
    return dict(found)


@pytest.fixture(scope="module")
def rules(report: dict[str, Any]) -> dict[str, set[str]]:
    """The rules that each stack breaks, by the stack's id."""
    broken: dict[str, set[str]] = {}
    for violation in report["violations"]:
        for construct in violation["violatingConstructs"]:
            stack, _, _ = construct["constructPath"].partition("/")
            broken.setdefault(stack, set()).add(violation["ruleName"])
    return broken


def test_no_stack_of_ours_breaks_a_rule(rules: dict[str, set[str]]) -> None:
    """Neither the shipped stack nor the construct where account and region are known."""
    assert {stack: found for stack, found in rules.items() if stack != CARELESS} == {}


def test_an_unacknowledged_violation_is_found(report: dict[str, Any], rules: dict[str, set[str]]) -> None:
    assert rules[CARELESS] == {"AwsSolutions-SQS3", "AwsSolutions-SQS4"}
    assert report["conclusion"] == "failure"
