"""`JitrPipeline` in stacks of other projects, and with several CAs."""

from dataclasses import replace

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

from iot_jitr import CrlBucket, DevicePolicy, JitrPipeline
from iot_jitr.capacity import Capacity
from iot_jitr_runtime import environment
from tests.support.scenarios import WORKSHOP_CA, scenario
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    granted,
    joined,
    named,
    of_type,
    only,
    template,
    template_of,
    variables,
    warnings,
)

CA = "Custom::JitrCaCertificate"


def test_a_pipeline_needs_only_a_ca(fleet: cdk.Stack) -> None:
    pipeline = JitrPipeline(fleet, "Jitr", cas=[FACTORY_CA])

    assert only(template(fleet), "AWS::IoT::TopicRule")
    assert fleet.resolve(pipeline.cas["Factory"].certificate_id)["Fn::GetAtt"][1] == "CaCertificateId"
    assert pipeline.capacity == Capacity()
    (warning,) = warnings(fleet)
    assert "CA 'Factory' has revocation: none" in warning


def test_one_stack_may_contain_two_pipelines(fleet: cdk.Stack) -> None:
    JitrPipeline(fleet, "One", cas=[FACTORY_CA])
    JitrPipeline(fleet, "Two", cas=[WORKSHOP_CA])

    made = template(fleet)
    assert len(of_type(made, "AWS::DynamoDB::Table")) == 2
    assert len(of_type(made, "AWS::Lambda::Function")) == 8
    assert "Two" not in str(granted(made, "OneActivator"))


def test_each_ca_has_its_rule_and_is_in_the_settings_of_the_activator() -> None:
    two_cas = scenario("several_cas")
    cas = of_type(two_cas, CA)
    topics = {
        joined(rule["Properties"]["TopicRulePayload"]["Sql"]).rpartition("/")[2]
        for rule in of_type(two_cas, "AWS::IoT::TopicRule").values()
    }
    may_read = {arn for action, arn in granted(two_cas, "Activator") if "DescribeCACertificate" in action}
    configured = variables(two_cas, "Activator")[environment.CAS]

    assert len(cas) == 2
    assert topics == {f"${{{name}.CaCertificateId}}'" for name in cas}
    assert may_read == {f"${{{name}.CaCertificateArn}}" for name in cas}
    assert all(f"${{{name}.CaCertificateId}}" in configured for name in cas)
    assert len({str(each["Properties"]["ServiceToken"]) for each in cas.values()}) == 1


def test_a_second_ca_does_not_change_the_existing_resources() -> None:
    before, two_cas = scenario("defaults"), scenario("several_cas")

    for kind in ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::IoT::Policy"):
        assert of_type(two_cas, kind) == of_type(before, kind)
    factory, ca = named(before, CA, "Factory")
    assert two_cas["Resources"][factory] == ca


def test_ca_certificates_as_devices_are_accepted_for_one_ca_with_a_warning(fleet: cdk.Stack) -> None:
    accepting = replace(FACTORY_CA, revocation=CrlBucket(), accept_ca_certificates_as_devices=True)
    JitrPipeline(fleet, "Jitr", cas=[accepting, WORKSHOP_CA])

    made = template(fleet)
    for part in ("Activator", "Sweep"):
        configured = variables(made, part)[environment.CAS]
        assert configured.count(f'"{environment.ACCEPT_CA_CERTIFICATES}":true') == 1
    (warning,) = [each for each in warnings(fleet) if "accept_ca_certificates_as_devices" in each]
    assert "CA 'Factory'" in warning


def test_a_retired_ca_keeps_its_rule() -> None:
    retired = template_of(replace(DEFAULTS, cas=(replace(FACTORY_CA, auto_registration=False),)))

    assert only(retired, CA)["Properties"]["AutoRegistration"] == "DISABLE"
    assert only(retired, "AWS::IoT::TopicRule")


def test_the_options_of_a_pipeline_apply_to_its_resources(fleet: cdk.Stack) -> None:
    """The ledger of a test stack is deleted with it; the shared policy stays."""
    JitrPipeline(
        fleet,
        "Jitr",
        cas=[FACTORY_CA],
        activations_per_second=100,
        log_retention=logs.RetentionDays.ONE_WEEK,
        log_level="DEBUG",
        metrics_namespace="Fleet",
        removal_policy=cdk.RemovalPolicy.DESTROY,
    )

    made = template(fleet)
    mapping = only(made, "AWS::Lambda::EventSourceMapping")["Properties"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": Capacity(100).concurrency}
    groups = of_type(made, "AWS::Logs::LogGroup").values()
    assert {each["Properties"]["RetentionInDays"] for each in groups} == {7}
    found = variables(made, "Activator")
    assert (found["POWERTOOLS_LOG_LEVEL"], found["POWERTOOLS_METRICS_NAMESPACE"]) == ("DEBUG", "Fleet")
    assert only(made, "AWS::DynamoDB::Table")["DeletionPolicy"] == "Delete"
    assert only(made, "AWS::IoT::Policy")["DeletionPolicy"] == "Retain"


def test_with_per_device_policies_there_is_no_policy_output() -> None:
    made = template_of(replace(DEFAULTS, policy=DevicePolicy.per_device()))

    assert "DevicePolicyName" not in made["Outputs"]
