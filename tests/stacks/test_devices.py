"""Device policy, admission and things: what is deployed for them, what the activator gets and may do."""

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template
from constructs import Construct

from iot_jitr import (
    AdmissionFunction,
    AllowList,
    Attachment,
    ConfigurationError,
    CrlBucket,
    DevicePolicy,
    DevicePolicyError,
    JitrConfiguration,
    JitrPipeline,
    JitrStack,
    KeyKind,
    PolicyKind,
    PolicyOption,
    Renewal,
    ThingRegistration,
)
from iot_jitr.names import policy_prefix
from iot_jitr_policy.lint import PolicyRejectedError
from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.on_refusal import check_statuses
from iot_jitr_runtime.admission.keys import TABLE_KEY
from iot_jitr_runtime.things.settings import ThingSettings
from tests.support.ca_certificates import FACTORY
from tests.support.scenarios import scenario
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    app_without_bundling,
    as_list,
    granted,
    infos,
    joined,
    named,
    of_type,
    statements,
    template_of,
    warnings,
)

FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:is-it-ours"
THINGS = ThingRegistration(
    name="dev:{{common_name}}",
    type="Sensor",
    groups=("fleet", "site-{{organizational_unit}}"),
    attributes={"serial": "{{serial_number}}"},
    renewal=Renewal.ALLOW,
)


def configured(template: dict[str, Any], name: str) -> Any:
    """A setting of the activator, read; None where it has none."""
    _, function = named(template, "AWS::Lambda::Function", "Activator")
    variables = function["Properties"]["Environment"]["Variables"]
    return json.loads(joined(variables[name])) if name in variables else None


def allowed(template: dict[str, Any]) -> set[tuple[str, str]]:
    """What the activator may do, and on what."""
    return granted(template, "Activator")


def arn(resource: str) -> str:
    return f"arn:${{AWS::Partition}}:iot:${{AWS::Region}}:${{AWS::AccountId}}:{resource}"


def allow(action: str, resource: str, **more: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def written(path: Path, *statements: dict[str, Any]) -> Path:
    """The file of a policy."""
    path.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=1))
    return path


def test_what_is_not_configured_is_no_setting_and_no_permission(template: dict[str, Any]) -> None:
    for name in (environment.ADMISSION, environment.THINGS, environment.ON_REFUSAL):
        assert configured(template, name) is None
    actions = {action for action, _ in allowed(template)}
    assert not actions & {"iot:CreateThing", "iot:CreatePolicy", "lambda:InvokeFunction"}


# the device policy


def test_a_policy_for_each_device_is_a_setting_and_none_is_deployed() -> None:
    template = template_of(replace(DEFAULTS, policy=DevicePolicy.per_device()))

    assert of_type(template, "AWS::IoT::Policy") == {}
    policy = configured(template, environment.DEVICE_POLICY)
    assert policy["kind"] == "per_device"
    assert policy["needs_common_name"] is True
    resources = [statement["Resource"] for statement in policy["template"]["Statement"]]
    assert resources[0] == arn("client/{{common_name}}")
    assert {resource for action, resource in allowed(template) if action == "iot:CreatePolicy"} == {
        arn(f"policy/{policy['prefix']}*")
    }


def test_the_policies_of_each_pipeline_have_a_name_of_their_own() -> None:
    """One pipeline's functions may do nothing to another's policies, whatever the stacks are called."""
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

    of_policies = {
        joined(resource)
        for statement in statements(template, part)
        for resource in as_list(statement["Resource"])
        if ":policy/" in joined(resource)
    }

    prefix = configured(template, environment.DEVICE_POLICY)["prefix"]
    assert of_policies == {arn(f"policy/{prefix}*")}


WITHDRAWAL = {"iot:DetachPolicy", "iot:DeletePolicy", "iot:DeletePolicyVersion", "iot:ListPolicyVersions"}
RETIREMENT = {"iot:DescribeCertificate", "iot:UpdateCertificate", "iot:DetachThingPrincipal"}


@pytest.mark.parametrize(
    ("policy", "things", "withdrawal", "tasks"),
    [
        (DevicePolicy.shared(), None, set(), set()),
        (DevicePolicy.shared(), ThingRegistration(), set(), set()),
        (DevicePolicy.shared(), THINGS, set(), RETIREMENT),
        (DevicePolicy.per_device(), None, WITHDRAWAL, WITHDRAWAL),
        (DevicePolicy.per_device(), THINGS, WITHDRAWAL, WITHDRAWAL | RETIREMENT),
    ],
    ids=["shared", "things", "renewals", "own policies", "own policies and renewals"],
)
def test_own_policies_may_be_deleted_and_grace_periods_ended_where_there_are_any(
    policy: DevicePolicy, things: ThingRegistration | None, withdrawal: set[str], tasks: set[str]
) -> None:
    with app_without_bundling() as app:
        devices = JitrStack(app, "Jitr", replace(DEFAULTS, policy=policy, things=things)).pipeline.devices
        of_policy = devices.device_policy.withdrawal_permissions

        assert {action for each in of_policy for action in each.actions} == withdrawal
        assert {action for each in devices.task_permissions for action in each.actions} == tasks
        assert all("*" not in each.resources for each in devices.task_permissions)


def test_the_shared_policy_is_retained_for_active_devices(template: dict[str, Any]) -> None:
    [policy] = of_type(template, "AWS::IoT::Policy").values()

    assert (policy["DeletionPolicy"], policy["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert "PolicyName" not in policy["Properties"]


def test_no_statement_of_ours_has_a_wildcard_action_or_client_id(template: dict[str, Any]) -> None:
    everything = DevicePolicy.shared(options=PolicyOption)
    for each in (everything, DevicePolicy.per_device(options=PolicyOption)):
        for statement in each.document.statements:
            assert not any("*" in action.text for action in statement.actions)
            assert not any("client/*" in resource.text for resource in statement.resources)
    [policy] = of_type(template, "AWS::IoT::Policy").values()
    assert "iot:*" not in json.dumps(policy)


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


def with_policy(make: Callable[[cdk.Stack, iot.CfnRoleAlias], DevicePolicy]) -> tuple[str, dict[str, Any]]:
    """Logical id of a role alias, and the template of the stack whose device policy may name it."""
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("credentials.iot.amazonaws.com"))
        alias = iot.CfnRoleAlias(stack, "Alias", role_arn=role.role_arn)
        JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], device_policy=make(stack, alias))
        name = stack.get_logical_id(alias)
        return name, Template.from_stack(stack).to_json()


ASSUME = "iot:AssumeRoleWithCertificate"


def test_an_extra_statement_may_name_a_role_alias_of_the_same_app() -> None:
    def make(_: cdk.Stack, alias: iot.CfnRoleAlias) -> DevicePolicy:
        assume = iam.PolicyStatement(actions=[ASSUME], resources=[alias.attr_role_alias_arn])
        return DevicePolicy.shared(extra_statements=[assume])

    name, template = with_policy(make)

    [policy] = of_type(template, "AWS::IoT::Policy").values()
    *ours, extra = policy["Properties"]["PolicyDocument"]["Statement"]
    assert extra == {"Action": ASSUME, "Effect": "Allow", "Resource": {"Fn::GetAtt": [name, "RoleAliasArn"]}}
    assert len(ours) == len(DevicePolicy.shared().document.statements)


def test_a_whole_document_may_name_it_also_in_a_policy_for_each_device() -> None:
    def make(stack: cdk.Stack, alias: iot.CfnRoleAlias) -> DevicePolicy:
        arn = stack.format_arn(service="iot", resource="rolealias", resource_name=alias.ref)
        own = stack.format_arn(service="iot", resource="client", resource_name="{{common_name}}")
        statements = [
            iam.PolicyStatement(actions=[ASSUME], resources=[arn]),
            iam.PolicyStatement(actions=["iot:Connect"], resources=[own]),
        ]
        return DevicePolicy.from_document(iam.PolicyDocument(statements=statements), kind="per_device")

    name, template = with_policy(make)

    _, function = named(template, "AWS::Lambda::Function", "Activator")
    setting = joined(function["Properties"]["Environment"]["Variables"][environment.DEVICE_POLICY])
    assert f":rolealias/${{{name}}}" in setting
    assert json.loads(setting)["needs_common_name"] is True


def test_what_is_known_at_deployment_only_counts_as_a_wildcard() -> None:
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


def test_cdk_json_may_have_extra_statements(tmp_path: Path) -> None:
    statement = allow(ASSUME, arn("rolealias/devices"))
    cas = [{"name": "Factory", "certificate": FACTORY, "mode": "SNI_ONLY", "revocation": "none"}]

    read = JitrConfiguration.parse({"cas": cas, "policy": {"extra_statements": [statement]}}, tmp_path)

    assert read.policy.document.statements[-1].source == statement


def test_a_thing_type_and_a_group_may_be_made_by_the_same_app() -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        kind = iot.CfnThingType(stack, "Type")
        group = iot.CfnThingGroup(stack, "Group")
        things = ThingRegistration(type=kind.ref, groups=[group.ref, "fleet"])
        JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], things=things)
        made = Template.from_stack(stack).to_json()

    (kind_name,) = of_type(made, "AWS::IoT::ThingType")
    (group_name,) = of_type(made, "AWS::IoT::ThingGroup")
    _, function = named(made, "AWS::Lambda::Function", "Activator")
    setting = json.loads(joined(function["Properties"]["Environment"]["Variables"][environment.THINGS]))
    (join,) = (s for s in statements(made, "Activator") if s["Action"] == "iot:AddThingToThingGroup")
    assert setting["thing"]["type"] == f"${{{kind_name}}}"
    assert setting["thing"]["groups"] == [f"${{{group_name}}}", "fleet"]
    assert arn(f"thinggroup/${{{group_name}}}") in map(joined, as_list(join["Resource"]))


def test_an_acknowledged_exception_is_shown_at_synthesis(tmp_path: Path) -> None:
    gateways = allow("iot:Connect", arn("client/*"), acknowledge="gateways connect for their sensors")
    path = written(tmp_path / "gateway.json", gateways)

    with app_without_bundling() as app:
        stack = JitrStack(app, "Jitr", replace(DEFAULTS, policy=DevicePolicy.from_file(path)))
        found = infos(stack)
        policy = Template.from_stack(stack).to_json()

    assert any("acknowledged: gateways connect for their sensors" in each for each in found)
    assert "acknowledge" not in json.dumps(of_type(policy, "AWS::IoT::Policy"))


def test_an_information_can_be_acknowledged() -> None:
    with app_without_bundling() as app:
        stack = JitrStack(app, "Jitr", DEFAULTS)
        cdk.Annotations.of(app).acknowledge_info("iot-jitr:account-logging", "another stack manages it")

        assert infos(stack) == []


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


# admission


@pytest.mark.parametrize("key", KeyKind)
def test_an_allow_list_is_a_table_that_the_activator_may_read(key: KeyKind) -> None:
    template = template_of(replace(DEFAULTS, admission=AllowList(key)))

    name, table = named(template, "AWS::DynamoDB::Table", "AllowList")
    assert table["Properties"]["KeySchema"] == [{"AttributeName": TABLE_KEY, "KeyType": "HASH"}]
    assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["DeletionPolicy"] == "Retain"
    assert configured(template, environment.ADMISSION) == {
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
    template = template_of(replace(DEFAULTS, admission=AdmissionFunction(FUNCTION, timedelta(seconds=3))))

    assert configured(template, environment.ADMISSION) == {
        "kind": "function",
        "function": FUNCTION,
        "timeout_seconds": 3,
    }
    invoked = {resource for action, resource in allowed(template) if action == "lambda:InvokeFunction"}
    assert invoked == {FUNCTION}
    assert "AllowListTable" not in template["Outputs"]


def test_a_function_of_the_same_app_is_taken_as_it_is() -> None:
    with app_without_bundling() as app:
        other = cdk.Stack(app, "Other")
        function = lambda_.Function.from_function_arn(other, "Function", FUNCTION)

        assert AdmissionFunction(function).function is function
        stack = JitrStack(app, "Jitr", replace(DEFAULTS, admission=AdmissionFunction(function)))
        template = Template.from_stack(stack).to_json()

    assert configured(template, environment.ADMISSION)["function"] == FUNCTION


OTHER_ACCOUNT = cdk.Environment(account="999988887777", region="eu-central-1")
OURS = cdk.Environment(account="123456789012", region="eu-central-1")
THEIRS = FUNCTION.replace("123456789012", "999988887777")


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
        ours = cdk.Stack(app, "Ours", env=OURS)
        ca = replace(FACTORY_CA, revocation=CrlBucket())
        JitrPipeline(ours, "Jitr", cas=[ca], admission=AdmissionFunction(function))
        found = Template.from_stack(theirs).to_json()
        invoking = of_type(Template.from_stack(ours).to_json(), "AWS::IAM::Role")

    allowed = [each["Properties"] for each in of_type(found, "AWS::Lambda::Permission").values()]
    names = {joined(each["Principal"]).rpartition("/")[2] for each in allowed}
    named = {name: each["Properties"].get("RoleName") for name, each in invoking.items()}
    assert {each["Action"] for each in allowed} == {"lambda:InvokeFunction"}
    assert {role for role, name in named.items() if name in names} == {
        role for role in named if "ActivatorFunction" in role or "SweepFunction" in role
    }
    assert len(names) == 2


@pytest.mark.parametrize(
    ("function", "warned"), [(THEIRS, True), (FUNCTION, False)], ids=["another account", "ours"]
)
@pytest.mark.parametrize("by", ["construct", "ARN"])
def test_a_function_of_another_account_is_warned_of_with_the_command_that_allows_it(
    by: str, function: str, *, warned: bool
) -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Ours", env=OURS)
        imported = lambda_.Function.from_function_arn(stack, "Expected", function)
        admission = AdmissionFunction(function if by == "ARN" else imported)
        JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], admission=admission)

        found = [each for each in warnings(stack) if "admission function" in each]
        made = Template.from_stack(stack).to_json()

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
    setting = configured(template_of(replace(DEFAULTS, things=things)), environment.THINGS)

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


# the refused


def test_the_statuses_of_refused_certificates_are_a_setting() -> None:
    statuses = {"expired": "revoked", "refused_by_function": "inactive"}

    template = template_of(replace(DEFAULTS, admission=AdmissionFunction(FUNCTION), on_refusal=statuses))

    assert configured(template, environment.ON_REFUSAL) == statuses
    assert check_statuses(configured(template, environment.ON_REFUSAL))
