"""The construct in a stack of another project, which has its own network, boundary, tags and topic."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from constructs import Node

from iot_jitr import DeploymentOutputs, FunctionNetwork, JitrPipeline, JitrStack
from iot_jitr_cli.deployment import Deployment
from iot_jitr_runtime.stack_outputs import Output
from tests.support.scenarios import BOUNDARY, SCENARIOS, foreign, scenario
from tests.support.stacks import (
    FACTORY_CA,
    all_statements,
    app_without_bundling,
    as_list,
    granted,
    joined,
    named,
    of_type,
    only,
    template,
)

Template = dict[str, Any]
TAG = {"Key": "team", "Value": "fleet"}
CANNOT_BE_TAGGED = {
    "AWS::IAM::Policy",
    "AWS::KMS::Key",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::QueryDefinition",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    "Custom::JitrAccountLogging",
}
"""Types without tags in CloudFormation, and the key, which is not the pipeline's."""


@pytest.fixture(scope="module")
def company() -> Template:
    return scenario("foreign_stack")


@pytest.fixture(scope="module")
def everything() -> Iterator[JitrPipeline]:
    with app_without_bundling() as app:
        yield JitrStack(app, "Jitr", SCENARIOS["everything_on"]).pipeline


# the network


def test_every_function_runs_in_the_vpc(company: Template) -> None:
    functions = of_type(company, "AWS::Lambda::Function")

    assert len(functions) == 9
    for name, function in functions.items():
        assert function["Properties"]["VpcConfig"] == {
            "SecurityGroupIds": ["sg-1a2b3c4d"],
            "SubnetIds": ["subnet-1a2b3c4d", "subnet-5e6f7a8b"],
        }, name
    assert of_type(company, "AWS::EC2::SecurityGroup") == {}


def test_each_role_allows_network_interfaces_to_lambda_but_not_to_its_function(
    company: Template,
) -> None:
    functions = of_type(company, "AWS::Lambda::Function").values()
    roles = {each["Properties"]["Role"]["Fn::GetAtt"][0] for each in functions}
    of_ec2 = [each for each in all_statements(company) if "ec2:" in str(each[1]["Action"])]
    attach = [each for each in of_ec2 if "ec2:CreateNetworkInterface" in as_list(each[1]["Action"])]

    assert {company["Resources"][name]["Properties"]["Roles"][0]["Ref"] for name, _ in attach} == roles
    assert len(of_ec2) == 2 * len(roles)
    for _, statement in of_ec2:
        assert statement["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}
    for _, statement in attach:
        assert joined(statement["Resource"]) == "arn:aws:ec2:eu-central-1:123456789012:*/*"


def test_without_a_network_there_is_no_network_resource_or_permission(everything: JitrPipeline) -> None:
    without = scenario("everything_on")

    assert everything.connections is None
    assert "ec2:" not in str(all_statements(without))
    assert "VpcConfig" not in str(without)


def test_all_functions_share_one_security_group_by_default() -> None:
    with app_without_bundling() as app:
        vpc = ec2.Vpc(cdk.Stack(app, "Network"), "Vpc")
        stack = cdk.Stack(app, "Stack")
        endpoint = ec2.SecurityGroup(stack, "Endpoint", vpc=vpc)
        pipeline = JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], network=FunctionNetwork(vpc))
        assert pipeline.connections is not None
        endpoint.connections.allow_from(pipeline.connections, ec2.Port.tcp(443))
        made = template(stack)

    name, group = named(made, "AWS::EC2::SecurityGroup", "Jitr")
    shared = {"Fn::GetAtt": [name, "GroupId"]}
    functions = of_type(made, "AWS::Lambda::Function").values()
    assert [each["Properties"]["VpcConfig"]["SecurityGroupIds"] for each in functions] == [[shared]] * len(
        functions
    )
    assert "SecurityGroupIngress" not in group["Properties"]
    assert only(made, "AWS::EC2::SecurityGroupIngress")["Properties"]["SourceSecurityGroupId"] == shared


# other resources that the stack already has


def test_every_role_has_the_permissions_boundary_even_those_of_the_framework(company: Template) -> None:
    for made in (company, scenario("everything_on")):
        roles = of_type(made, "AWS::IAM::Role")
        assert [name for name in roles if "Framework" in name]
        assert {each["Properties"]["PermissionsBoundary"] for each in roles.values()} == {BOUNDARY}


def test_every_taggable_resource_has_the_tags_of_the_pipeline(company: Template) -> None:
    untagged = set()
    for resource in company["Resources"].values():
        tags = resource.get("Properties", {}).get("Tags", [])
        if TAG not in tags and dict(tags if isinstance(tags, Mapping) else {}).get("team") != "fleet":
            untagged.add(resource["Type"])

    assert untagged - {"Custom::JitrCaCertificate"} == CANNOT_BE_TAGGED


def test_the_registered_ca_has_the_tags_of_the_pipeline_and_its_own(company: Template) -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Stack")
        ca = replace(FACTORY_CA, tags={"line": "3"})
        cdk.Tags.of(JitrPipeline(stack, "Jitr", cas=[ca])).add("team", "fleet")
        made = template(stack)

    of_ca = only(made, "Custom::JitrCaCertificate")["Properties"]["CaTags"]
    assert of_ca == {"line": "3", "team": "fleet"}
    assert only(company, "Custom::JitrCaCertificate")["Properties"]["CaTags"] == {"team": "fleet"}


def test_a_given_bucket_is_only_read(company: Template) -> None:
    found = {each for each in granted(company, "Publisher") if "crls-of-the-company" in each[1]}

    arn = "arn:${AWS::Partition}:s3:::crls-of-the-company"
    assert found == {("s3:ListBucket", arn), ("s3:GetObject", f"{arn}/factory/*")}


# attributes


def test_every_resource_of_the_pipeline_is_accessible_by_attributes(everything: JitrPipeline) -> None:
    """A construct of this package in an attribute does not make its children accessible."""
    reached = set(_constructs(everything, set()))
    pipeline = everything.node.path

    made = {each.node.path for each in everything.node.find_all() if cdk.CfnResource.is_cfn_resource(each)}
    hidden = {path for path in made if not any(path == to or path.startswith(f"{to}/") for to in reached)}

    assert made
    assert f"{pipeline}/Reconciler/Schedule" in reached
    assert not reached & {pipeline, f"{pipeline}/Reconciler"}
    assert hidden == set()


def test_the_command_finds_a_pipeline_of_a_foreign_stack_by_its_outputs() -> None:
    with app_without_bundling() as app:
        stack, pipeline = foreign(app)
        DeploymentOutputs(pipeline)
        outputs = template(stack)["Outputs"]

    without_allow_list = set(Output) - {Output.ALLOW_LIST_TABLE, Output.ALLOW_LIST_KEY}
    assert without_allow_list | {"FactoryCrlLocation"} <= outputs.keys()
    [ca] = Deployment("Company", "eu-central-1", dict.fromkeys(outputs, "there")).cas
    assert (ca.name, ca.rule) == ("Factory", "there")


def test_the_shipped_stack_has_the_same_outputs() -> None:
    assert set(Output) - {Output.DEVICE_POLICY_NAME} <= scenario("everything_on")["Outputs"].keys()


def _constructs(value: Any, seen: set[int]) -> Iterator[str]:
    """The paths of all CDK constructs that public attributes of our classes lead to."""
    if id(value) in seen:
        return
    seen.add(id(value))
    children: Iterable[Any] = ()
    if type(value).__module__.startswith("iot_jitr") and not isinstance(value, cdk.Resource):
        children = (each for name, each in vars(value).items() if not name.startswith("_"))
    elif isinstance(value, Mapping):
        children = value.values()
    elif isinstance(value, list | tuple):
        children = value
    elif isinstance(getattr(value, "node", None), Node):
        yield value.node.path
    for each in children:
        yield from _constructs(each, seen)
