"""`JitrPipeline` in other people's stacks, and with several CAs."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_logs as logs

from iot_jitr import (
    ConfigurationError,
    CrlBucket,
    DevicePolicy,
    JitrPipeline,
    JitrStack,
    Mode,
    NoSigner,
)
from iot_jitr.capacity import Capacity
from iot_jitr_runtime import environment
from tests.support.ca_certificates import WORKSHOP
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    app_without_bundling,
    as_list,
    joined,
    named,
    of_type,
    only,
    statements,
    template,
    template_of,
    warnings,
)

WORKSHOP_CA = replace(
    FACTORY_CA, name="Workshop", certificate=WORKSHOP, mode=Mode.SNI_ONLY, signer=NoSigner()
)


@pytest.fixture
def stack() -> Iterator[cdk.Stack]:
    with app_without_bundling() as app:
        yield cdk.Stack(app, "Foreign")


@pytest.fixture(scope="module")
def two_cas() -> dict[str, Any]:
    return template_of(replace(DEFAULTS, cas=(FACTORY_CA, WORKSHOP_CA)))


def test_a_ca_is_all_that_a_pipeline_needs(stack: cdk.Stack) -> None:
    pipeline = JitrPipeline(stack, "Jitr", cas=[FACTORY_CA])

    made = template(stack)
    assert only(made, "AWS::IoT::TopicRule")
    assert stack.resolve(pipeline.cas["Factory"].certificate_id)["Fn::GetAtt"][1] == "CaCertificateId"


def test_everything_it_makes_can_be_reached(stack: cdk.Stack) -> None:
    pipeline = JitrPipeline(stack, "Jitr", cas=[FACTORY_CA])

    reached = [
        pipeline.ledger.table,
        pipeline.queues.activation,
        pipeline.queues.dead_letters,
        pipeline.activator.function.function,
        pipeline.activator.function.role,
        pipeline.activator.function.log_group,
        pipeline.activator.event_source,
        pipeline.rules.rules["Factory"],
        pipeline.rules.role,
    ]
    assert all(each.node.scopes[0] is stack.node.root for each in reached)
    assert pipeline.device_policy.policy_name is not None
    assert pipeline.capacity == Capacity()


def test_two_pipelines_live_in_one_stack(stack: cdk.Stack) -> None:
    JitrPipeline(stack, "One", cas=[FACTORY_CA])
    JitrPipeline(stack, "Two", cas=[WORKSHOP_CA])

    made = template(stack)
    assert len(of_type(made, "AWS::IoT::TopicRule")) == 2
    assert len(of_type(made, "AWS::DynamoDB::Table")) == 2
    assert len(of_type(made, "AWS::Lambda::Function")) == 8
    ones = statements(made, "OneActivator")
    assert "Two" not in str(ones)


def test_two_shipped_stacks_live_in_one_app() -> None:
    with app_without_bundling() as app:
        first = JitrStack(app, "First", replace(DEFAULTS, stack_name="first"))
        second = JitrStack(app, "Second", replace(DEFAULTS, stack_name="second"))
        app.synth()

    assert (first.stack_name, second.stack_name) == ("first", "second")


def test_each_ca_has_its_rule(two_cas: dict[str, Any]) -> None:
    topics = {
        joined(rule["Properties"]["TopicRulePayload"]["Sql"]).rpartition("/")[2]
        for rule in of_type(two_cas, "AWS::IoT::TopicRule").values()
    }

    cas = of_type(two_cas, "Custom::JitrCaCertificate")
    assert len(cas) == 2
    assert topics == {f"${{{name}.CaCertificateId}}'" for name in cas}


def test_the_activator_knows_and_may_read_each_ca(two_cas: dict[str, Any]) -> None:
    _, function = named(two_cas, "AWS::Lambda::Function", "Activator")
    cas = of_type(two_cas, "Custom::JitrCaCertificate")

    configured = joined(function["Properties"]["Environment"]["Variables"][environment.CAS])
    may_read = {
        joined(arn)
        for statement in statements(two_cas, "Activator")
        if statement["Action"] == "iot:DescribeCACertificate"
        for arn in as_list(statement["Resource"])
    }

    assert may_read == {f"${{{name}.CaCertificateArn}}" for name in cas}
    assert all(f"${{{name}.CaCertificateId}}" in configured for name in cas)


def test_all_cas_share_one_provider(two_cas: dict[str, Any]) -> None:
    tokens = {
        str(ca["Properties"]["ServiceToken"]) for ca in of_type(two_cas, "Custom::JitrCaCertificate").values()
    }

    assert len(tokens) == 1


def test_another_ca_leaves_what_is_there_as_it_is(two_cas: dict[str, Any]) -> None:
    before = template_of(DEFAULTS)

    for kind in ("AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::IoT::Policy"):
        assert of_type(two_cas, kind) == of_type(before, kind)
    factory, ca = named(before, "Custom::JitrCaCertificate", "Factory")
    assert two_cas["Resources"][factory] == ca


def test_ca_certificates_as_devices_are_accepted_for_one_ca_and_warned_of(stack: cdk.Stack) -> None:
    accepting = replace(FACTORY_CA, revocation=CrlBucket(), accept_ca_certificates_as_devices=True)
    JitrPipeline(stack, "Jitr", cas=[accepting, WORKSHOP_CA])

    made = template(stack)
    for part in ("Activator", "Sweep"):
        _, function = named(made, "AWS::Lambda::Function", part)
        configured = joined(function["Properties"]["Environment"]["Variables"][environment.CAS])
        assert configured.count(f'"{environment.ACCEPT_CA_CERTIFICATES}":true') == 1
    (warning,) = [each for each in warnings(stack) if "accept_ca_certificates_as_devices" in each]
    assert "CA 'Factory'" in warning


def test_a_retired_ca_keeps_its_rule() -> None:
    retired = template_of(replace(DEFAULTS, cas=(replace(FACTORY_CA, auto_registration=False),)))

    assert only(retired, "Custom::JitrCaCertificate")["Properties"]["AutoRegistration"] == "DISABLE"
    assert only(retired, "AWS::IoT::TopicRule")


def test_the_ledger_of_a_test_stack_goes_with_it(stack: cdk.Stack) -> None:
    JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], removal_policy=cdk.RemovalPolicy.DESTROY)

    made = template(stack)
    assert only(made, "AWS::DynamoDB::Table")["DeletionPolicy"] == "Delete"
    assert only(made, "AWS::IoT::Policy")["DeletionPolicy"] == "Retain"


def test_a_higher_quota_means_more_workers(stack: cdk.Stack) -> None:
    JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], activations_per_second=100)

    mapping = only(template(stack), "AWS::Lambda::EventSourceMapping")
    assert mapping["Properties"]["ScalingConfig"] == {"MaximumConcurrency": Capacity(100).concurrency}


def test_logs_and_metrics_are_as_the_caller_says(stack: cdk.Stack) -> None:
    JitrPipeline(
        stack,
        "Jitr",
        cas=[FACTORY_CA],
        log_retention=logs.RetentionDays.ONE_WEEK,
        log_level="DEBUG",
        metrics_namespace="Fleet",
    )

    made = template(stack)
    variables = named(made, "AWS::Lambda::Function", "Activator")[1]["Properties"]["Environment"]["Variables"]
    retentions = {
        group["Properties"]["RetentionInDays"] for group in of_type(made, "AWS::Logs::LogGroup").values()
    }
    assert retentions == {7}
    assert variables["POWERTOOLS_LOG_LEVEL"] == "DEBUG"
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "Fleet"


def test_a_shipped_stack_with_a_policy_for_each_device_has_no_policy_name_to_tell() -> None:
    made = template_of(replace(DEFAULTS, policy=DevicePolicy.per_device()))

    assert "DevicePolicyName" not in made["Outputs"]


def test_activation_without_a_revocation_check_is_warned_of(stack: cdk.Stack) -> None:
    JitrPipeline(stack, "Jitr", cas=[FACTORY_CA])

    (warning,) = warnings(stack)
    assert "CA 'Factory' has revocation: none" in warning


@pytest.mark.parametrize(
    ("cas", "found"), [([], "no CA"), ([FACTORY_CA, FACTORY_CA], "Factory, Factory")], ids=["none", "twice"]
)
def test_each_ca_must_be_there_once(stack: cdk.Stack, cas: list[Any], found: str) -> None:
    with pytest.raises(
        ConfigurationError, match=f"cas: found {found}; allowed: at least one CA, each name once"
    ):
        JitrPipeline(stack, "Jitr", cas=cas)


def test_a_rate_out_of_range_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(ConfigurationError):
        JitrPipeline(stack, "Jitr", cas=[FACTORY_CA], activations_per_second=0)


def test_tags_and_permission_boundaries_reach_everything(stack: cdk.Stack) -> None:
    from aws_cdk import aws_iam as iam

    pipeline = JitrPipeline(stack, "Jitr", cas=[FACTORY_CA])

    cdk.Tags.of(pipeline).add("team", "fleet")
    iam.PermissionsBoundary.of(pipeline).apply(
        iam.ManagedPolicy.from_managed_policy_name(pipeline, "Boundary", "boundary")
    )

    made = template(stack)
    assert {"Key": "team", "Value": "fleet"} in only(made, "AWS::DynamoDB::Table")["Properties"]["Tags"]
    assert all(
        "PermissionsBoundary" in role["Properties"] for role in of_type(made, "AWS::IAM::Role").values()
    )
