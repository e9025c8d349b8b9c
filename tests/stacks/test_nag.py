"""cdk-nag's AwsSolutions rules find nothing that is not acknowledged with a reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks

from iot_jitr import JitrPipeline, JitrStack
from tests.support.identity_scenarios import IDENTITIES
from tests.support.scenarios import SCENARIOS
from tests.support.stacks import FACTORY_CA, app_without_bundling

ON_AWS = {name: each for name, each in SCENARIOS.items() if name != "local_cloud"} | IDENTITIES


def report(app: cdk.App) -> dict[str, Any]:
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        if "ValidationFailed" not in str(error):
            raise
    (found,) = json.loads((Path(app.outdir) / "validation-report.json").read_text())["pluginReports"]
    return dict(found)


@pytest.fixture
def app() -> Iterator[cdk.App]:
    with app_without_bundling() as opened:
        yield opened


@pytest.mark.parametrize("name", ON_AWS)
def test_the_shipped_stack_is_clean(app: cdk.App, name: str) -> None:
    JitrStack(app, "Jitr", ON_AWS[name])

    found = report(app)

    assert [violation["ruleName"] for violation in found["violations"]] == []
    assert found["conclusion"] == "success"


def test_the_construct_is_clean_where_account_and_region_are_known(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Foreign", env=cdk.Environment(account="123456789012", region="eu-central-1"))
    JitrPipeline(stack, "Jitr", cas=[FACTORY_CA])

    assert report(app)["violations"] == []


def test_what_is_not_acknowledged_is_found(app: cdk.App) -> None:
    stack = JitrStack(app, "Jitr", SCENARIOS["defaults"])
    sqs.Queue(stack, "Careless")

    assert {violation["ruleName"] for violation in report(app)["violations"]} == {
        "AwsSolutions-SQS3",
        "AwsSolutions-SQS4",
    }
