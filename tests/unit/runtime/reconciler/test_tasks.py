"""Scheduled tasks: what is done when they are due, and what one that fails costs."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.ledger.tasks import DueTask, FailingTask, ScheduledTasks, Task, TaskResult
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.reconciler.run import Report
from iot_jitr_runtime.reconciler.tasks import PERSISTENT, PolicyDeletion, TaskRunner
from tests.support.account import Account
from tests.support.faults import Fault, injected

Action = Callable[[DueTask, datetime], TaskResult]


def certificate(number: int) -> CertificateId:
    return CertificateId(f"{number:064x}")


def tasks(aws: Account) -> ScheduledTasks:
    return ScheduledTasks(aws.dynamodb, aws.table)


def schedule(aws: Account, count: int) -> None:
    for number in range(count):
        at = aws.clock.milliseconds - count + number
        tasks(aws).schedule_policy_deletion(certificate(number), policy_name="p", at=at)


def run(
    aws: Account, action: Action, failed: list[Any] | None = None, minutes: float = 5
) -> Counter[TaskResult]:
    failed = [] if failed is None else failed
    runner = TaskRunner(
        tasks(aws), {Task.DELETE_POLICY: action}, lambda *failure: failed.append(failure), aws.clock
    )
    return runner.run(Task.DELETE_POLICY, Deadline(aws.clock() + timedelta(minutes=minutes), aws.clock))


def end(aws: Account, due: DueTask) -> TaskResult:
    tasks(aws).remove(due.task, due.certificate_id)
    return TaskResult.DONE


def test_the_longest_overdue_task_is_done_first_and_only_once(aws: Account) -> None:
    schedule(aws, 3)
    order: list[CertificateId] = []

    def act(due: DueTask, _: datetime) -> TaskResult:
        order.append(due.certificate_id)
        return end(aws, due)

    assert run(aws, act) == {TaskResult.DONE: 3}
    assert run(aws, act) == {}
    assert order == [certificate(0), certificate(1), certificate(2)]


def test_a_task_that_the_index_still_lists_though_it_is_done_is_skipped(aws: Account) -> None:
    def lag(parsed: dict[str, object], **_: object) -> None:
        parsed["Items"] = [{"certificateId": {"S": certificate(0)}}]

    aws.dynamodb.meta.events.register("after-call.dynamodb.Query", lag)

    assert run(aws, lambda due, _: end(aws, due)) == {}


def test_a_task_that_always_fails_costs_itself_only_and_comes_back_later_and_later(aws: Account) -> None:
    schedule(aws, 3)
    failed: list[Any] = []
    done: list[CertificateId] = []

    def act(due: DueTask, _: datetime) -> TaskResult:
        if due.certificate_id == certificate(0):
            raise ValueError("poison")
        done.append(due.certificate_id)
        return end(aws, due)

    assert run(aws, act, failed) == {TaskResult.FAILED: 1, TaskResult.DONE: 2}
    assert done == [certificate(1), certificate(2)]
    assert run(aws, act, failed) == {}, "it is not due yet"
    for _ in range(12):
        aws.clock.pass_time(days=1)
        assert run(aws, act, failed) == {TaskResult.FAILED: 1}

    delays = [retry_at - aws.clock() for _, _, retry_at in failed[-1:]]
    first = failed[1][2] - (failed[0][2] - timedelta(minutes=5)) - timedelta(days=1)
    assert first == timedelta(minutes=10)
    assert delays == [timedelta(days=1)]
    [failing] = tasks(aws).failing(certificate(0))
    assert (failing.task, failing.failures, failing.error) == (Task.DELETE_POLICY, 13, "ValueError: poison")
    assert failing.retry_at == milliseconds(failed[-1][2])
    assert [*tasks(aws).failing(certificate(1))] == []


def test_a_session_that_cannot_be_closed_is_a_failing_task_of_its_certificate(aws: Account) -> None:
    tasks(aws).schedule_session_close(certificate(0), at=aws.clock.milliseconds)
    tasks(aws).record_failure(Task.CLOSE_SESSION, certificate(0), "no", retry_at=7)

    assert [*tasks(aws).failing(certificate(0))] == [FailingTask(Task.CLOSE_SESSION, 1, "no", 7)]


def test_a_task_that_succeeds_after_failures_leaves_no_trace_of_them(aws: Account) -> None:
    schedule(aws, 1)

    def fail(_due: DueTask, _: datetime) -> TaskResult:
        raise ValueError("poison")

    def postpone(due: DueTask, _: datetime) -> TaskResult:
        assert due.failures == 1
        tasks(aws).postpone(due.task, due.certificate_id, at=aws.clock.milliseconds + 1000)
        return TaskResult.POSTPONED

    run(aws, fail)
    aws.clock.pass_time(minutes=5)
    assert run(aws, postpone) == {TaskResult.POSTPONED: 1}

    assert [*tasks(aws).failing(certificate(0))] == []


def test_a_hundred_retirements_do_not_exceed_the_deadline_and_the_next_run_continues(aws: Account) -> None:
    schedule(aws, 100)
    begun = aws.clock()

    def slow(due: DueTask, _: datetime) -> TaskResult:
        aws.clock.pass_time(seconds=4)
        return end(aws, due)

    assert run(aws, slow, minutes=1) == {TaskResult.DONE: 15}
    assert aws.clock() - begun == timedelta(minutes=1)
    assert run(aws, slow, minutes=60) == {TaskResult.DONE: 85}


def test_without_a_slot_in_time_the_tasks_wait_for_the_next_run(aws: Account) -> None:
    _, name, delete = policy_to_delete(aws, rate=10)
    aws.rate_limiter(10).reserve(10_000)
    aws.rate_limiter(10).wait_for_background_slot(until=aws.clock() + timedelta(minutes=1))

    assert run(aws, delete, minutes=0.05) == {}
    assert run(aws, delete) == {TaskResult.DONE: 1}
    assert name not in policies(aws)


def test_failures_are_counted_logged_and_an_error_of_the_run_once_they_persist() -> None:
    metrics = EphemeralMetrics(namespace="n", service="s")
    report = Report(Logger("tasks"), metrics)
    now = datetime.now().astimezone()

    report.task_failed(DueTask(Task.RETIRE, certificate(1), failures=PERSISTENT - 2), ValueError("no"), now)
    assert report.failed == []
    report.task_failed(DueTask(Task.RETIRE, certificate(1), failures=PERSISTENT - 1), ValueError("no"), now)
    report.tasks_done(Task.RETIRE, Counter({TaskResult.FAILED: 2}))

    assert report.failed == [f"task retire of certificate {certificate(1)}"]
    assert metrics.metric_set[Metric.TASKS_FAILED]["Value"] == [2]


def policy_to_delete(aws: Account, rate: float = 1e6) -> tuple[str, str, Action]:
    certificate_id = aws.pending()
    name = f"jitr-{certificate_id}"
    arn = aws.iot.describe_certificate(certificateId=certificate_id)["certificateDescription"][
        "certificateArn"
    ]
    aws.iot.create_policy(policyName=name, policyDocument='{"Version": "2012-10-17", "Statement": []}')
    aws.iot.attach_policy(policyName=name, target=arn)
    tasks(aws).schedule_policy_deletion(certificate_id, policy_name=name, at=aws.clock.milliseconds)
    prefix = arn.removesuffix(certificate_id)
    deletion = PolicyDeletion(aws.iot, tasks(aws), aws.rate_limiter(rate), prefix, aws.clock)
    return certificate_id, name, deletion.delete


def policies(aws: Account) -> set[str]:
    return {policy["policyName"] for policy in aws.iot.list_policies()["policies"]}


def test_the_policy_of_a_revoked_certificate_is_deleted_in_the_end(aws: Account) -> None:
    _, name, delete = policy_to_delete(aws)

    assert run(aws, delete) == {TaskResult.DONE: 1}
    assert name not in policies(aws)
    assert run(aws, delete) == {}


def test_a_policy_that_aws_still_sees_attached_is_tried_again_later(aws: Account) -> None:
    _, name, delete = policy_to_delete(aws)
    conflict = aws.iot.exceptions.DeleteConflictException(
        {"Error": {"Code": "DeleteConflictException", "Message": "still attached"}}, "DeletePolicy"
    )

    def refuse(**_: object) -> None:
        raise conflict

    aws.iot.meta.events.register_first("before-call.iot.DeletePolicy", refuse)
    assert run(aws, delete) == {TaskResult.POSTPONED: 1}
    aws.iot.meta.events.unregister("before-call.iot.DeletePolicy", refuse)
    assert run(aws, delete) == {}

    aws.clock.pass_time(hours=1)
    assert run(aws, delete) == {TaskResult.DONE: 1}
    assert name not in policies(aws)


def test_a_policy_task_without_a_policy_is_dropped(aws: Account) -> None:
    certificate_id, _, delete = policy_to_delete(aws)
    aws.dynamodb.update_item(
        TableName=aws.table,
        Key={"certificateId": {"S": certificate_id}},
        UpdateExpression="REMOVE policyName",
    )

    assert run(aws, delete) == {TaskResult.CANCELLED: 1}
    assert run(aws, delete) == {}


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.ACCESS_DENIED, Fault.TIMEOUT_AFTER])
def test_an_error_of_one_policy_does_not_keep_the_others(aws: Account, fault: Fault) -> None:
    policy_to_delete(aws)
    _, _, delete = policy_to_delete(aws)

    with injected(aws.iot, "DetachPolicy", fault):
        assert run(aws, delete) == {TaskResult.FAILED: 1, TaskResult.DONE: 1}

    aws.clock.pass_time(minutes=5)
    assert run(aws, delete) == {TaskResult.DONE: 1}
