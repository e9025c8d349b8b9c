"""The device policy: the deployed resources, and the templates that the synthesis refuses."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from iot_jitr import (
    ConfigurationError,
    DevicePolicy,
    DevicePolicyError,
    JitrPipeline,
    JitrStack,
    PolicyKind,
    PolicyOption,
    PolicyRejectedError,
    ThingRegistration,
)
from iot_jitr.names import policy_prefix
from iot_jitr_runtime import environment
from tests.support.scenarios import scenario
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    app_without_bundling,
    granted,
    infos,
    of_type,
    setting_of,
    template_of,
    warnings,
)
from tests.support.stacks import template as template_of_stack


def arn(resource: str) -> str:
    return f"arn:${{AWS::Partition}}:iot:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"


def allow(action: str, resource: str, **more: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def written(path: Path, *statements: dict[str, Any]) -> Path:
    """The file of a policy."""
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1))
    return path


def test_a_per_device_policy_is_a_setting_and_no_policy_is_deployed() -> None:
    template = template_of(replace(DEFAULTS, policy=DevicePolicy.per_device()))

    assert of_type(template, "AWS::IoT::Policy") == {}
    policy = setting_of(template, environment.DEVICE_POLICY)
    assert policy["kind"] == "per_device"
    assert policy["needs_common_name"] is True
    resources = [statement["Resource"] for statement in policy["template"]["Statement"]]
    assert resources[0] == arn("client/{{common_name}}")
    assert {
        resource for action, resource in granted(template, "Activator") if action == "iot:CreatePolicy"
    } == {arn(f"policy/{policy['prefix']}*")}


def test_the_policies_of_each_pipeline_have_a_name_of_their_own() -> None:
    """The functions of a pipeline may not change the policies of another one, for any names of stacks."""
    ids = ["Fleet", "Fleet-1", "Fleet1", "F" * 100, "F" * 99]
    prefixes = []
    for stack_name, name in itertools.product(ids, ["Jitr", "Jitr-2", "J" * 120]):
        stack = cdk.Stack(cdk.App(), stack_name)
        prefixes.append(policy_prefix(Construct(Construct(stack, "In"), name)))
        prefixes.append(policy_prefix(Construct(cdk.NestedStack(stack, "Nested"), name)))

    assert all(re.fullmatch(r"jitr-[0-9a-f]{8}-[\w-]+-", each) for each in prefixes)
    assert max(map(len, prefixes)) + 64 == 128
    others = [(one, other) for one, other in itertools.permutations(prefixes, 2) if other.startswith(one)]
    assert others == []


@pytest.mark.parametrize("part", ["Activator", "Reconciler", "Sweep"])
def test_each_function_may_change_the_policies_of_its_own_pipeline_only(part: str) -> None:
    template = scenario("everything_on")
    prefix = setting_of(template, environment.DEVICE_POLICY)["prefix"]

    policies = {resource for _, resource in granted(template, part) if ":policy/" in resource}

    assert policies == {arn(f"policy/{prefix}*")}


@pytest.mark.parametrize("make", [DevicePolicy.shared, DevicePolicy.per_device])
def test_the_policies_of_the_project_break_no_rule(make: Callable[..., DevicePolicy]) -> None:
    assert make(options=PolicyOption).acknowledged == ()


def test_a_template_that_breaks_a_rule_names_file_and_line(tmp_path: Path) -> None:
    path = written(tmp_path / "wide.json", allow("iot:Connect", "*"))

    with pytest.raises(PolicyRejectedError, match=rf"{re.escape(str(path))}: line 7: .*client-id-wildcard"):
        DevicePolicy.from_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "line 1: not JSON"),
        (b"\xff\xfe", "not UTF-8 text"),
        (None, "cannot be read"),
    ],
)
def test_a_file_without_a_policy_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "policy.json"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DevicePolicyError, match=message):
        DevicePolicy.from_file(path, kind="per_device")


ASSUME = "iot:AssumeRoleWithCertificate"


def shared_with_an_extra_statement(_: cdk.Stack, alias: iot.CfnRoleAlias) -> DevicePolicy:
    assume = iam.PolicyStatement(actions=[ASSUME], resources=[alias.attr_role_alias_arn])
    return DevicePolicy.shared(extra_statements=[assume])


def per_device_from_a_document(stack: cdk.Stack, alias: iot.CfnRoleAlias) -> DevicePolicy:
    named = stack.format_arn(service="iot", resource="rolealias", resource_name=alias.ref)
    own = stack.format_arn(service="iot", resource="client", resource_name="{{common_name}}")
    statements = [
        iam.PolicyStatement(actions=["iot:Connect"], resources=[own]),
        iam.PolicyStatement(actions=[ASSUME], resources=[named]),
    ]
    return DevicePolicy.from_document(iam.PolicyDocument(statements=statements), kind="per_device")


@pytest.mark.parametrize("make", [shared_with_an_extra_statement, per_device_from_a_document])
def test_a_statement_may_name_a_role_alias_of_the_same_app(
    make: Callable[[cdk.Stack, iot.CfnRoleAlias], DevicePolicy],
) -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("credentials.iot.amazonaws.com"))
        alias = iot.CfnRoleAlias(stack, "Alias", role_arn=role.role_arn)
        policy = make(stack, alias)
        JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], device_policy=policy)
        made = template_of_stack(stack)
        name = stack.get_logical_id(alias)

    setting = setting_of(made, environment.DEVICE_POLICY)
    if policy.kind is PolicyKind.SHARED:
        (deployed,) = of_type(made, "AWS::IoT::Policy").values()
        *ours, extra = deployed["Properties"]["PolicyDocument"]["Statement"]
        assert len(ours) == len(DevicePolicy.shared().document.statements)
        assert extra["Resource"] == {"Fn::GetAtt": [name, "RoleAliasArn"]}
    else:
        extra = setting["template"]["Statement"][-1]
        assert extra["Resource"].endswith(f":rolealias/${{{name}}}")
    assert extra["Action"] == ASSUME
    assert setting["needs_common_name"] is True


def test_a_value_known_only_at_deployment_counts_as_a_wildcard() -> None:
    late = cdk.Fn.import_value("late")
    topic = allow("iot:Publish", arn(f"topic/{late}"))
    client = iam.PolicyStatement(actions=["iot:Connect"], resources=[late])

    for statement, rule in ((topic, "reaches-neighbours"), (client, "client-id-wildcard")):
        with pytest.raises(PolicyRejectedError, match=rule):
            DevicePolicy.shared(extra_statements=[statement])
    DevicePolicy.shared(extra_statements=[{**topic, "acknowledge": "the topic of the announcements"}])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DevicePolicy.from_document("policy.json"), r'document: found "policy.json"'),
        (lambda: DevicePolicy.from_document({"Version": PolicyKind}), r"DevicePolicy\.template: found"),
        (lambda: DevicePolicy.from_file(7), r"DevicePolicy\.template: found 7"),
        (lambda: DevicePolicy.shared(extra_statements=["x"]), r"DevicePolicy\.extra_statements: found"),
        (lambda: DevicePolicy.shared(extra_statements={"Effect": "Allow"}), "extra_statements: found"),
    ],
)
def test_a_value_of_another_kind_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_an_extra_statement_of_another_shape_is_refused() -> None:
    with pytest.raises(DevicePolicyError, match=r"extra_statements: line 1: .*unknown key 'NotAction'"):
        DevicePolicy.per_device(extra_statements=[{"Effect": "Allow", "NotAction": "*"}])


def test_an_acknowledged_exception_is_shown_at_synthesis(tmp_path: Path) -> None:
    gateways = allow("iot:Connect", arn("client/*"), acknowledge="gateways connect for their sensors")
    path = written(tmp_path / "gateway.json", gateways)

    with app_without_bundling() as app:
        stack = JitrStack(app, "Jitr", replace(DEFAULTS, policy=DevicePolicy.from_file(path)))
        found = infos(stack)
        policy = template_of_stack(stack)

    assert any("acknowledged: gateways connect for their sensors" in each for each in found)
    assert "acknowledge" not in json.dumps(of_type(policy, "AWS::IoT::Policy"))


def test_a_policy_that_names_things_warns_where_there_are_none() -> None:
    shadow = replace(DEFAULTS, policy=DevicePolicy.shared(options=[PolicyOption.SHADOW]))

    with app_without_bundling() as app:
        without, with_things = (
            JitrStack(app, "Without", shadow),
            JitrStack(app, "With", replace(shadow, things=ThingRegistration(), stack_name="with")),
        )

        assert any("no things are registered" in each for each in warnings(without))
        assert not any("no things are registered" in each for each in warnings(with_things))


def test_a_policy_that_cannot_be_rendered_without_things_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "policy.json", allow("iot:Connect", arn("client/{{thing_name}}")))
    configuration = replace(DEFAULTS, policy=DevicePolicy.from_file(path, kind="per_device"))

    with pytest.raises(DevicePolicyError, match=r"configure 'things', or take the placeholder out"):
        template_of(configuration)
    assert template_of(replace(configuration, things=ThingRegistration()))
