"""The deployed parts of revocation: bucket, triggers, permissions, settings and outputs."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_notifications as notifications
from aws_cdk import aws_sqs as sqs

from iot_jitr import (
    ConfigurationError,
    CrlBucket,
    DevicePolicy,
    JitrPipeline,
    JitrStack,
    RevocationSettings,
)
from iot_jitr.configuration import upload_prefix
from iot_jitr_runtime import environment
from tests.support.scenarios import KEY, SCENARIOS, WORKSHOP_CA, scenario
from tests.support.stacks import (
    DEFAULTS,
    FACTORY_CA,
    app_without_bundling,
    granted,
    joined,
    named,
    of_type,
    only,
    template,
    template_of,
    variables,
    warnings,
    with_ca,
)

Template = dict[str, Any]
S3 = "arn:${AWS::Partition}:s3:::"
IOT = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}"


@pytest.fixture(scope="module")
def uploading() -> Template:
    """One CA whose CRLs are uploaded; shared policy."""
    return template_of(with_ca(revocation=CrlBucket()))


@pytest.fixture(scope="module")
def both_sources() -> Template:
    """One CA whose CRLs are uploaded, and one whose CRLs are fetched; a policy for each device."""
    return scenario("revocation")


def bucket_name(found: Template) -> str:
    return named(found, "AWS::S3::Bucket", "Revocation")[0]


def rules(found: Template, part: str) -> list[dict[str, Any]]:
    """The rules that invoke a function."""
    function, _ = named(found, "AWS::Lambda::Function", part)
    return [
        rule["Properties"]
        for rule in of_type(found, "AWS::Events::Rule").values()
        if f'"{function}"' in json.dumps(rule["Properties"]["Targets"])
    ]


def starts(found: Template, part: str) -> dict[str, Any]:
    """What invokes a function: a schedule → the input, the prefix of new objects → their bucket."""
    of_schedules = {
        rule["ScheduleExpression"]: json.loads(rule["Targets"][0].get("Input", "null"))
        for rule in rules(found, part)
        if "ScheduleExpression" in rule
    }
    details = [rule["EventPattern"]["detail"] for rule in rules(found, part) if "EventPattern" in rule]
    of_objects = {each["object"]["key"][0]["prefix"]: joined(each["bucket"]["name"][0]) for each in details}
    return of_schedules | of_objects


def test_without_a_crl_no_revocation_resource_is_deployed(template: Template) -> None:
    assert not [name for name in template["Resources"] if "Revocation" in name]
    assert environment.REVOCATION_BUCKET not in variables(template, "Activator")


# the bucket


def test_the_bucket_is_private_encrypted_versioned_and_retained(uploading: Template) -> None:
    bucket = named(uploading, "AWS::S3::Bucket", "Revocation")[1]
    properties = bucket["Properties"]
    policy = named(uploading, "AWS::S3::BucketPolicy", "Revocation")[1]

    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    [encryption] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    [rule] = properties["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    [statement] = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_bucket_events_go_to_eventbridge_without_a_custom_resource(uploading: Template) -> None:
    bucket = named(uploading, "AWS::S3::Bucket", "Revocation")[1]["Properties"]

    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert not [name for name in of_type(uploading, "AWS::Lambda::Function") if "Notification" in name]


def test_bucket_events_go_to_eventbridge_beside_other_notifications() -> None:
    with app_without_bundling() as app:
        stack = JitrStack(app, "Jitr", with_ca(revocation=CrlBucket()))
        assert stack.pipeline.revocation is not None
        stack.pipeline.revocation.bucket.bucket.add_event_notification(
            s3.EventType.OBJECT_CREATED, notifications.SqsDestination(sqs.Queue(stack, "Auditors"))
        )
        made = template(stack)

    # This replaces the whole configuration that the bucket got when it was made.
    set_later = only(made, "Custom::S3BucketNotifications")["Properties"]["NotificationConfiguration"]
    assert set_later["EventBridgeConfiguration"] == {}
    assert len(set_later["QueueConfigurations"]) == 1
    own = named(made, "AWS::S3::Bucket", "Revocation")[1]["Properties"]["NotificationConfiguration"]
    assert own == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


# triggers and settings of the functions


def test_schedules_uploads_and_new_indexes_start_the_functions(both_sources: Template) -> None:
    """The publisher writes below `index/`; objects written there do not trigger it."""
    bucket = f"${{{bucket_name(both_sources)}}}"

    assert starts(both_sources, "Publisher") == {
        "rate(1 hour)": {"trigger": "schedule"},
        "rate(5 minutes)": {"trigger": "watch"},
        "crl/Factory/": bucket,
    }
    assert starts(both_sources, "Sweep") == {"rate(1 minute)": None, "index/": bucket}
    patterns = [each["EventPattern"] for each in rules(both_sources, "Sweep") if "EventPattern" in each]
    assert [(each["source"], each["detail-type"]) for each in patterns] == [(["aws.s3"], ["Object Created"])]


def test_each_function_gets_its_settings(both_sources: Template) -> None:
    bucket = f"${{{bucket_name(both_sources)}}}"
    for part in ("Activator", "Reconciler"):
        found = variables(both_sources, part)
        assert found[environment.REVOCATION_BUCKET] == bucket
        assert found[environment.REVOCATION_REFRESH_SECONDS] == "60"
        assert found[environment.CAS].count('"revocation":"crl"') == 2
    sources = variables(both_sources, "Publisher")[environment.CRL_SOURCES]
    assert f'{{"bucket":"{bucket}","prefix":"crl/Factory/","max_age_hours":48}}' in sources
    assert '{"url":"https://crl.example.com/workshop.crl"}' in sources


def test_a_ca_without_a_crl_is_neither_published_nor_swept() -> None:
    found = template_of(replace(DEFAULTS, cas=(replace(FACTORY_CA, revocation=CrlBucket()), WORKSHOP_CA)))

    assert "Workshop" not in variables(found, "Publisher")[environment.CRL_SOURCES]
    assert "none" not in variables(found, "Sweep")[environment.CAS]
    assert '"revocation":"none"' in variables(found, "Activator")[environment.CAS]


def test_options_become_settings_of_the_functions(uploading: Template) -> None:
    """The sweep waits for every activator that may still use the former index."""
    settings = RevocationSettings(
        timedelta(minutes=10),
        timedelta(seconds=5),
        mass_revocation_limit_percent=25,
        mass_revocation_limit_minimum=3,
        dry_run=True,
    )
    found = template_of(replace(with_ca(revocation=CrlBucket()), revocation=settings))

    assert json.loads(variables(uploading, "Sweep")[environment.SWEEP]) == {
        "share": 0.1,
        "minimum": 50,
        "settle_seconds": 60 + 30 + 30,
        "dry_run": False,
        "client_id": "{{common_name}}",
    }
    assert json.loads(variables(found, "Sweep")[environment.SWEEP]) == {
        "share": 0.25,
        "minimum": 3,
        "settle_seconds": 5 + 30 + 30,
        "dry_run": True,
        "client_id": "{{common_name}}",
    }
    assert named(found, "AWS::Lambda::Function", "Activator")[1]["Properties"]["Timeout"] == 30
    assert variables(found, "Activator")[environment.REVOCATION_REFRESH_SECONDS] == "5"
    assert "rate(10 minutes)" in starts(found, "Publisher")


# permissions


def test_a_given_bucket_may_be_listed_and_read_below_the_prefix_only() -> None:
    """A bucket by name, or the bucket itself with permission to use its key."""
    by_name = template_of(with_ca(revocation=CrlBucket("factory/", "my-crls")))
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        key = kms.Key.from_key_arn(stack, "Key", KEY)
        bucket = s3.Bucket.from_bucket_attributes(stack, "Crls", bucket_name="my-crls", encryption_key=key)
        JitrPipeline(stack, "Jitr", cas=[replace(FACTORY_CA, revocation=CrlBucket("factory/", bucket))])
        itself = template(stack)

    for found in (by_name, itself):
        assert {each for each in granted(found, "Publisher") if "my-crls" in each[1]} == {
            ("s3:ListBucket", f"{S3}my-crls"),
            ("s3:GetObject", f"{S3}my-crls/factory/*"),
        }
        assert starts(found, "Publisher")["factory/"] == "my-crls"
    assert ("kms:Decrypt", KEY) in granted(itself, "Publisher")
    assert "kms:Decrypt" not in dict(granted(by_name, "Publisher"))


# sessions

CLIENT = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:client/"
COMMON_NAME = "${iot:Certificate.Subject.CommonName}"
OF_THE_THING = "${iot:Connection.Thing.ThingName}"


def connecting_as(name: str) -> DevicePolicy:
    statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"{CLIENT}{name}"}
    return DevicePolicy.from_document({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    ("name", "close_sessions", "clients"),
    [
        (f"line-1-{COMMON_NAME}", None, {f"{IOT}:client/line-1-*"}),
        (COMMON_NAME, True, {f"{IOT}:client/*"}),
        (COMMON_NAME, False, set()),
        (OF_THE_THING, None, set()),
    ],
    ids=["with a prefix", "any name", "not wanted", "unknown"],
)
def test_the_sweep_may_close_only_sessions_of_client_ids_in_the_policy(
    name: str, close_sessions: Any, clients: set[str]
) -> None:
    """Without closing of sessions there is no setting, alarm and output for it."""
    found = template_of(
        replace(
            with_ca(revocation=CrlBucket()),
            policy=connecting_as(name),
            revocation=RevocationSettings(close_sessions=close_sessions),
        )
    )

    client_id = json.loads(variables(found, "Sweep")[environment.SWEEP])["client_id"]
    allowed = {resource for action, resource in granted(found, "Sweep") if "DeleteConnection" in action}
    assert allowed == clients
    assert bool(client_id) == any("AlarmsSessionsNotClosed" in each for each in found["Resources"])
    assert found["Outputs"].get("SessionClientId", {}).get("Value") == client_id
    assert bool(client_id) == bool(clients)


def test_an_unknown_client_id_is_reported_or_refused_at_synthesis() -> None:
    ca = replace(FACTORY_CA, revocation=CrlBucket())
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        JitrPipeline(stack, "Jitr", cas=[ca], device_policy=connecting_as(OF_THE_THING))
        reported = [str(entry.data) for each in stack.node.find_all() for entry in each.node.metadata]
        with pytest.raises(ConfigurationError) as refused:
            JitrPipeline(
                stack,
                "Closing",
                cas=[ca],
                device_policy=connecting_as(OF_THE_THING),
                revocation=RevocationSettings(close_sessions=True),
            )

    (about_sessions,) = (each for each in reported if "left to AWS IoT" in each)
    assert "registers no things" in about_sessions
    assert "[ack: iot-jitr:sessions-left-to-aws-iot]" in about_sessions
    assert refused.value.key.endswith("revocation.close_sessions")


# outputs, warnings, configuration


def test_the_outputs_name_the_locations_of_crls(both_sources: Template) -> None:
    outputs = {name: joined(output["Value"]) for name, output in both_sources["Outputs"].items()}

    bucket = bucket_name(both_sources)
    assert outputs["RevocationBucket"] == f"${{{bucket}}}"
    assert outputs["FactoryCrlLocation"] == f"s3://${{{bucket}}}/crl/Factory/"
    assert outputs["WorkshopCrlLocation"] == "https://crl.example.com/workshop.crl"
    assert {"CrlPublisherFunction", "CrlPublisherLogGroup", "SweepFunction", "SweepLogGroup"} <= set(outputs)


def test_a_ca_with_a_crl_causes_no_warning() -> None:
    with app_without_bundling() as app:
        stack = JitrStack(app, "Jitr", SCENARIOS["revocation"])
        assert [each for each in warnings(stack) if "revocation" in each] == []


def test_a_given_bucket_may_contain_only_crls() -> None:
    assert upload_prefix(CrlBucket(prefix="", bucket="my-crls"), "Factory") == ""
