"""Two pipelines in a stack, two stacks in an account, several regions from one app: no names collide.

A pipeline changes no account-wide setting unless an option is set.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from iot_jitr import CrlBucket, JitrPipeline, JitrStack
from iot_jitr.configuration.ca import RESERVED_NAMES
from tests.support.ca_builder import CaSpec
from tests.support.ca_certificates import FACTORY, WORKSHOP
from tests.support.scenarios import NAMES, SCENARIOS, WORKSHOP_CA, add_to, scenario
from tests.support.stacks import AWAY, FACTORY_CA, HOME, all_statements, app_without_bundling, as_list

Neighbours = list[tuple[str, dict[str, Any]]]
LINE = CaSpec("Line CA").build().pem
NAMED_BY: dict[str, tuple[str, ...]] = {
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::DynamoDB::Table": ("TableName",),
    "AWS::Events::Rule": ("Name",),
    "AWS::IAM::Policy": ("PolicyName", "Roles"),
    "AWS::IAM::Role": ("RoleName",),
    "AWS::IoT::DomainConfiguration": ("DomainConfigurationName",),
    "AWS::IoT::Policy": ("PolicyName",),
    "AWS::IoT::TopicRule": ("RuleName",),
    "AWS::KMS::Key": (),
    "AWS::Lambda::EventInvokeConfig": (),
    "AWS::Lambda::EventSourceMapping": (),
    "AWS::Lambda::Function": ("FunctionName",),
    "AWS::Lambda::Permission": (),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::Logs::MetricFilter": ("FilterName",),
    "AWS::Logs::QueryDefinition": ("Name",),
    "AWS::S3::Bucket": ("BucketName",),
    "AWS::S3::BucketPolicy": (),
    "AWS::SQS::Queue": ("QueueName",),
    "AWS::SQS::QueuePolicy": (),
    "Custom::JitrAccountLogging": (),
    "Custom::JitrCaCertificate": (),
}
"""Each type that a pipeline may contain → the properties that make its name, where it has one to choose.

All of them, so that a new one is added here. `AWS::IAM::Policy` is a policy in a role: two may have a
name in two roles.
"""
OF_THE_ACCOUNT = {"Custom::JitrAccountLogging"}
"""The types of `NAMED_BY` that reach beyond their stack."""


@pytest.fixture(scope="module")
def templates() -> Iterator[Neighbours]:
    """Each stack of an app with many pipelines: its region and its template."""
    with app_without_bundling() as app:
        ca = replace(FACTORY_CA, revocation=CrlBucket())
        two = cdk.Stack(app, "Two", env=HOME)
        for name, pem in (("North", FACTORY), ("South", WORKSHOP)):
            JitrPipeline(two, name, cas=[replace(ca, certificate=pem)])
        for place, env, pem in (("Home", HOME, LINE), ("Away", AWAY, FACTORY)):
            stage = cdk.Stage(app, place, env=env)
            own = replace(ca, certificate=pem)
            JitrPipeline(cdk.Stack(stage, "Jitr"), "Pipeline", cas=[own])
        for name in ("first", "second"):
            JitrStack(app, name, replace(SCENARIOS["defaults"], stack_name=name))
        folder = Path(app.synth().directory)
        yield [
            (AWAY.region or "" if "Away" in path.name else "", json.loads(path.read_text()))
            for path in sorted(folder.rglob("*.template.json"))
        ]


def names(template: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The names that a template chooses, each with its type. References differ from template to template."""
    for resource in template["Resources"].values():
        if resource["Type"] in NAMED_BY:
            chosen = [resource["Properties"].get(key) for key in NAMED_BY[resource["Type"]]]
            if any(each is not None for each in chosen):
                yield resource["Type"], json.dumps(chosen)


def test_all_stacks_are_synthesized(templates: Neighbours) -> None:
    assert len(templates) == 5
    kinds = [each["Type"] for _, template in templates for each in template["Resources"].values()]
    assert kinds.count("Custom::JitrCaCertificate") == 6


def test_no_two_resources_of_a_region_have_the_same_name(templates: Neighbours) -> None:
    chosen = [
        (region, kind, name)
        for region, template in templates
        for kind, name in names(template)
        if kind != "AWS::IAM::Policy"
    ]

    assert {kind for _, kind, _ in chosen} == {"AWS::Logs::QueryDefinition"}
    assert [each for each, times in Counter(chosen).items() if times > 1] == []


def test_no_two_policies_of_a_role_have_the_same_name(templates: Neighbours) -> None:
    for _, template in templates:
        in_roles = [name for kind, name in names(template) if kind == "AWS::IAM::Policy"]
        assert len(set(in_roles)) == len(in_roles)


def test_no_two_pipelines_write_the_same_metrics(templates: Neighbours) -> None:
    services = [
        (region, service)
        for region, template in templates
        for service in {
            each["Properties"]["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
            for each in template["Resources"].values()
            if "POWERTOOLS_SERVICE_NAME" in str(each.get("Properties", {}).get("Environment"))
        }
    ]

    assert len(services) == len(set(services)) == 6


def test_the_list_of_reserved_ca_names_is_complete() -> None:
    """The id of a CA's construct contains the CA's name: no other construct beside it may have that id."""
    with app_without_bundling() as app:
        scopes = add_to(app, "everything_on").node.find_all()
        taken = {
            name
            for scope in scopes
            for of_ca in (each.node.id for each in scope.node.children if FACTORY_CA.name in each.node.id)
            for sibling in (each.node.id for each in scope.node.children)
            for name in re.findall(f"^{of_ca.replace(FACTORY_CA.name, '([A-Za-z][A-Za-z0-9]*)')}$", sibling)
        }

    assert taken - {FACTORY_CA.name, WORKSHOP_CA.name} == set(RESERVED_NAMES)


def test_no_output_has_an_export_name(templates: Neighbours) -> None:
    assert [out for _, each in templates for out in each.get("Outputs", {}).values() if "Export" in out] == []


def test_the_table_has_every_resource_type() -> None:
    assert {each["Type"] for name in NAMES for each in scenario(name)["Resources"].values()} == set(NAMED_BY)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("everything_on", "foreign_stack")])
def test_by_default_no_account_wide_setting_is_changed(name: str) -> None:
    template = scenario(name)
    actions = {action for _, statement in all_statements(template) for action in as_list(statement["Action"])}

    assert not OF_THE_ACCOUNT & {each["Type"] for each in template["Resources"].values()}
    assert not {action for action in actions if "LoggingOptions" in action or "Account" in action}


def test_with_the_option_account_wide_logging_is_changed() -> None:
    for name in ("everything_on", "foreign_stack"):
        assert {each["Type"] for each in scenario(name)["Resources"].values()} >= OF_THE_ACCOUNT
