"""The connect guard as it is deployed: its domain, who may invoke it, and what it may do."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_certificatemanager as acm

from iot_jitr import (
    AwsManagedDomain,
    ConfigurationError,
    ConnectGuard,
    CrlBucket,
    CustomDomain,
    ExistingDomain,
    JitrConfiguration,
    JitrStack,
    OnUnknown,
)
from iot_jitr_runtime import environment
from tests.stacks.test_local_cloud import comparable, expected_from
from tests.stacks.test_permissions import granted
from tests.support.ca_certificates import FACTORY
from tests.support.scenarios import SERVER, WORKSHOP_CA
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    app_without_bundling,
    joined,
    local_template_of,
    named,
    of_type,
    only,
    template,
    template_of,
    with_ca,
)

Template = dict[str, Any]
DOMAIN = "AWS::IoT::DomainConfiguration"


def guarded(guard: ConnectGuard, **changes: Any) -> Template:
    return template_of(replace(with_ca(revocation=CrlBucket()), connect_guard=guard, **changes))


@pytest.fixture(scope="module")
def managed() -> Template:
    """With a domain of AWS's."""
    return guarded(ConnectGuard("refuse"))


def test_without_the_option_nothing_of_it_is_deployed() -> None:
    found = template_of(with_ca(revocation=CrlBucket()))

    assert not [name for name in (*found["Resources"], *found["Outputs"]) if "ConnectGuard" in name]
    assert of_type(found, DOMAIN) == {}


def test_the_domain_asks_the_function_after_mutual_tls(managed: Template) -> None:
    function, _ = named(managed, "AWS::Lambda::Function", "ConnectGuard")

    assert only(managed, DOMAIN)["Properties"] == {
        "AuthenticationType": "AWS_X509",
        "ApplicationProtocol": "SECURE_MQTT",
        "DomainConfigurationStatus": "ENABLED",
        "ClientCertificateConfig": {"ClientCertificateCallbackArn": {"Fn::GetAtt": [function, "Arn"]}},
    }


def test_aws_iot_of_this_account_may_invoke_the_function_before_it_is_asked(managed: Template) -> None:
    function, _ = named(managed, "AWS::Lambda::Function", "ConnectGuard")
    name, permission = named(managed, "AWS::Lambda::Permission", "ConnectGuardMayInvoke")

    assert permission["Properties"]["FunctionName"] == {"Ref": function}
    assert permission["Properties"]["Action"] == "lambda:InvokeFunction"
    assert permission["Properties"]["Principal"] == "iot.amazonaws.com"
    assert permission["Properties"]["SourceAccount"] == {"Ref": "AWS::AccountId"}
    assert joined(permission["Properties"]["SourceArn"]) == (
        "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:domainconfiguration/*"
    )
    assert name in only(managed, DOMAIN)["DependsOn"]


def test_the_function_answers_in_time_and_is_told_what_was_chosen() -> None:
    two = (replace(FACTORY_CA, revocation=CrlBucket()), WORKSHOP_CA)
    guard = ConnectGuard(OnUnknown.ADMIT, refresh=timedelta(seconds=5))
    _, function = named(
        template_of(replace(DEFAULTS, cas=two, connect_guard=guard)), "AWS::Lambda::Function", "ConnectGuard"
    )
    variables = function["Properties"]["Environment"]["Variables"]
    written = joined(variables[environment.CONNECT_GUARD])

    assert function["Properties"]["Timeout"] == 5
    assert function["Properties"]["Handler"] == environment.CONNECT_GUARD_HANDLER
    # The CA without a list is none of those that it looks for.
    assert written.startswith('{"cas":["${')
    assert written.count("${") == 1
    assert written.endswith('"],"on_unknown":"admit","refresh_seconds":5}')
    assert environment.REVOCATION_BUCKET in variables
    assert environment.LEDGER_TABLE not in variables


def test_its_role_may_read_indexes_and_nothing_of_aws_iot(managed: Template) -> None:
    rights = granted(managed, "ConnectGuard")

    assert {action for action, _ in rights} == {
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetObject",
        "s3:ListBucket",
    }
    role, _ = named(managed, "AWS::IAM::Role", "ConnectGuard")
    policies = [
        each["Properties"]
        for each in of_type(managed, "AWS::IAM::Policy").values()
        if {"Ref": role} in each["Properties"]["Roles"]
    ]
    assert len(policies) == 1
    assert "iot:" not in json.dumps([each["PolicyDocument"] for each in policies])
    assert "ManagedPolicyArns" not in managed["Resources"][role]["Properties"]


def test_its_failures_and_throttles_raise_alarms(managed: Template) -> None:
    function, _ = named(managed, "AWS::Lambda::Function", "ConnectGuard")
    alarms = {
        each["Properties"]["MetricName"]
        for each in of_type(managed, "AWS::CloudWatch::Alarm").values()
        if f'"{function}"' in json.dumps(each["Properties"]["Dimensions"])
    }

    assert alarms == {"Errors", "Throttles"}


def test_its_outputs_name_the_domain_configuration(managed: Template) -> None:
    outputs = managed["Outputs"]
    [domain] = of_type(managed, DOMAIN)
    function, _ = named(managed, "AWS::Lambda::Function", "ConnectGuard")

    assert outputs["ConnectGuardDomainConfiguration"]["Value"] == {"Ref": domain}
    assert outputs["ConnectGuardCallbackArn"]["Value"] == {"Fn::GetAtt": [function, "Arn"]}
    assert outputs["ConnectGuardFunction"]["Value"] == {"Ref": function}
    assert "ConnectGuardLogGroup" in outputs


def test_a_domain_of_yours_has_your_certificate() -> None:
    found = only(guarded(ConnectGuard("refuse", CustomDomain("devices.example.com", SERVER, SERVER))), DOMAIN)

    assert found["Properties"]["DomainName"] == "devices.example.com"
    assert found["Properties"]["ServerCertificateArns"] == [SERVER]
    assert found["Properties"]["ValidationCertificateArn"] == SERVER


def test_a_certificate_may_be_a_construct() -> None:
    with app_without_bundling() as app:
        other = cdk.Stack(app, "Other")
        certificate = acm.Certificate.from_certificate_arn(other, "Server", SERVER)
        guard = ConnectGuard("refuse", CustomDomain("devices.example.com", certificate))
        configuration = replace(with_ca(revocation=CrlBucket()), connect_guard=guard)
        found = only(template(JitrStack(app, "Jitr", configuration)), DOMAIN)

    assert found["Properties"]["ServerCertificateArns"] == [SERVER]


def test_an_existing_domain_configuration_is_left_as_it_is() -> None:
    found = guarded(ConnectGuard("refuse", ExistingDomain("devices")))

    assert of_type(found, DOMAIN) == {}
    assert found["Outputs"]["ConnectGuardDomainConfiguration"]["Value"] == "devices"
    assert named(found, "AWS::Lambda::Permission", "ConnectGuardMayInvoke")


@pytest.mark.parametrize(
    "guard",
    [ConnectGuard("refuse", provisioned_concurrency=10), ConnectGuard("refuse", snap_start=True)],
    ids=["kept ready", "snapshot"],
)
def test_environments_that_are_kept_are_those_of_a_version(guard: ConnectGuard) -> None:
    found = guarded(guard)
    [alias] = of_type(found, "AWS::Lambda::Alias")
    _, function = named(found, "AWS::Lambda::Function", "ConnectGuard")
    kept = only(found, "AWS::Lambda::Alias")["Properties"].get("ProvisionedConcurrencyConfig")

    callback = only(found, DOMAIN)["Properties"]["ClientCertificateConfig"]["ClientCertificateCallbackArn"]
    _, permission = named(found, "AWS::Lambda::Permission", "ConnectGuardMayInvoke")
    assert callback == permission["Properties"]["FunctionName"] == {"Ref": alias}
    assert kept == ({"ProvisionedConcurrentExecutions": 10} if guard.provisioned_concurrency else None)
    assert function["Properties"].get("SnapStart") == (
        {"ApplyOn": "PublishedVersions"} if guard.snap_start else None
    )
    assert only(found, "AWS::Lambda::Version")["DeletionPolicy"] == "Delete"


def test_the_longest_callback_arn_is_one_that_cloudformation_takes() -> None:
    """`ClientCertificateCallbackArn` has 170 characters at most, a function's name 64."""
    longest_region = "ap-southeast-5"
    function = f"arn:aws-us-gov:lambda:{longest_region}:{'1' * 12}:function:{'x' * 64}:live"

    assert len(function) <= 170


def test_the_local_cloud_gets_the_same_but_for_what_it_does_not_understand(managed: Template) -> None:
    local = local_template_of(replace(with_ca(revocation=CrlBucket()), connect_guard=ConnectGuard("refuse")))

    assert comparable(local) == expected_from(managed)


# what is refused


def test_what_happens_without_an_index_must_be_chosen() -> None:
    make: Any = ConnectGuard
    with pytest.raises(ConfigurationError, match=r"ConnectGuard\.on_unknown: found nothing; allowed: admit"):
        make()


def test_a_guard_without_any_list_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"connect_guard: found a guard, and no CA has a CRL"):
        template_of(replace(DEFAULTS, connect_guard=ConnectGuard("refuse")))


def test_a_snapshot_and_environments_kept_ready_exclude_one_another() -> None:
    with pytest.raises(ConfigurationError, match="snap_start"):
        ConnectGuard("refuse", provisioned_concurrency=1, snap_start=True)


def test_govcloud_is_refused() -> None:
    configuration = replace(with_ca(revocation=CrlBucket()), connect_guard=ConnectGuard("refuse"))
    place = cdk.Environment(account="123456789012", region="us-gov-west-1")

    with app_without_bundling() as app, pytest.raises(ConfigurationError, match="region us-gov-west-1"):
        JitrStack(app, "Jitr", configuration, env=place)


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (None, "aws"),
        ("aws", AwsManagedDomain()),
        ({"type": "aws"}, AwsManagedDomain()),
        (
            {"type": "custom", "name": "iot.example.com", "certificate": SERVER},
            CustomDomain("iot.example.com", SERVER),
        ),
        ({"type": "existing", "name": "devices"}, ExistingDomain("devices")),
    ],
)
def test_cdk_json_says_the_same_as_python(domain: Any, expected: object, tmp_path: Path) -> None:
    ca = {"name": "Factory", "certificate": FACTORY, "mode": "SNI_ONLY", "revocation": {"type": "bucket"}}
    guard = {"on_unknown": "refuse"} | ({} if domain is None else {"domain": domain})

    found = JitrConfiguration.parse({"cas": [ca], "connect_guard": guard}, tmp_path)

    assert found.connect_guard is not None
    assert found.connect_guard.domain == expected
    assert found.connect_guard.on_unknown is OnUnknown.REFUSE
