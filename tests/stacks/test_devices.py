"""Admission, things and refusals: the deployed resources, and settings and permissions of the activator."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iot as iot
from aws_cdk import aws_lambda as lambda_

from iot_jitr import (
    AdmissionFunction,
    AllowList,
    Attachment,
    CrlBucket,
    DevicePolicy,
    JitrPipeline,
    JitrStack,
    KeyKind,
    Renewal,
    ThingRegistration,
)
from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.on_refusal import check_statuses
from iot_jitr_runtime.admission.keys import TABLE_KEY
from iot_jitr_runtime.things.settings import ThingSettings
from tests.support.scenarios import EXPECTED
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    HOME,
    app_without_bundling,
    granted,
    infos,
    joined,
    named,
    of_type,
    setting_of,
    template_of,
    variables,
    warnings,
    with_ca,
)
from tests.support.stacks import template as template_of_stack

THINGS = ThingRegistration(
    name="dev:{{common_name}}",
    type="Sensor",
    groups=("fleet", "site-{{organizational_unit}}"),
    attributes={"serial": "{{serial_number}}"},
    renewal=Renewal.ALLOW,
)


def allowed(template: dict[str, Any]) -> set[tuple[str, str]]:
    """The actions that the activator may call, with their resources."""
    return granted(template, "Activator")


def arn(resource: str) -> str:
    return f"arn:${{AWS::Partition}}:iot:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"


def test_an_info_annotation_can_be_acknowledged() -> None:
    with app_without_bundling() as app:
        stack = JitrStack(app, "Jitr", DEFAULTS)
        cdk.Annotations.of(app).acknowledge_info("iot-jitr:account-logging", "another stack manages it")

        assert infos(stack) == []


CREATE_POLICY = {
    f"iot:{name}"
    for name in (
        "CreatePolicy",
        "CreatePolicyVersion",
        "DeletePolicyVersion",
        "GetPolicy",
        "ListPolicyVersions",
    )
}
DELETE_POLICY = {
    f"iot:{name}" for name in ("DetachPolicy", "DeletePolicy", "DeletePolicyVersion", "ListPolicyVersions")
}
REGISTER = {f"iot:{name}" for name in ("CreateThing", "ListThingPrincipals", "AttachThingPrincipal")}
RETIRE = {"iot:UpdateCertificate", "iot:DetachThingPrincipal"}
ADDED: dict[str, tuple[DevicePolicy, ThingRegistration | None, set[str], set[str]]] = {
    "things": (DevicePolicy.shared(), ThingRegistration(), REGISTER, set()),
    "renewals": (DevicePolicy.shared(), THINGS, {*REGISTER, "iot:AddThingToThingGroup"}, RETIRE),
    "own policies": (DevicePolicy.per_device(), None, CREATE_POLICY | DELETE_POLICY, DELETE_POLICY),
    "own policies and things": (
        DevicePolicy.per_device(),
        ThingRegistration(),
        CREATE_POLICY | DELETE_POLICY | REGISTER,
        DELETE_POLICY,
    ),
}
"""Policy and things, and the actions that they add for the sweep and for the reconciler."""


@pytest.mark.parametrize("case", ADDED)
def test_policies_and_things_add_the_permissions_that_sweep_and_reconciler_need(case: str) -> None:
    policy, things, *actions = ADDED[case]
    configuration = with_ca(revocation=CrlBucket())
    without = template_of(configuration)
    made = template_of(replace(configuration, policy=policy, things=things))

    for part, expected in zip(("Sweep", "Reconciler"), actions, strict=True):
        added = granted(made, part) - granted(without, part)
        assert {action for action, _ in added} == expected
        assert "*" not in {resource for _, resource in added}
    assert (environment.THINGS in variables(made, "Reconciler")) is (things is not None)


# admission


@pytest.mark.parametrize("key", KeyKind)
def test_an_allow_list_is_a_table_that_the_activator_may_read(key: KeyKind) -> None:
    template = template_of(replace(DEFAULTS, admission=AllowList(key)))

    name, table = named(template, "AWS::DynamoDB::Table", "AllowList")
    assert table["Properties"]["KeySchema"] == [{"AttributeName": TABLE_KEY, "KeyType": "HASH"}]
    assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionPolicy"] == "Retain"
    assert setting_of(template, environment.ADMISSION) == {
        "kind": "allow_list",
        "table": f"${{{name}}}",
        "key": key.value,
    }
    on_table = {action for action, resource in allowed(template) if resource == f"${{{name}.Arn}}"}
    assert on_table == {"dynamodb:GetItem"}
    outputs = template["Outputs"]
    assert outputs["AllowListTable"]["Value"] == {"Ref": name}
    assert outputs["AllowListKey"]["Value"] == key.value


def test_a_function_by_its_arn_is_the_only_one_the_activator_may_invoke() -> None:
    template = template_of(replace(DEFAULTS, admission=AdmissionFunction(EXPECTED, timedelta(seconds=3))))

    assert setting_of(template, environment.ADMISSION) == {
        "kind": "function",
        "function": EXPECTED,
        "timeout_seconds": 3,
    }
    invoked = {resource for action, resource in allowed(template) if action == "lambda:InvokeFunction"}
    assert invoked == {EXPECTED}
    assert "AllowListTable" not in template["Outputs"]


def test_a_function_of_the_same_app_can_be_passed_directly() -> None:
    with app_without_bundling() as app:
        other = cdk.Stack(app, "Other")
        function = lambda_.Function.from_function_arn(other, "Function", EXPECTED)

        assert AdmissionFunction(function).function is function
        stack = JitrStack(app, "Jitr", replace(DEFAULTS, admission=AdmissionFunction(function)))
        template = template_of_stack(stack)

    assert setting_of(template, environment.ADMISSION)["function"] == EXPECTED


OTHER_ACCOUNT = cdk.Environment(account="999988887777", region="eu-central-1")
THEIRS = EXPECTED.replace("123456789012", "999988887777")


def test_a_function_of_the_same_app_in_another_account_allows_the_roles_that_invoke_it() -> None:
    with app_without_bundling() as app:
        theirs = cdk.Stack(app, "Theirs", env=OTHER_ACCOUNT)
        function = lambda_.Function(
            theirs,
            "Expected",
            function_name="is-it-ours",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handle",
            code=lambda_.Code.from_inline("def handle(event, context): ..."),
        )
        ours = cdk.Stack(app, "Ours", env=HOME)
        ca = replace(FACTORY_CA, revocation=CrlBucket())
        JitrPipeline(ours, "Jitr", cas=[ca], admission=AdmissionFunction(function))
        found = template_of_stack(theirs)
        invoking = of_type(template_of_stack(ours), "AWS::IAM::Role")

    allowed = [each["Properties"] for each in of_type(found, "AWS::Lambda::Permission").values()]
    names = {joined(each["Principal"]).rpartition("/")[2] for each in allowed}
    named = {name: each["Properties"].get("RoleName") for name, each in invoking.items()}
    assert {each["Action"] for each in allowed} == {"lambda:InvokeFunction"}
    assert {role for role, name in named.items() if name in names} == {
        role for role in named if "ActivatorFunction" in role or "SweepFunction" in role
    }
    assert len(names) == 2


@pytest.mark.parametrize(
    ("function", "warned"), [(THEIRS, True), (EXPECTED, False)], ids=["another account", "ours"]
)
@pytest.mark.parametrize("by", ["construct", "ARN"])
def test_a_function_of_another_account_causes_a_warning_with_the_command(
    by: str, function: str, *, warned: bool
) -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Ours", env=HOME)
        imported = lambda_.Function.from_function_arn(stack, "Expected", function)
        admission = AdmissionFunction(function if by == "ARN" else imported)
        JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], admission=admission)

        found = [each for each in warnings(stack) if "admission function" in each]
        made = template_of_stack(stack)

    assert len(found) == warned
    assert all("aws lambda add-permission" in each and "--principal 123456789012" in each for each in found)
    assert ("lambda:InvokeFunction", function) in allowed(made)


# things


@pytest.mark.parametrize(
    ("things", "settings"),
    [
        (ThingRegistration(), ThingSettings()),
        (
            ThingRegistration(attachment=Attachment.NON_EXCLUSIVE),
            ThingSettings(attachment=Attachment.NON_EXCLUSIVE),
        ),
        (
            THINGS,
            ThingSettings(
                name="dev:{{common_name}}",
                type="Sensor",
                groups=["fleet", "site-{{organizational_unit}}"],
                attributes={"serial": "{{serial_number}}"},
                renewal=Renewal.ALLOW,
            ),
        ),
    ],
    ids=["defaults", "not exclusive", "all"],
)
def test_the_activator_reads_the_settings_of_things(
    things: ThingRegistration, settings: ThingSettings
) -> None:
    setting = setting_of(template_of(replace(DEFAULTS, things=things)), environment.THINGS)

    assert ThingSettings(**setting["thing"]) == settings
    assert setting["lease_seconds"] == 35


def test_the_activator_may_make_only_things_of_that_name_and_attach_only_certificates() -> None:
    template = template_of(replace(DEFAULTS, things=THINGS))

    granted = {pair for pair in allowed(template) if "Thing" in pair[0]}

    assert granted == {
        ("iot:CreateThing", arn("thing/dev:*")),
        ("iot:ListThingPrincipals", arn("thing/dev:*")),
        ("iot:AttachThingPrincipal", arn("cert/*")),
        ("iot:AddThingToThingGroup", arn("thing/dev:*")),
        ("iot:AddThingToThingGroup", arn("thinggroup/fleet")),
        ("iot:AddThingToThingGroup", arn("thinggroup/site-*")),
    }


def test_a_thing_type_and_a_group_may_be_made_by_the_same_app() -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        kind = iot.CfnThingType(stack, "Type")
        group = iot.CfnThingGroup(stack, "Group")
        things = ThingRegistration(type=kind.ref, groups=[group.ref, "fleet"])
        JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], things=things)
        made = template_of_stack(stack)

    (kind_name,) = of_type(made, "AWS::IoT::ThingType")
    (group_name,) = of_type(made, "AWS::IoT::ThingGroup")
    thing = setting_of(made, environment.THINGS)["thing"]
    assert (thing["type"], thing["groups"]) == (f"${{{kind_name}}}", [f"${{{group_name}}}", "fleet"])
    assert ("iot:AddThingToThingGroup", arn(f"thinggroup/${{{group_name}}}")) in allowed(made)


def test_the_statuses_of_refused_certificates_are_a_setting() -> None:
    statuses = {"expired": "revoked", "refused_by_function": "inactive"}

    template = template_of(replace(DEFAULTS, admission=AdmissionFunction(EXPECTED), on_refusal=statuses))

    assert setting_of(template, environment.ON_REFUSAL) == statuses
    assert check_statuses(setting_of(template, environment.ON_REFUSAL))
