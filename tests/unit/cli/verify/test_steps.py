"""The steps against the real activator in this process."""

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.stub import Stubber

from iot_jitr_cli.connect import Step
from iot_jitr_cli.least_policy import Resources
from iot_jitr_cli.verify import events, steps
from iot_jitr_cli.verify.device import AttemptResult
from iot_jitr_cli.verify.permissions import minimal_policy
from iot_jitr_cli.verify.report import StepStatus
from iot_jitr_cli.verify.run import CheckFailedError
from iot_jitr_runtime.admission.keys import TABLE_KEY
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.publisher.publish import publish
from iot_jitr_runtime.publisher.s3 import S3Source
from iot_jitr_runtime.publisher.settings import CaSettings
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.stack_outputs import Output
from tests.support.account import Account, make_allow_list
from tests.support.aws_clients import REGION, aws_client
from tests.support.buckets import new_bucket, s3_client
from tests.support.crls import NOW, CrlSpec, make_crl
from tests.support.verified_pipeline import (
    Harness,
    certificates,
    counted,
    ledger_keys,
    refused,
)

P, F, S, U = StepStatus.PASSED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.UNKNOWN


def assert_nothing_left(harness: Harness) -> None:
    assert harness.cleanup.left_behind == []
    assert (certificates(harness.aws), ledger_keys(harness.aws), counted(harness.aws)) == ([], [], 0)
    assert harness.aws.dead_letters() == []


def test_a_sound_pipeline_passes_and_the_device_is_removed(aws: Account) -> None:
    harness = Harness(aws)

    results = harness.run()

    skipped = {"allow_list", "revoked", "session_closed", "revoked_refused", "guard_refuses"}
    assert [*results] == [*(step.id for step in steps.STEPS), "cleanup"]
    assert {id_ for id_, result in results.items() if result.status is S} == skipped
    assert {result.status for id_, result in results.items() if id_ not in skipped} == {P}, results
    assert_nothing_left(harness)


def test_a_broken_activator_is_found_and_the_device_is_removed(aws: Account) -> None:
    harness = Harness(aws)
    harness.activator_works = False

    results = harness.run()

    assert [id_ for id_, result in results.items() if result.status is F] == ["active"]
    assert "PENDING_ACTIVATION" in results["active"].detail
    assert results["malformed_event"].detail == "not tried: 'certificate is activated' did not pass"
    assert_nothing_left(harness)


@pytest.mark.parametrize(
    ("step", "point", "where"),
    [
        ("neighbour_subscribe", Step.SUBSCRIBED, "topic"),
        ("neighbour_publish", Step.PUBLISHED, "topic"),
        ("other_client_id", Step.CONNECTED, "client id"),
    ],
)
def test_a_too_broad_policy_fails_only_its_step(aws: Account, step: str, point: Step, where: str) -> None:
    harness = Harness(aws)
    harness.may = {(point, where)}

    results = harness.run("first_connect", "active", "neighbour_subscribe", "neighbour_publish", step)

    assert [id_ for id_, result in results.items() if result.status is F] == [step]
    assert "too broad" in results[step].detail
    assert_nothing_left(harness)


ADMITTED, IGNORED = refused(None), [refused("not_authorized")] * 100


@pytest.mark.parametrize(
    ("ids", "answers", "status", "text"),
    [
        (["first_connect"], [ADMITTED], F, "something else than this pipeline activates"),
        (["first_connect"], [refused("certificate_rejected")], F, "TLS handshake"),
        (["first_connect"], [refused("connection_refused")], U, ""),
        (["first_connect", "active", "reconnect"], [None, *IGNORED], F, "not authorised"),
        (["neighbour_subscribe"], [], U, ""),
    ],
    ids=["accepted at once", "refused by TLS", "not reached", "active, never admitted", "never registered"],
)
def test_an_unexpected_answer_of_the_endpoint_fails_or_leaves_it_undetermined(
    aws: Account, ids: list[str], answers: list[AttemptResult | None], status: StepStatus, text: str
) -> None:
    harness = Harness(aws)
    harness.device.answers = answers

    result = harness.run(*ids)[ids[-1]]

    assert (result.status, text in result.detail) == (status, True), result


def test_the_neighbour_steps_are_skipped_for_a_shared_topic(aws: Account) -> None:
    harness = Harness(aws)
    harness.device.topic = "fleet/state"

    assert harness.run("neighbour_subscribe")["neighbour_subscribe"].status is S


ALLOW_LIST = {Output.ALLOW_LIST_TABLE: "list", Output.ALLOW_LIST_KEY: "common_name"}


@pytest.fixture
def with_allow_list(aws: Account) -> Harness:
    make_allow_list(aws.dynamodb, "list")
    return Harness(aws, **ALLOW_LIST)


def test_the_device_is_listed_and_removed_unless_it_was_listed_before(
    aws: Account, with_allow_list: Harness
) -> None:
    harness = with_allow_list
    seen: list[int] = []
    harness.on_connect = lambda: seen.append(len(aws.dynamodb.scan(TableName="list")["Items"]))

    assert harness.run("allow_list", "first_connect")["allow_list"].status is P
    assert (seen, aws.dynamodb.scan(TableName="list")["Items"]) == ([1], [])

    aws.dynamodb.put_item(TableName="list", Item={TABLE_KEY: {"S": "jitr-verify-1"}})
    assert "already" in Harness(aws, **ALLOW_LIST).run("allow_list")["allow_list"].detail
    assert len(aws.dynamodb.scan(TableName="list")["Items"]) == 1


def test_a_pipeline_with_a_prefix_is_named_with_it(
    with_allow_list: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness, diagnosed = with_allow_list, []
    harness.report.stack = "plants:North"
    harness.session.denied |= {"delete_item"}
    harness.activator_works = False
    monkeypatch.setattr(steps, "Case", lambda _session, stack, _subject: diagnosed.append(stack))
    monkeypatch.setattr(steps, "diagnose", lambda _: SimpleNamespace(cause=None))

    harness.run("allow_list", "first_connect", "active")

    commands = [left.command for left in harness.report.left_behind if left.what == "allow list row"]
    assert commands == ["jitr allow remove 'jitr-verify-1' --stack plants:North"]
    assert diagnosed == ["plants:North"]


def test_the_printed_policy_allows_exactly_the_calls_on_the_allow_list(
    aws: Account, with_allow_list: Harness
) -> None:
    made: set[str] = set()

    def note(params: dict[str, Any], model: Any, **_: object) -> None:
        if "list" in {params.get("TableName"), *params.get("RequestItems", ())}:
            made.add(f"dynamodb:{model.name}")

    aws.dynamodb.meta.events.register("before-parameter-build.dynamodb", note)

    with_allow_list.run("allow_list")

    policy = minimal_policy(Resources(with_allow_list.deployment, "123456789012"))
    [allowed] = (each["Action"] for each in policy["Statement"] if each["Sid"] == "AllowList")
    assert made == set(allowed)


def test_a_refusal_by_the_admission_function_names_the_remedy(aws: Account) -> None:
    harness = Harness(aws)
    aws.parts["admission"] = Refusing()

    result = harness.run("first_connect", "active")["active"]

    assert result.status is F
    assert "refused_by_function" in result.detail
    assert "'jitr-verify-'" in result.detail
    assert result.seconds < harness.pipeline.timeout
    assert_nothing_left(harness)


class Refusing:
    """An admission function that refuses every device."""

    def admit(self, _device: object) -> dict[str, str]:
        raise RefusedError(Reason.REFUSED_BY_FUNCTION, "unknown")


@pytest.fixture
def active(aws: Account) -> Harness:
    """A pipeline that has activated the device."""
    harness = Harness(aws)
    harness.activate()
    return harness


def test_a_duplicate_that_changes_something_fails(active: Harness) -> None:
    active.on_work = lambda: active.set_status("INACTIVE")

    with pytest.raises(CheckFailedError, match="it changed something"):
        events.duplicate(active.verification)


def test_events_that_are_not_processed_fail(active: Harness) -> None:
    active.activator_works = False

    for step in (events.duplicate, events.forged, events.malformed):
        with pytest.raises(CheckFailedError, match="60 s"):
            step(active.verification)

    active.cleanup.run()
    (left,) = active.cleanup.left_behind
    assert (left.what, "jitr-verify-" in left.why) == ("dead-letter queue", True)


def test_the_duplicate_step_fails_without_a_ledger_row(aws: Account) -> None:
    harness = Harness(aws)

    with pytest.raises(CheckFailedError, match="is not 'activated'"):
        events.duplicate(harness.verification)


def test_a_dead_letter_with_another_reason_fails(aws: Account) -> None:
    harness = Harness(aws)
    harness.activator_works = False
    url = harness.deployment[Output.DEAD_LETTER_QUEUE_URL]

    def misplace() -> None:
        received = aws.sqs.receive_message(QueueUrl=harness.deployment[Output.ACTIVATION_QUEUE_URL])
        for message in received.get("Messages", []):
            aws.sqs.send_message(QueueUrl=url, MessageBody=message["Body"])

    harness.on_sleep = misplace

    with pytest.raises(CheckFailedError, match="expected malformed_event"):
        events.malformed(harness.verification)


@pytest.mark.parametrize(
    ("location", "signed_here", "allowed", "text"),
    [
        (None, True, True, "no CRL"),
        ("https://crl.example.com/", True, True, "only the CA can write"),
        ("s3://bucket/crl/", False, True, "the CA's key is needed"),
        ("s3://bucket/crl/", True, False, "--publish-crl"),
    ],
)
def test_without_a_writable_crl_the_revocation_steps_are_skipped(
    aws: Account, location: str | None, *, signed_here: bool, allowed: bool, text: str
) -> None:
    harness = Harness(aws, **({"FactoryCrlLocation": location} if location else {}))
    harness.verification.publish_crl = allowed
    harness.device.signer = aws.ca if signed_here else None

    results = harness.run("revoked", "revoked_refused")

    assert [result.status for result in results.values()] == [S, S, P]
    assert text in results["revoked"].detail


def test_a_device_without_the_key_of_the_allow_list_needs_the_chain_option(aws: Account) -> None:
    harness = Harness(
        aws, **{Output.ALLOW_LIST_TABLE: "list", Output.ALLOW_LIST_KEY: "subject_serial_number"}
    )

    result = harness.run("allow_list", "first_connect")["allow_list"]

    assert (result.status, "--chain" in result.detail) == (U, True)


@pytest.fixture
def with_crl(aws: Account) -> Harness:
    """A pipeline whose CA has a CRL in S3, number 7."""
    s3, source = s3_client(), "crl/Factory/"
    bucket = new_bucket(s3)
    harness = Harness(
        aws, **{"FactoryCrlLocation": f"s3://{bucket}/{source}", Output.REVOCATION_BUCKET: bucket}
    )
    s3.put_object(Bucket=bucket, Key=f"{source}ca.crl", Body=make_crl(aws.ca, CrlSpec(number=7)))
    settings = CaSettings(S3Source(s3, bucket, source))
    publish(IndexStore(s3, bucket), aws.ca_id, aws.ca.certificate, settings, NOW)
    harness.session.clients["s3"] = s3
    harness.verification.publish_crl = True
    return harness


def test_the_crl_of_the_ca_revokes_the_device_and_is_noted(with_crl: Harness) -> None:
    harness = with_crl
    steps.first_connect(harness.verification)
    harness.on_sleep = lambda: harness.set_status("REVOKED")

    results = harness.run("revoked", "revoked_refused")

    assert [result.status for result in results.values()] == [P, P, P]
    assert harness.report.notes[0].startswith("CRL number 8 of CA Factory is number 7 with one entry more")
    assert_nothing_left(harness)


@pytest.fixture
def closing(with_crl: Harness) -> Harness:
    """A pipeline that closes sessions, and a device that connects before it is revoked."""
    with_crl.deployment.outputs[Output.SESSION_CLIENT_ID] = "{{common_name}}"  # type: ignore[index]
    steps.first_connect(with_crl.verification)
    with_crl.on_sleep = lambda: with_crl.set_status("REVOKED")
    return with_crl


@pytest.mark.parametrize(
    ("ids", "stays", "status"),
    [
        (("revoked", "session_closed"), False, P),
        (("revoked", "session_closed"), True, F),
        (("revoked",), False, None),
    ],
    ids=["closed by the sweep", "stays open", "step not reached"],
)
def test_the_run_checks_and_closes_the_session_open_at_the_revocation(
    closing: Harness, ids: tuple[str, ...], *, stays: bool, status: StepStatus | None
) -> None:
    session = closing.opens
    assert session is not None
    session.stays = stays

    results = closing.run(*ids)

    assert session.closed
    assert status is None or results["session_closed"].status is status


def test_the_scheduled_closing_of_the_devices_session_is_removed_with_it(closing: Harness) -> None:
    aws = closing.aws
    aws.ledger.tasks.schedule_session_close(closing.device.certificate_id, at=0)

    closing.run("revoked", "session_closed")

    keys = [each["certificateId"]["S"] for each in aws.dynamodb.scan(TableName=aws.table)["Items"]]
    assert not [each for each in keys if closing.device.certificate_id in each]


def test_without_a_session_its_closing_is_undetermined(closing: Harness) -> None:
    closing.opens = None

    assert closing.run("revoked", "session_closed")["session_closed"].status is U


def test_a_device_that_was_not_revoked_keeps_its_session(closing: Harness) -> None:
    assert closing.run("session_closed")["session_closed"].status is S


def test_a_sweep_that_revokes_nothing_fails_and_a_note_reports_the_crl(
    with_crl: Harness,
) -> None:
    harness = with_crl
    steps.first_connect(harness.verification)

    results = harness.run("revoked", "revoked_refused")

    assert [result.status for result in results.values()] == [F, S, P]
    assert "dry_run" in results["revoked"].detail
    assert harness.report.notes


def test_a_revoked_device_that_is_still_accepted_fails(aws: Account) -> None:
    harness = Harness(aws)
    steps.first_connect(harness.verification)
    harness.set_status("REVOKED")
    harness.device.answers = [refused(None)] * 100

    result = harness.run("revoked_refused")["revoked_refused"]

    assert (result.status, "still accepted" in result.detail) == (F, True)


# the connect guard


@pytest.fixture
def with_guard(aws: Account) -> Harness:
    """A revoked device, and the log of a guard that was not invoked yet."""
    harness = Harness(aws, **{Output.CONNECT_GUARD_LOG_GROUP: "guard"})
    logs = aws_client("logs", REGION)
    logs.create_log_group(logGroupName="guard")
    logs.create_log_stream(logGroupName="guard", logStreamName="one")
    harness.session.clients["logs"] = logs
    steps.first_connect(harness.verification)
    harness.set_status("REVOKED")
    return harness


def log_refusal(harness: Harness, certificate_id: str) -> None:
    line = json.dumps({"message": "connect_refused", "principal_id": certificate_id})
    event = {"timestamp": int(time.time() * 1000), "message": line}
    logs = harness.session.clients["logs"]
    logs.put_log_events(logGroupName="guard", logStreamName="one", logEvents=[event])


def test_the_guard_step_passes_if_the_refusal_is_logged(with_guard: Harness) -> None:
    harness = with_guard
    log_refusal(harness, "ab" * 32)
    harness.on_sleep = lambda: log_refusal(harness, harness.device.certificate_id)

    result = harness.run("guard_refuses")["guard_refuses"]

    assert (result.status, "try 2" in result.detail) == (P, True)


def test_a_refusal_is_found_on_a_later_page_of_the_log(with_guard: Harness) -> None:
    logs = aws_client("logs", REGION)
    with_guard.session.clients["logs"] = logs
    line = json.dumps({"message": "connect_refused", "principal_id": with_guard.device.certificate_id})
    with Stubber(logs) as stubbed:
        stubbed.add_response("filter_log_events", {"events": [], "nextToken": "more"})
        stubbed.add_response("filter_log_events", {"events": [{"timestamp": 1, "message": line}]})

        result = with_guard.run("guard_refuses")["guard_refuses"]

    assert (result.status, "try 1" in result.detail) == (P, True), result


def test_a_guard_that_is_not_invoked_fails(with_guard: Harness) -> None:
    log_refusal(with_guard, "ab" * 32)

    result = with_guard.run("guard_refuses")["guard_refuses"]

    assert (result.status, Output.CONNECT_GUARD_CALLBACK_ARN in result.detail) == (F, True)


def test_without_a_revoked_device_the_guard_step_is_skipped(aws: Account) -> None:
    harness = Harness(aws, **{Output.CONNECT_GUARD_LOG_GROUP: "guard"})

    assert harness.run("guard_refuses")["guard_refuses"].status is S
