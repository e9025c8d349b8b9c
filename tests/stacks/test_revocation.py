"""Revocation as it is deployed: fed, started, allowed and watched as the functions need it, and not more."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
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
    CrlUrl,
    DevicePolicy,
    JitrPipeline,
    JitrStack,
    NoRevocation,
    RevocationSettings,
)
from iot_jitr.configuration import JitrConfiguration, upload_prefix
from iot_jitr_runtime import environment
from iot_jitr_runtime.publisher import Trigger
from tests.stacks.test_local_cloud import comparable, expected_from
from tests.stacks.test_permissions import granted
from tests.support.ca_certificates import FACTORY
from tests.support.scenarios import KEY, SCENARIOS, WORKSHOP_CA
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
S3 = "arn:${AWS::Partition}:s3:::"
IOT = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}"


@pytest.fixture(scope="module")
def uploading() -> Template:
    """One CA whose CRLs are uploaded; shared policy."""
    return template_of(with_ca(revocation=CrlBucket()))


@pytest.fixture(scope="module")
def everything() -> Template:
    return template_of(SCENARIOS["revocation"])


def bucket_name(found: Template) -> str:
    return named(found, "AWS::S3::Bucket", "Revocation")[0]


def variables(found: Template, part: str) -> dict[str, Any]:
    _, function = named(found, "AWS::Lambda::Function", part)
    return {name: joined(value) for name, value in function["Properties"]["Environment"]["Variables"].items()}


def rules(found: Template, part: str) -> list[dict[str, Any]]:
    function, _ = named(found, "AWS::Lambda::Function", part)
    return [
        rule["Properties"]
        for rule in of_type(found, "AWS::Events::Rule").values()
        if f'"{function}"' in json.dumps(rule["Properties"]["Targets"])
    ]


def test_without_a_crl_nothing_of_it_is_deployed(template: Template) -> None:
    assert of_type(template, "AWS::S3::Bucket") == {}
    assert not [name for name in template["Resources"] if "Revocation" in name]
    assert environment.REVOCATION_BUCKET not in variables(template, "Activator")


def test_the_bucket_is_private_encrypted_versioned_and_outlives_the_stack(uploading: Template) -> None:
    bucket = named(uploading, "AWS::S3::Bucket", "Revocation")[1]
    properties = bucket["Properties"]

    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    [encryption] = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("Retain", "Retain")
    [rule] = properties["LifecycleConfiguration"]["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}


def test_its_events_go_to_eventbridge_without_a_hidden_function(uploading: Template) -> None:
    bucket = named(uploading, "AWS::S3::Bucket", "Revocation")[1]["Properties"]

    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert not [name for name in of_type(uploading, "AWS::Lambda::Function") if "Notification" in name]


def test_its_events_still_go_there_when_an_object_is_notified_of_elsewhere_too() -> None:
    with app_without_bundling() as app:
        stack = JitrStack(app, "Jitr", with_ca(revocation=CrlBucket()))
        assert stack.pipeline.revocation is not None
        bucket = stack.pipeline.revocation.bucket.bucket
        bucket.add_event_notification(
            s3.EventType.OBJECT_CREATED, notifications.SqsDestination(sqs.Queue(stack, "Auditors"))
        )
        made = template(stack)

    # This replaces all that the bucket was told at its creation.
    told = only(made, "Custom::S3BucketNotifications")["Properties"]["NotificationConfiguration"]
    assert told["EventBridgeConfiguration"] == {}
    assert len(told["QueueConfigurations"]) == 1
    own = named(made, "AWS::S3::Bucket", "Revocation")[1]["Properties"]["NotificationConfiguration"]
    assert own == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


def test_only_tls_reaches_the_bucket(uploading: Template) -> None:
    policy = named(uploading, "AWS::S3::BucketPolicy", "Revocation")[1]

    [statement] = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_publisher_is_started_by_schedules_and_uploads(uploading: Template) -> None:
    schedules = {rule.get("ScheduleExpression"): rule for rule in rules(uploading, "Publisher")}

    assert set(schedules) == {"rate(1 hour)", "rate(5 minutes)", None}
    triggers = {
        every: json.loads(rule["Targets"][0]["Input"])["trigger"]
        for every, rule in schedules.items()
        if every
    }
    assert triggers == {"rate(1 hour)": Trigger.SCHEDULE, "rate(5 minutes)": Trigger.WATCH}
    pattern = schedules[None]["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert pattern["detail"]["bucket"]["name"] == [{"Ref": bucket_name(uploading)}]
    assert pattern["detail"]["object"]["key"] == [{"prefix": "crl/Factory/"}]


def test_the_sweep_is_started_by_a_new_index_and_every_minute(uploading: Template) -> None:
    [on_index] = [rule for rule in rules(uploading, "Sweep") if "EventPattern" in rule]
    [schedule] = [rule for rule in rules(uploading, "Sweep") if "ScheduleExpression" in rule]

    assert on_index["EventPattern"]["detail"]["object"]["key"] == [{"prefix": "index/"}]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"


def test_no_rule_starts_itself(everything: Template) -> None:
    """The publisher writes below index/, and is started by nothing that is written there."""
    prefixes = [
        key["prefix"]
        for rule in rules(everything, "Publisher")
        for key in rule.get("EventPattern", {}).get("detail", {}).get("object", {}).get("key", [])
    ]

    assert prefixes == ["crl/Factory/"]


def test_activator_and_reconciler_are_told_where_the_indexes_are(uploading: Template) -> None:
    for part in ("Activator", "Reconciler"):
        told = variables(uploading, part)
        assert told[environment.REVOCATION_BUCKET] == f"${{{bucket_name(uploading)}}}"
        assert told[environment.REVOCATION_REFRESH_SECONDS] == "60"
        assert '"revocation":"crl"' in told[environment.CAS]


def test_the_publisher_is_told_the_sources(everything: Template) -> None:
    told = variables(everything, "Publisher")[environment.CRL_SOURCES]

    assert f'{{"bucket":"${{{bucket_name(everything)}}}","prefix":"crl/Factory/","max_age_hours":48}}' in told
    assert '{"url":"https://crl.example.com/workshop.crl"}' in told


def test_a_ca_without_crl_beside_one_with_is_neither_published_nor_swept() -> None:
    found = template_of(replace(DEFAULTS, cas=(replace(FACTORY_CA, revocation=CrlBucket()), WORKSHOP_CA)))

    assert "Workshop" not in variables(found, "Publisher")[environment.CRL_SOURCES]
    assert "none" not in variables(found, "Sweep")[environment.CAS]
    assert '"revocation":"none"' in variables(found, "Activator")[environment.CAS]


def test_the_sweep_waits_for_every_activator_that_may_hold_the_former_index(uploading: Template) -> None:
    _, activator = named(uploading, "AWS::Lambda::Function", "Activator")
    told = json.loads(variables(uploading, "Sweep")[environment.SWEEP])

    refresh = int(variables(uploading, "Activator")[environment.REVOCATION_REFRESH_SECONDS])
    assert told["settle_seconds"] > refresh + activator["Properties"]["Timeout"]
    assert (told["share"], told["minimum"], told["dry_run"]) == (0.1, 50, False)


def test_settings_reach_the_functions() -> None:
    settings = RevocationSettings(
        timedelta(minutes=10),
        timedelta(seconds=5),
        mass_revocation_limit_percent=25,
        mass_revocation_limit_minimum=3,
        dry_run=True,
    )
    found = template_of(replace(with_ca(revocation=CrlBucket()), revocation=settings))

    told = json.loads(variables(found, "Sweep")[environment.SWEEP])
    assert told == {
        "share": 0.25,
        "minimum": 3,
        "settle_seconds": 65,
        "dry_run": True,
        "client_id": "{{common_name}}",
    }
    assert variables(found, "Activator")[environment.REVOCATION_REFRESH_SECONDS] == "5"
    assert "rate(10 minutes)" in {rule.get("ScheduleExpression") for rule in rules(found, "Publisher")}


def test_the_publisher_may_do_exactly_this(uploading: Template) -> None:
    bucket = bucket_name(uploading)
    log_group, _ = named(uploading, "AWS::Logs::LogGroup", "Publisher")
    ca, _ = named(uploading, "Custom::JitrCaCertificate", "Factory")

    assert granted(uploading, "Publisher") == {
        *((f"logs:{action}", f"${{{log_group}.Arn}}") for action in ("CreateLogStream", "PutLogEvents")),
        ("s3:ListBucket", f"${{{bucket}.Arn}}"),
        ("s3:GetObject", f"${{{bucket}.Arn}}/index/*"),
        ("s3:PutObject", f"${{{bucket}.Arn}}/index/*"),
        ("s3:GetObject", f"${{{bucket}.Arn}}/crl/Factory/*"),
        ("iot:DescribeCACertificate", f"${{{ca}.CaCertificateArn}}"),
    }


def test_the_sweep_may_do_exactly_this(uploading: Template) -> None:
    bucket = bucket_name(uploading)
    log_group, _ = named(uploading, "AWS::Logs::LogGroup", "Sweep")
    table, _ = named(uploading, "AWS::DynamoDB::Table", "Ledger")
    ca, _ = named(uploading, "Custom::JitrCaCertificate", "Factory")

    assert granted(uploading, "Sweep") == {
        *((f"logs:{action}", f"${{{log_group}.Arn}}") for action in ("CreateLogStream", "PutLogEvents")),
        ("s3:ListBucket", f"${{{bucket}.Arn}}"),
        ("s3:GetObject", f"${{{bucket}.Arn}}/index/*"),
        ("s3:GetObjectVersion", f"${{{bucket}.Arn}}/index/*"),
        *(
            (f"dynamodb:{action}", f"${{{table}.Arn}}")
            for action in ("BatchGetItem", "DescribeTable", "GetItem", "PutItem", "Scan", "UpdateItem")
        ),
        *(
            ("dynamodb:Query", f"${{{table}.Arn}}/index/{name}")
            for name in ("ca-serial", "suspended", "tasks")
        ),
        *(
            (f"iot:{action}", f"{IOT}:cert/*")
            for action in ("AttachPolicy", "DescribeCertificate", "UpdateCertificate")
        ),
        ("iot:DescribeCACertificate", f"${{{ca}.CaCertificateArn}}"),
        ("iot:DeleteConnection", f"{IOT}:client/*"),
    }


CLIENT = "arn:${AWS::Partition}:iot:${AWS::Region}:${AWS::AccountId}:client/"


def connecting_as(name: str) -> DevicePolicy:
    statement = {"Effect": "Allow", "Action": "iot:Connect", "Resource": f"{CLIENT}{name}"}
    return DevicePolicy.from_document({"Version": "2012-10-17", "Statement": [statement]})


def closing(policy: DevicePolicy, **settings: Any) -> Template:
    revocation = RevocationSettings(**settings) if settings else None
    return template_of(replace(with_ca(revocation=CrlBucket()), policy=policy, revocation=revocation))


def closes(found: Template) -> set[str]:
    """The clients whose sessions the sweep may end; none: all parts of it are left out."""
    clients = {resource for action, resource in granted(found, "Sweep") if action == "iot:DeleteConnection"}
    template = json.loads(variables(found, "Sweep")[environment.SWEEP])["client_id"]
    alarms = [each for each in found["Resources"] if "AlarmsSessionsNotClosed" in each]
    outputs = {name: each["Value"] for name, each in found["Outputs"].items() if name == "SessionClientId"}
    assert outputs == ({"SessionClientId": template} if clients else {})
    assert bool(clients) == bool(template) == bool(alarms)
    return clients


def test_the_sweep_may_end_sessions_of_the_clients_that_the_policy_allows_and_no_others() -> None:
    name = "${iot:Certificate.Subject.CommonName}"

    assert closes(closing(connecting_as(f"line-1-{name}"))) == {f"{IOT}:client/line-1-*"}
    assert closes(closing(connecting_as(name), close_sessions=True)) == {f"{IOT}:client/*"}
    assert closes(closing(connecting_as(name), close_sessions=False)) == set()


def test_no_other_function_may_end_a_session(uploading: Template) -> None:
    for part in ("Activator", "Reconciler", "Publisher"):
        assert "iot:DeleteConnection" not in {action for action, _ in granted(uploading, part)}


def test_where_the_client_id_is_not_known_no_session_is_closed_and_the_synthesis_says_so() -> None:
    thing = connecting_as("${iot:Connection.Thing.ThingName}")

    assert closes(closing(thing)) == set()
    with pytest.raises(ConfigurationError) as refused:
        closing(thing, close_sessions=True)
    assert refused.value.key.endswith("revocation.close_sessions")
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        JitrPipeline(stack, "Jitr", cas=[replace(FACTORY_CA, revocation=CrlBucket())], device_policy=thing)
        told = [
            str(each.data)
            for each in stack.node.find_all()
            for each in each.node.metadata
            if "left to AWS IoT" in str(each.data)
        ]
    assert len(told) == 1
    assert "registers no things" in told[0]


def test_the_activator_may_read_indexes_and_nothing_else_of_the_bucket(uploading: Template) -> None:
    bucket = bucket_name(uploading)

    assert {each for each in granted(uploading, "Activator") if each[0].startswith("s3:")} == {
        ("s3:ListBucket", f"${{{bucket}.Arn}}"),
        ("s3:GetObject", f"${{{bucket}.Arn}}/index/*"),
    }


def test_the_reconciler_may_not_revoke_because_only_the_sweep_has_the_mass_revocation_limit(
    uploading: Template,
) -> None:
    assert ("iot:UpdateCertificate", f"{IOT}:cert/*") not in granted(uploading, "Reconciler")


def test_who_revokes_may_take_the_devices_own_policy_away(everything: Template) -> None:
    for part in ("Sweep", "Reconciler"):
        actions = {action for action, _ in granted(everything, part)}
        assert {"iot:DetachPolicy", "iot:DeletePolicy"} <= actions


def test_a_foreign_bucket_may_be_listed_and_read_below_the_prefix_only() -> None:
    found = template_of(with_ca(revocation=CrlBucket(prefix="factory/", bucket="my-crls")))

    allowed = granted(found, "Publisher")
    assert ("s3:ListBucket", f"{S3}my-crls") in allowed
    assert ("s3:GetObject", f"{S3}my-crls/factory/*") in allowed
    [upload] = [rule for rule in rules(found, "Publisher") if "EventPattern" in rule]
    assert upload["EventPattern"]["detail"]["bucket"]["name"] == ["my-crls"]


def test_the_outputs_say_where_to_upload(everything: Template) -> None:
    outputs = {name: joined(output["Value"]) for name, output in everything["Outputs"].items()}

    bucket = bucket_name(everything)
    assert outputs["RevocationBucket"] == f"${{{bucket}}}"
    assert outputs["FactoryCrlLocation"] == f"s3://${{{bucket}}}/crl/Factory/"
    assert outputs["WorkshopCrlLocation"] == "https://crl.example.com/workshop.crl"
    assert {"CrlPublisherFunction", "CrlPublisherLogGroup", "SweepFunction", "SweepLogGroup"} <= set(outputs)


def test_alarms_watch_the_crls_and_the_functions(everything: Template) -> None:
    alarms = of_type(everything, "AWS::CloudWatch::Alarm")

    watched = {
        (metric["Properties"].get("MetricName"), joined(dimension["Value"]))
        for metric in alarms.values()
        for dimension in metric["Properties"].get("Dimensions", [])
        if dimension["Name"] == "ca"
    }
    assert {name for name, _ in watched} >= {"CrlTimeLeft", "CrlUnusable", "RevocationLimitTripped"}
    assert len({ca for name, ca in watched if name == "CrlUnusable"}) == 2
    assert [name for name in alarms if "Publisher" in name]
    assert [name for name in alarms if "Sweep" in name]


def test_the_local_cloud_gets_the_same_but_what_it_does_not_understand(everything: Template) -> None:
    local = local_template_of(SCENARIOS["revocation"])

    assert comparable(local) == expected_from(everything)


def test_a_ca_with_a_crl_is_not_warned_of(everything: Template) -> None:
    del everything
    from tests.support.stacks import app_without_bundling, warnings

    with app_without_bundling() as app:
        from iot_jitr import JitrStack

        stack = JitrStack(app, "Jitr", SCENARIOS["revocation"])
        assert [each for each in warnings(stack) if "revocation" in each] == []


# configuration


def parsed(folder: Path, of_ca: Any, **root: Any) -> JitrConfiguration:
    (folder / "ca.pem").write_text(FACTORY)
    ca = {
        "name": "Factory",
        "certificate": "ca.pem",
        "signer": {"type": "secret", "secret": "key"},
        "revocation": of_ca,
    }
    return JitrConfiguration.parse({"cas": [ca], **root}, folder)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("none", NoRevocation()),
        ({"type": "none"}, NoRevocation()),
        ({"type": "url", "url": "http://crl.example/ca.crl"}, CrlUrl("http://crl.example/ca.crl")),
        (
            {"type": "url", "url": "https://crl.example:8443/ca.crl?x=1", "max_age": "24 hours"},
            CrlUrl("https://crl.example:8443/ca.crl?x=1", timedelta(days=1)),
        ),
        ({"type": "bucket"}, CrlBucket()),
        ({"type": "bucket", "prefix": "mine/"}, CrlBucket("mine/")),
        ({"type": "bucket", "bucket": "my-crls", "prefix": "x"}, CrlBucket("x", "my-crls")),
        (
            {"type": "bucket", "bucket": "my-crls", "prefix": "x", "encryption_key": KEY},
            CrlBucket("x", "my-crls", encryption_key=KEY),
        ),
    ],
)
def test_where_crls_come_from_is_read(tmp_path: Path, written: Any, read: Any) -> None:
    assert parsed(tmp_path, written).cas[0].revocation == read


URL = {"type": "url", "url": "https://x/y"}
BUCKET = {"type": "bucket"}


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("crl", "revocation"),
        (None, "revocation"),
        ({}, "revocation.type"),
        ({"type": "uri"}, "revocation.type"),
        ({"type": ["url"]}, "revocation.type"),
        ({"type": "none", "url": "https://x/y"}, "revocation.url"),
        ({"type": "url"}, "revocation.url"),
        ({"type": "url", "url": "ftp://x/y"}, "revocation.url"),
        ({"type": "url", "url": "https://user:secret@x/y"}, "revocation.url"),
        ({"type": "url", "url": 5}, "revocation.url"),
        ({**URL, "max_age": "0 hours"}, "revocation.max_age"),
        ({**URL, "max_age_hours": 5}, "revocation.max_age_hours"),
        ({**BUCKET, "prefix": "index/mine/"}, "revocation.prefix"),
        ({**BUCKET, "prefix": "ind"}, "revocation.prefix"),
        ({**BUCKET, "bucket": "my-crls"}, "revocation.prefix"),
        ({**BUCKET, "bucket": "NOT A BUCKET", "prefix": "x"}, "revocation.bucket"),
        ({**BUCKET, "encryption_key": KEY}, "revocation.encryption_key"),
        (
            {**BUCKET, "bucket": "my-crls", "prefix": "x", "encryption_key": "alias/x"},
            "revocation.encryption_key",
        ),
        ({**BUCKET, "key": "x"}, "revocation.key"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, written: Any, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parsed(tmp_path, written)
    assert caught.value.key == f"jitr.cas[0].{key}"
    assert "\n" not in str(caught.value)


def test_how_crls_are_acted_on_is_read(tmp_path: Path) -> None:
    written = {
        "every": "5 minutes",
        "refresh": "1 second",
        "mass_revocation_limit_percent": 100,
        "mass_revocation_limit_minimum": 1,
        "dry_run": True,
    }

    settings = parsed(tmp_path, "none", revocation=written).revocation

    expected = RevocationSettings(timedelta(minutes=5), timedelta(seconds=1), 100, 1, dry_run=True)
    assert settings == expected
    assert parsed(tmp_path, "none").revocation is None


@pytest.mark.parametrize(
    "arguments",
    [
        {"every": timedelta(minutes=4)},
        {"every": timedelta(days=2)},
        {"refresh": timedelta(0)},
        {"refresh": timedelta(seconds=61)},
        {"mass_revocation_limit_percent": 0},
        {"mass_revocation_limit_percent": 101},
        {"mass_revocation_limit_minimum": 0},
    ],
)
def test_settings_out_of_range_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(arguments))):
        RevocationSettings(**arguments)


def test_a_prefix_that_would_feed_the_indexes_back_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        CrlBucket(prefix="")
    assert upload_prefix(CrlBucket(prefix="", bucket="my-crls"), "Factory") == ""


def test_a_bucket_may_be_given_as_it_is_with_its_key() -> None:
    with app_without_bundling() as app:
        stack = cdk.Stack(app, "Fleet")
        key = kms.Key.from_key_arn(stack, "Key", KEY)
        bucket = s3.Bucket.from_bucket_attributes(stack, "Crls", bucket_name="my-crls", encryption_key=key)
        JitrPipeline(stack, "Jitr", cas=[replace(FACTORY_CA, revocation=CrlBucket("factory/", bucket))])
        allowed = granted(template(stack), "Publisher")

    assert ("s3:GetObject", f"{S3}my-crls/factory/*") in allowed
    assert ("kms:Decrypt", KEY) in allowed
