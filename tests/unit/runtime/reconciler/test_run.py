"""A whole run as Lambda makes it: environment in; rows, messages, log lines and metrics out."""

import importlib
import io
import json
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from iot_jitr_runtime import environment
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.follow_ups import FollowUp, FollowUps
from iot_jitr_runtime.reconciler.chores import DeletePolicies, RetireReplaced
from iot_jitr_runtime.reconciler.reconciliation import ReconciliationFailedError
from iot_jitr_runtime.things.retirement import RetirementResult
from iot_jitr_runtime.things.settings import Renewal, ThingSettings
from tests.support.account import POLICY, REGION, Account
from tests.support.faults import Fault, injected

pytestmark = pytest.mark.timing

Handle = Callable[..., None]
PER_DEVICE = {"kind": "per_device", "prefix": "jitr-", "template": {}, "needs_common_name": True}


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def module(aws: Account, monkeypatch: pytest.MonkeyPatch, log: io.StringIO) -> Any:
    for name, value in {
        environment.LEDGER_TABLE: aws.table,
        environment.ACTIVATION_QUEUE_URL: aws.queue_url,
        environment.CAS: json.dumps({aws.ca_id: {"revocation": "none"}}),
        environment.DEVICE_POLICY: json.dumps({"kind": "shared", "name": POLICY, "needs_common_name": True}),
        environment.ACTIVATIONS_PER_SECOND: "1000",
        environment.PENDING_AFTER_SECONDS: "0",
        environment.FULL_LISTING_SECONDS: "604800",
        "POWERTOOLS_SERVICE_NAME": f"reconciler-{uuid.uuid4()}",
        "POWERTOOLS_METRICS_NAMESPACE": "IotJitr",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    loaded = importlib.reload(importlib.import_module("iot_jitr_runtime.reconciler.handler"))
    loaded.logger.handlers[0].setStream(log)
    return loaded


def context(seconds: int = 900) -> SimpleNamespace:
    return SimpleNamespace(
        function_name="reconciler",
        memory_limit_in_mb=256,
        invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:reconciler",
        aws_request_id="request-1",
        get_remaining_time_in_millis=lambda: seconds * 1000,
    )


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def queued(aws: Account) -> list[str]:
    received = aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"])["certificateId"] for message in received.get("Messages", [])]


def test_a_run_queues_what_nobody_decided_and_enters_what_nobody_knew(
    aws: Account, module: Any, log: io.StringIO
) -> None:
    lost, foreign = aws.pending(), aws.pending()
    aws.iot.update_certificate(certificateId=foreign, newStatus="ACTIVE")

    module.handle({}, context())

    row = aws.ledger.row(foreign)
    assert row is not None
    assert row.serial_number is not None
    assert set(queued(aws)) == {lost}
    newest, full = lines(log.getvalue())
    assert (newest["pass"], newest["requeued"], newest["entered"]) == ("newest", 1, {"known": 1})
    assert (full["pass"], full["ended"], full["ca_certificate_id"]) == ("full", True, aws.ca_id)


def test_a_run_measures_how_long_devices_wait_and_cas_last(
    aws: Account, module: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.pending()

    module.handle({}, context())

    metrics = lines(capsys.readouterr().out)
    [expiry] = [line for line in metrics if "CaDaysToExpiry" in line]
    [own] = [line for line in metrics if "PendingAge" in line]
    assert expiry["ca"] == aws.ca_id
    assert 3640 < expiry["CaDaysToExpiry"][0] < 3660
    assert own["PendingAge"][0] >= 0
    assert sum(own["Requeued"]) == 2


def test_trouble_with_one_part_does_not_keep_the_others_from_theirs(
    aws: Account, module: Any, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = aws.pending()
    passes = module._reconciliation("arn:aws:iot:eu-central-1:123456789012:cert/").passes

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no newest today")

    monkeypatch.setattr(type(passes), "newest", fail)

    with pytest.raises(ReconciliationFailedError, match=f"newest certificates of CA {aws.ca_id}"):
        module.handle({}, context())

    assert queued(aws) == [lost]
    assert any(line["detail"] == "no newest today" for line in lines(log.getvalue()) if "detail" in line)


def test_without_time_nothing_is_begun_and_nothing_fails(aws: Account, module: Any) -> None:
    aws.pending()

    module.handle({}, context(seconds=10))

    assert queued(aws) == []


def test_an_environment_of_another_version_fails_at_once(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(environment.PENDING_AFTER_SECONDS)

    with pytest.raises(KeyError, match=environment.PENDING_AFTER_SECONDS):
        module.handle({}, context())


def test_renewals_and_own_policies_are_looked_after_where_there_are_such(
    aws: Account, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    del aws
    things = ThingSettings(renewal=Renewal.ALLOW).to_json()
    monkeypatch.setenv(environment.THINGS, json.dumps({"thing": things, "claim_seconds": 35}))
    monkeypatch.setenv(environment.DEVICE_POLICY, json.dumps(PER_DEVICE))

    chores = module._reconciliation("arn:aws:iot:eu-central-1:123456789012:cert/").chores

    assert isinstance(chores["retirement"], RetireReplaced)
    assert isinstance(chores["policies"], DeletePolicies)
    assert chores["policies"].arn_prefix == "arn:aws:iot:eu-central-1:123456789012:cert/"
    module.handle({}, context())


def test_where_things_are_not_renewed_nothing_is_retired(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        environment.THINGS, json.dumps({"thing": ThingSettings().to_json(), "claim_seconds": 35})
    )

    assert module._reconciliation("arn:aws:iot:eu-central-1:123456789012:cert/").chores == {}


def test_what_is_retired_is_counted() -> None:
    class Retirement:
        def retire_due(self, limit: int, *, until: object) -> dict[CertificateId, RetirementResult]:
            del until
            assert 1 <= limit <= 100
            return {
                CertificateId("a"): RetirementResult.RETIRED,
                CertificateId("b"): RetirementResult.POSTPONED,
                CertificateId("c"): RetirementResult.RETIRED,
            }

    assert RetireReplaced(Retirement()).do(until=datetime.max.replace(tzinfo=UTC)) == Counter(
        retired=2, postponed=1
    )  # type: ignore[arg-type]


def policy_to_delete(aws: Account) -> tuple[str, str, DeletePolicies]:
    certificate_id = aws.pending()
    name = f"jitr-{certificate_id}"
    arn = aws.iot.describe_certificate(certificateId=certificate_id)["certificateDescription"][
        "certificateArn"
    ]
    aws.iot.create_policy(policyName=name, policyDocument='{"Version": "2012-10-17", "Statement": []}')
    aws.iot.attach_policy(policyName=name, target=arn)
    follow_ups = FollowUps(aws.dynamodb, aws.table)
    follow_ups.delete_policy(certificate_id, policy_name=name, at=aws.clock.milliseconds)
    chore = DeletePolicies(
        aws.iot,
        follow_ups,
        aws.rate_limiter(),
        arn.removesuffix(certificate_id),
        aws.clock,
    )
    return certificate_id, name, chore


def policies(aws: Account) -> set[str]:
    return {policy["policyName"] for policy in aws.iot.list_policies()["policies"]}


def test_the_policy_of_a_revoked_certificate_is_deleted_in_the_end(aws: Account) -> None:
    _, name, chore = policy_to_delete(aws)

    done = chore.do(until=aws.clock() + timedelta(minutes=5))

    assert (done, name in policies(aws), chore.do(until=aws.clock() + timedelta(minutes=5))) == (
        Counter(policy_deleted=1),
        False,
        Counter(),
    )


def test_a_policy_that_aws_still_sees_attached_is_tried_again_later(aws: Account) -> None:
    _, name, chore = policy_to_delete(aws)
    conflict = aws.iot.exceptions.DeleteConflictException(
        {"Error": {"Code": "DeleteConflictException", "Message": "still attached"}}, "DeletePolicy"
    )

    def refuse(**_: object) -> None:
        raise conflict

    aws.iot.meta.events.register_first("before-call.iot.DeletePolicy", refuse)
    assert chore.do(until=aws.clock() + timedelta(minutes=5)) == Counter(policy_postponed=1)
    aws.iot.meta.events.unregister("before-call.iot.DeletePolicy", refuse)
    assert chore.do(until=aws.clock() + timedelta(minutes=5)) == Counter()

    aws.clock.pass_time(hours=1)
    assert chore.do(until=aws.clock() + timedelta(minutes=5)) == Counter(policy_deleted=1)
    assert name not in policies(aws)


def test_a_policy_task_without_a_policy_is_dropped(aws: Account) -> None:
    certificate_id, _, chore = policy_to_delete(aws)
    aws.dynamodb.update_item(
        TableName=aws.table,
        Key={"certificateId": {"S": certificate_id}},
        UpdateExpression="REMOVE policyName",
    )

    chore.do(until=aws.clock() + timedelta(minutes=5))

    now = aws.clock.milliseconds + int(timedelta(days=1).total_seconds() * 1000)
    assert FollowUps(aws.dynamodb, aws.table).due(FollowUp.DELETE_POLICY, now=now, limit=10) == []


def test_another_error_of_the_policy_api_flies(aws: Account) -> None:
    _, _, chore = policy_to_delete(aws)

    with injected(aws.iot, "DetachPolicy", Fault.THROTTLE), pytest.raises(ClientError):
        chore.do(until=aws.clock() + timedelta(minutes=5))
