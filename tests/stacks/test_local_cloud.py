"""The template for the local cloud differs from that for AWS in five named points only."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from iot_jitr.bundling import VARIANT_KEY, FunctionBundle, Variant
from iot_jitr_cli.lab.app import BATCHES, WIDENED, build_locally, widened
from iot_jitr_cli.lab.project import default_configuration
from tests.support.ca_certificates import FACTORY
from tests.support.scenarios import SCENARIOS, scenario
from tests.support.stacks import as_list, local_template_of, of_type

Template = dict[str, Any]


def comparable(template: Template) -> Template:
    """The resources and outputs, with policies as sets of permissions and assets without their hash."""
    masked = json.loads(re.sub(r"[0-9a-f]{64}\.zip", "<asset>", json.dumps(template)))
    for policy in of_type(masked, "AWS::IAM::Policy").values():
        policy["Properties"]["PolicyDocument"] = {
            (action, json.dumps(resource))
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            for action in as_list(statement["Action"])
            for resource in as_list(statement["Resource"])
        }
    return {"Resources": masked["Resources"], "Outputs": masked["Outputs"]}


def expected_from(template: Template) -> Template:
    """The expected template for the local cloud, derived from the template for AWS."""
    expected = deepcopy(comparable(template))
    for policy in of_type(expected, "AWS::IAM::Policy").values():
        policy["Properties"]["PolicyDocument"] = {
            (action, '"*"' if action in WIDENED else resource)
            for single, resource in policy["Properties"]["PolicyDocument"]
            for action in filter(None, [single, BATCHES.get(single)])
        }
    for left_out in ("AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy", "AWS::Logs::QueryDefinition"):
        for name in of_type(expected, left_out):
            del expected["Resources"][name]
    return expected


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_local_template_has_only_the_named_differences(
    name: str,
) -> None:
    local, template = local_template_of(SCENARIOS[name]), scenario(name)

    assert comparable(local) == expected_from(template)
    assert comparable(local) != comparable(template)


def test_the_assets_of_aws_and_of_the_local_cloud_differ() -> None:
    assert FunctionBundle(Variant.AWS).asset_hash != FunctionBundle(Variant.LOCAL).asset_hash


@pytest.mark.parametrize("variant", Variant)
def test_a_variant_in_the_context_applies_to_all_stacks_of_the_app(variant: Variant) -> None:
    app = cdk.App(context={VARIANT_KEY: variant.value})
    assert Variant.of(cdk.Stack(app, "Stack")) is variant
    assert Variant.of(cdk.Stack()) is Variant.AWS


def test_only_the_named_actions_of_a_statement_are_widened() -> None:
    statement = {"Effect": "Allow", "Action": ["iot:AttachPolicy", "sqs:SendMessage"], "Resource": "arn"}

    assert widened({"Statement": [statement]})["Statement"] == [
        {**statement, "Action": ["sqs:SendMessage", "sqs:SendMessageBatch"]},
        {**statement, "Action": ["iot:AttachPolicy"], "Resource": "*"},
    ]


def test_assets_are_published_with_the_callers_own_credentials(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(FACTORY)
    context = {"jitr": default_configuration(tmp_path / "ca.pem"), "aws:cdk:bundling-stacks": []}

    stack = build_locally(cdk.App(outdir=str(tmp_path), context=context), tmp_path)

    assert isinstance(stack.synthesizer, cdk.CliCredentialsStackSynthesizer)
