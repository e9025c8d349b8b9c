"""The same pipeline in China and in GovCloud: other ARNs and principals, only existing resources."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms

from iot_jitr import (
    AccountLoggingMode,
    AllowList,
    CrlBucket,
    DevicePolicy,
    FunctionNetwork,
    JitrPipeline,
    PrivateCaSigner,
    Renewal,
    ThingRegistration,
)
from tests.support.stacks import (
    FACTORY_CA,
    all_statements,
    app_without_bundling,
    as_list,
    of_type,
    only,
    readable,
    template,
)

Template = dict[str, Any]
SUFFIXES = {
    "cn-north-1": "amazonaws.com.cn",
    "us-gov-west-1": "amazonaws.com",
    "eu-central-1": "amazonaws.com",
}
PARTITIONS = {"cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eu-central-1": "aws"}


def deployed(template: Template, region: str) -> Template:
    """A template with the values that CloudFormation inserts: partition, region, domain of the services."""
    text = json.dumps(readable(template))
    for name, value in {
        "Partition": PARTITIONS[region],
        "Region": region,
        "URLSuffix": SUFFIXES[region],
        "AccountId": "123456789012",
    }.items():
        text = text.replace(f"${{AWS::{name}}}", value)
    return dict(json.loads(text))


@pytest.fixture(scope="module", params=SUFFIXES)
def region(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def everything(region: str) -> Iterator[Template]:
    with app_without_bundling() as app:
        place = cdk.Environment(account="123456789012", region=region)
        stack = cdk.Stack(app, "Fleet", env=place)
        ca = f"arn:{PARTITIONS[region]}:acm-pca:{region}:123456789012:certificate-authority/a"
        pipeline = JitrPipeline(
            stack,
            "Jitr",
            cas=[replace(FACTORY_CA, signer=PrivateCaSigner(ca), revocation=CrlBucket())],
            device_policy=DevicePolicy.per_device(),
            admission=AllowList(),
            things=ThingRegistration(groups=["fleet"], renewal=Renewal.ALLOW),
            account_logging=AccountLoggingMode.MANAGE,
            encryption_key=kms.Key(stack, "Key"),
            network=FunctionNetwork(ec2.Vpc(stack, "Vpc")),
        )
        cdk.Tags.of(pipeline).add("team", "fleet")
        yield deployed(template(stack), region)


def test_every_arn_is_of_the_partition(everything: Template, region: str) -> None:
    others = {f"arn:{each}:" for each in PARTITIONS.values()} - {f"arn:{PARTITIONS[region]}:"}
    text = json.dumps(everything)

    assert [each for each in others if each in text] == []
    assert f"arn:{PARTITIONS[region]}:iot:{region}:123456789012:cert/*" in text


def test_service_principals_have_the_names_of_the_partition(everything: Template, region: str) -> None:
    """Of the services in use, the name of CloudWatch Logs alone has the region and its domain in it."""
    principals = set()
    for policy in (each for each in _policies(everything) if "Statement" in each):
        for statement in policy["Statement"]:
            principal = statement.get("Principal", {})
            principals |= set(as_list(principal.get("Service", []))) if isinstance(principal, dict) else set()

    assert principals == {
        "iot.amazonaws.com",
        "lambda.amazonaws.com",
        f"logs.{region}.{SUFFIXES[region]}",
    }
    permissions = of_type(everything, "AWS::Lambda::Permission").values()
    assert {each["Properties"]["Principal"] for each in permissions} == {"events.amazonaws.com"}


def test_the_key_is_used_through_services_of_that_region(everything: Template, region: str) -> None:
    named = [
        statement["Condition"]["StringEquals"]["kms:ViaService"]
        for _, statement in all_statements(everything)
        if "kms:ViaService" in str(statement.get("Condition"))
    ]

    assert named
    for names in named:
        service = names[0].partition(".")[0]
        assert f"{service}.{region}.{SUFFIXES[region]}" in names
        assert f"{service}.{region}.amazonaws.com" in names


def test_the_private_ca_issues_from_the_template_of_its_partition(everything: Template, region: str) -> None:
    (issue,) = (
        each for _, each in all_statements(everything) if each["Action"] == "acm-pca:IssueCertificate"
    )

    assert issue["Condition"]["StringEquals"]["acm-pca:TemplateArn"] == (
        f"arn:{PARTITIONS[region]}:acm-pca:::template/EndEntityCertificate/V1"
    )


def test_event_source_mappings_have_tags_where_supported(everything: Template, region: str) -> None:
    mapping = only(everything, "AWS::Lambda::EventSourceMapping")["Properties"]

    assert ("Tags" in mapping) is (region == "eu-central-1")
    queues = of_type(everything, "AWS::SQS::Queue").values()
    assert all({"Key": "team", "Value": "fleet"} in each["Properties"]["Tags"] for each in queues)


def _policies(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _policies(each)
    elif isinstance(value, list):
        for each in value:
            yield from _policies(each)
