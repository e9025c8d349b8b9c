"""Named stacks for snapshots, cfn-lint, cdk-nag and the test for collisions."""

import json
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from iot_jitr import (
    AdmissionFunction,
    AlarmSettings,
    AllowList,
    CaConfiguration,
    ConnectGuard,
    CrlBucket,
    CrlUrl,
    CustomDomain,
    DevicePolicy,
    FunctionNetwork,
    JitrConfiguration,
    JitrPipeline,
    JitrStack,
    KmsSigner,
    Mode,
    NoRevocation,
    NoSigner,
    OutcomeEvents,
    Renewal,
    RevocationSettings,
    ThingRegistration,
)
from iot_jitr.configuration import AccountLoggingMode, Removal
from tests.support.ca_certificates import WORKSHOP
from tests.support.stacks import DEFAULTS, FACTORY_CA, app_without_bundling, template, template_of

PRIVATE_CA = "arn:aws:acm-pca:eu-central-1:123456789012:certificate-authority/a"
CA_KEY = "arn:aws:kms:eu-central-1:123456789012:key/factory-ca"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/1a2b3c4d-1a2b-3c4d-5e6f-1a2b3c4d5e6f"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"
OPERATORS = "arn:aws:sns:eu-central-1:123456789012:operators"
EXPECTED = "arn:aws:lambda:eu-central-1:123456789012:function:is-it-ours"
SERVER = "arn:aws:acm:eu-central-1:123456789012:certificate/1a2b3c4d"
EVENT_BUS = "arn:aws:events:eu-central-1:123456789012:event-bus/company"
CRLS = "crls-of-the-company"

WORKSHOP_CA = CaConfiguration(
    name="Workshop",
    certificate=WORKSHOP,
    mode=Mode.SNI_ONLY,
    signer=NoSigner(),
    revocation=NoRevocation(),
)

SCENARIOS: dict[str, JitrConfiguration] = {
    "defaults": DEFAULTS,
    "several_cas": replace(DEFAULTS, cas=(FACTORY_CA, WORKSHOP_CA)),
    "everything_on": replace(
        DEFAULTS,
        cas=(
            replace(
                FACTORY_CA,
                signer=KmsSigner(CA_KEY),
                revocation=CrlBucket(),
                tags={"team": "fleet"},
            ),
            WORKSHOP_CA,
        ),
        policy=DevicePolicy.per_device(),
        admission=AllowList(),
        things=ThingRegistration(type="Sensor", groups=("fleet",), renewal=Renewal.ALLOW),
        on_refusal={"expired": "revoked"},
        revocation=RevocationSettings(mass_revocation_limit_percent=5),
        connect_guard=ConnectGuard("refuse", CustomDomain("devices.example.com", SERVER)),
        outcome_events=OutcomeEvents(),
        activations_per_second=100,
        log_retention_days=365,
        account_logging=AccountLoggingMode.MANAGE,
        alarms=AlarmSettings(refused=1000, topic=OPERATORS),
        encryption_key=KEY,
        permissions_boundary=BOUNDARY,
        removal=Removal.DESTROY,
    ),
    "revocation": replace(
        DEFAULTS,
        cas=(
            replace(FACTORY_CA, revocation=CrlBucket(max_age=timedelta(days=2))),
            replace(WORKSHOP_CA, revocation=CrlUrl("https://crl.example.com/workshop.crl")),
        ),
        policy=DevicePolicy.per_device(),
    ),
    "allow_list": replace(
        DEFAULTS,
        policy=DevicePolicy.per_device(),
        admission=AllowList(),
        things=ThingRegistration(
            name="dev:{{common_name}}",
            type="Sensor",
            groups=("fleet", "site-{{organizational_unit}}"),
            renewal=Renewal.ALLOW,
        ),
        on_refusal={"expired": "revoked"},
    ),
    "admission_function": replace(
        DEFAULTS, admission=AdmissionFunction(EXPECTED), things=ThingRegistration()
    ),
}
"""What the shipped stack can be configured to."""
FOREIGN_STACK = "foreign_stack"
NAMES = (*SCENARIOS, FOREIGN_STACK)


def foreign(scope: Construct, construct_id: str = "Company") -> tuple[cdk.Stack, JitrPipeline]:
    """A stack of another project with everything of its own: key, network, bucket, topic, boundary."""
    place = cdk.Environment(account="123456789012", region="eu-central-1")
    stack = cdk.Stack(scope, construct_id, env=place)
    fleet = Construct(stack, "Fleet")
    network = FunctionNetwork(
        ec2.Vpc.from_vpc_attributes(
            fleet,
            "Vpc",
            vpc_id="vpc-1a2b3c4d",
            availability_zones=["eu-central-1a", "eu-central-1b"],
            private_subnet_ids=["subnet-1a2b3c4d", "subnet-5e6f7a8b"],
        ),
        security_groups=[ec2.SecurityGroup.from_security_group_id(fleet, "Group", "sg-1a2b3c4d")],
    )
    expected = lambda_.Function.from_function_attributes(
        fleet, "Expected", function_arn=EXPECTED, same_environment=True
    )
    pipeline = JitrPipeline(
        fleet,
        "Jitr",
        cas=[replace(FACTORY_CA, revocation=CrlBucket("factory/", CRLS, encryption_key=KEY))],
        admission=AdmissionFunction(expected),
        things=ThingRegistration(),
        connect_guard=ConnectGuard("admit"),
        outcome_events=OutcomeEvents(EVENT_BUS),
        alarms=AlarmSettings(topic=sns.Topic.from_topic_arn(fleet, "Operators", OPERATORS)),
        account_logging=AccountLoggingMode.ADOPT,
        encryption_key=kms.Key(fleet, "Key", enable_key_rotation=True),
        network=network,
    )
    boundary = iam.ManagedPolicy.from_managed_policy_arn(fleet, "Boundary", BOUNDARY)
    iam.PermissionsBoundary.of(pipeline).apply(boundary)
    cdk.Tags.of(pipeline).add("team", "fleet")
    return stack, pipeline


@cache
def _foreign_text() -> str:
    with app_without_bundling() as app:
        return json.dumps(template(foreign(app)[0]))


def scenario(name: str) -> dict[str, Any]:
    """The template of a scenario."""
    return template_of(SCENARIOS[name]) if name in SCENARIOS else dict(json.loads(_foreign_text()))


def add_to(app: cdk.App, name: str) -> cdk.Stack:
    """Add a scenario's stack to `app` under a name of its own."""
    if name not in SCENARIOS:
        return foreign(app)[0]
    named = name.replace("_", "-")
    return JitrStack(app, named, replace(SCENARIOS[name], stack_name=named))
