"""The deployed connect guard: its domain, its invoke permission, and the permissions of its role."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_certificatemanager as acm

from iot_jitr import (
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
from tests.support.scenarios import SERVER, WORKSHOP_CA
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    app_without_bundling,
    joined,
    named,
    of_type,
    only,
    template,
    template_of,
    variables,
    with_ca,
)

Template = dict[str, Any]
DOMAIN = "AWS::IoT::DomainConfiguration"
FUNCTION = "AWS::Lambda::Function"
REFUSING = ConnectGuard("refuse")


def guarded(guard: ConnectGuard) -> JitrConfiguration:
    return replace(with_ca(revocation=CrlBucket()), connect_guard=guard)


@pytest.fixture(scope="module")
def managed() -> Template:
    """With a domain of AWS's."""
    return template_of(guarded(REFUSING))


def test_without_the_option_no_connect_guard_is_deployed() -> None:
    found = template_of(with_ca(revocation=CrlBucket()))

    assert not [name for name in (*found["Resources"], *found["Outputs"]) if "ConnectGuard" in name]
    assert of_type(found, DOMAIN) == {}


def test_the_domain_invokes_the_function_after_mutual_tls_and_both_are_outputs(managed: Template) -> None:
    function, _ = named(managed, FUNCTION, "ConnectGuard")
    arn = {"Fn::GetAtt": [function, "Arn"]}
    [domain] = of_type(managed, DOMAIN)
    outputs = {name: each["Value"] for name, each in managed["Outputs"].items()}

    assert only(managed, DOMAIN)["Properties"] == {
        "AuthenticationType": "AWS_X509",
        "ApplicationProtocol": "SECURE_MQTT",
        "DomainConfigurationStatus": "ENABLED",
        "ClientCertificateConfig": {"ClientCertificateCallbackArn": arn},
    }
    assert outputs["ConnectGuardDomainConfiguration"] == {"Ref": domain}
    assert outputs["ConnectGuardCallbackArn"] == arn
    assert outputs["ConnectGuardFunction"] == {"Ref": function}
    assert "ConnectGuardLogGroup" in outputs


def test_aws_iot_of_this_account_may_invoke_the_function_before_the_domain_is_made(managed: Template) -> None:
    function, _ = named(managed, FUNCTION, "ConnectGuard")
    name, permission = named(managed, "AWS::Lambda::Permission", "ConnectGuardMayInvoke")

    assert {key: joined(value) for key, value in permission["Properties"].items()} == {
        "FunctionName": f"${{{function}}}",
        "Action": "lambda:InvokeFunction",
        "Principal": "iot.amazonaws.com",
        "SourceAccount": "${AWS::AccountId}",
        "SourceArn": "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:domainconfiguration/*",
    }
    assert name in only(managed, DOMAIN)["DependsOn"]


def test_the_function_has_its_timeout_and_the_chosen_settings() -> None:
    two = (replace(FACTORY_CA, revocation=CrlBucket()), WORKSHOP_CA)
    guard = ConnectGuard(OnUnknown.ADMIT, refresh=timedelta(seconds=5))
    found = template_of(replace(DEFAULTS, cas=two, connect_guard=guard))
    _, function = named(found, FUNCTION, "ConnectGuard")
    ca, _ = named(found, "Custom::JitrCaCertificate", "Factory")

    assert function["Properties"]["Timeout"] == 5
    assert function["Properties"]["Handler"] == environment.CONNECT_GUARD_HANDLER
    settings = variables(found, "ConnectGuard")
    # The CA without a CRL is not in the setting.
    cas = f'["${{{ca}.CaCertificateId}}"]'
    assert settings[environment.CONNECT_GUARD] == (
        f'{{"cas":{cas},"on_unknown":"admit","refresh_seconds":5}}'
    )
    assert environment.REVOCATION_BUCKET in settings
    assert environment.LEDGER_TABLE not in settings


def test_a_custom_domain_has_the_given_certificate() -> None:
    """Named by its ARN, or the certificate itself."""
    by_arn = CustomDomain("devices.example.com", SERVER, SERVER)
    with app_without_bundling() as app:
        certificate = acm.Certificate.from_certificate_arn(cdk.Stack(app, "Other"), "Server", SERVER)
        guard = ConnectGuard("refuse", CustomDomain("devices.example.com", certificate))
        itself = only(template(JitrStack(app, "Jitr", guarded(guard))), DOMAIN)["Properties"]

    found = only(template_of(guarded(ConnectGuard("refuse", by_arn))), DOMAIN)["Properties"]
    assert found["DomainName"] == itself["DomainName"] == "devices.example.com"
    assert found["ServerCertificateArns"] == itself["ServerCertificateArns"] == [SERVER]
    assert (found["ValidationCertificateArn"], "ValidationCertificateArn" in itself) == (SERVER, False)


def test_an_existing_domain_configuration_is_left_as_it_is() -> None:
    found = template_of(guarded(ConnectGuard("refuse", ExistingDomain("devices"))))

    assert of_type(found, DOMAIN) == {}
    assert found["Outputs"]["ConnectGuardDomainConfiguration"]["Value"] == "devices"
    assert named(found, "AWS::Lambda::Permission", "ConnectGuardMayInvoke")


@pytest.mark.parametrize(
    "guard",
    [ConnectGuard("refuse", provisioned_concurrency=10), ConnectGuard("refuse", snap_start=True)],
    ids=["kept ready", "snapshot"],
)
def test_provisioned_environments_belong_to_a_function_version(guard: ConnectGuard) -> None:
    found = template_of(guarded(guard))
    [alias] = of_type(found, "AWS::Lambda::Alias")
    _, function = named(found, FUNCTION, "ConnectGuard")
    kept = only(found, "AWS::Lambda::Alias")["Properties"].get("ProvisionedConcurrencyConfig")

    callback = only(found, DOMAIN)["Properties"]["ClientCertificateConfig"]["ClientCertificateCallbackArn"]
    _, permission = named(found, "AWS::Lambda::Permission", "ConnectGuardMayInvoke")
    assert callback == permission["Properties"]["FunctionName"] == {"Ref": alias}
    assert kept == ({"ProvisionedConcurrentExecutions": 10} if guard.provisioned_concurrency else None)
    assert function["Properties"].get("SnapStart") == (
        {"ApplyOn": "PublishedVersions"} if guard.snap_start else None
    )
    assert only(found, "AWS::Lambda::Version")["DeletionPolicy"] == "Delete"


def test_govcloud_is_refused() -> None:
    place = cdk.Environment(account="123456789012", region="us-gov-west-1")

    with app_without_bundling() as app, pytest.raises(ConfigurationError, match="region us-gov-west-1"):
        JitrStack(app, "Jitr", guarded(REFUSING), env=place)
