"""What the local cloud gets differs from what AWS gets in five named things, and in nothing else."""

import json
import re
from copy import deepcopy
from typing import Any

import aws_cdk as cdk
import pytest

from iot_jitr.bundling import FunctionBundle
from iot_jitr.target import BATCHES_LOCALLY, CONTEXT_KEY, WIDENED_LOCALLY, Target
from tests.support.stacks import as_list, of_type

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


def widened(template: Template) -> Template:
    """What the local cloud must get, worked out from what AWS gets."""
    expected = deepcopy(comparable(template))
    for policy in of_type(expected, "AWS::IAM::Policy").values():
        policy["Properties"]["PolicyDocument"] = {
            (action, '"*"' if action in WIDENED_LOCALLY else resource)
            for single, resource in policy["Properties"]["PolicyDocument"]
            for action in filter(None, [single, BATCHES_LOCALLY.get(single)])
        }
    for left_out in ("AWS::SQS::QueuePolicy", "AWS::Logs::QueryDefinition"):
        for name in of_type(expected, left_out):
            del expected["Resources"][name]
    return expected


def test_the_local_template_differs_in_the_widening_the_tls_policies_and_the_saved_queries_only(
    template: Template, local_template: Template
) -> None:
    assert comparable(local_template) == widened(template)


def test_the_local_template_does_differ(template: Template, local_template: Template) -> None:
    assert comparable(local_template) != comparable(template)


def test_the_widening_is_confined_to_what_the_local_cloud_cannot_match() -> None:
    assert {
        "iot:AttachPolicy",
        "iot:AttachThingPrincipal",
        "iot:DeleteCACertificate",
        "iot:DescribeCACertificate",
        "iot:DetachPolicy",
        "iot:DetachThingPrincipal",
        "iot:UpdateCACertificate",
    } == WIDENED_LOCALLY
    assert BATCHES_LOCALLY == {
        "sqs:ChangeMessageVisibility": "sqs:ChangeMessageVisibilityBatch",
        "sqs:SendMessage": "sqs:SendMessageBatch",
    }


def test_the_assets_are_not_the_same() -> None:
    assert FunctionBundle(Target.AWS).asset_hash != FunctionBundle(Target.LOCAL).asset_hash


def test_aws_is_the_target_where_nothing_is_said() -> None:
    assert Target.of(cdk.Stack()) is Target.AWS


@pytest.mark.parametrize("target", Target)
def test_a_chosen_target_holds_for_everything_below(target: Target) -> None:
    app = cdk.App()

    target.choose_for(app)

    assert Target.of(cdk.Stack(app, "Stack")) is target


def test_the_context_chooses_the_target() -> None:
    assert Target.of(cdk.App(context={CONTEXT_KEY: "local"})) is Target.LOCAL


def test_a_statement_is_as_it_was_written_on_aws() -> None:
    (statement,) = Target.AWS.statement(
        ["iot:AttachPolicy", "iot:UpdateCertificate"], ["arn:aws:iot:::cert/1"]
    )

    assert statement.actions == ["iot:AttachPolicy", "iot:UpdateCertificate"]
    assert statement.resources == ["arn:aws:iot:::cert/1"]


def test_only_the_named_actions_of_a_statement_are_widened_locally() -> None:
    narrow, wide = Target.LOCAL.statement(
        ["iot:AttachPolicy", "iot:UpdateCertificate"], ["arn:aws:iot:::cert/1"]
    )

    assert (narrow.actions, narrow.resources) == (["iot:UpdateCertificate"], ["arn:aws:iot:::cert/1"])
    assert (wide.actions, wide.resources) == (["iot:AttachPolicy"], ["*"])


def test_assets_are_published_with_the_callers_own_credentials_on_the_local_cloud_only() -> None:
    assert isinstance(Target.LOCAL.synthesizer(), cdk.CliCredentialsStackSynthesizer)
    assert Target.AWS.synthesizer() is None
