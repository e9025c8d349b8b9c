"""Scheduled tasks: done when they are due; a failing task does not block the others."""

import io
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics

from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.tasks import ScheduledTask, Task, TaskResult
from iot_jitr_runtime.metric_names import Metric
from iot_jitr_runtime.policy.deletion import delete_scheduled_policy
from iot_jitr_runtime.reconciler.run import PERSISTENT, ReconciliationFailedError, Run
from iot_jitr_runtime.task_runner import Action, run_tasks
from tests.support.account import Account
from tests.support.faults import Fault, answered, injected
from tests.support.lambda_function import lines
from tests.support.things import arn_of


def certificate(number: int) -> CertificateId:
    return CertificateId(f"{number:064x}")


def schedule(aws: Account, count: int) -> None:
    for number in range(count):
        at = aws.clock.milliseconds - count + number
        aws.ledger.tasks.schedule_policy_deletion(certificate(number), policy_name="p", at=at)


def run(aws: Account, action: Action, minutes: float = 5, log: io.StringIO | None = None) -> list[TaskResult]:
    """Do the tasks that are due; return their results, in order."""
    # A unique name, because loggers with the same name share a stream.
    logger = Logger(f"tasks-{uuid4()}", stream=log)
    deadline = Deadline(aws.clock() + timedelta(minutes=minutes), aws.clock)
    return [*run_tasks(aws.ledger.tasks, Task.DELETE_POLICY, action, deadline, logger).values()]


def done(_due: ScheduledTask, _until: datetime) -> TaskResult:
    return TaskResult.DONE


def fail(_due: ScheduledTask, _until: datetime) -> TaskResult:
    raise ValueError("poison")


def test_the_longest_overdue_task_is_done_first_and_only_once(aws: Account) -> None:
    schedule(aws, 3)
    order: list[CertificateId] = []

    def act(due: ScheduledTask, _: datetime) -> TaskResult:
        order.append(due.certificate_id)
        return TaskResult.DONE

    assert run(aws, act) == [TaskResult.DONE] * 3
    assert run(aws, act) == []
    assert order == [certificate(0), certificate(1), certificate(2)]


def test_a_task_that_the_index_still_lists_though_it_is_done_is_skipped(aws: Account) -> None:
    def lag(parsed: dict[str, object], **_: object) -> None:
        parsed["Items"] = [{"certificateId": {"S": certificate(0)}}]

    aws.dynamodb.meta.events.register("after-call.dynamodb.Query", lag)

    assert run(aws, done) == []


def test_a_failing_task_is_retried_with_growing_delays_and_blocks_no_other(
    aws: Account, log: io.StringIO
) -> None:
    schedule(aws, 3)
    finished: list[CertificateId] = []

    def act(due: ScheduledTask, until: datetime) -> TaskResult:
        if due.certificate_id == certificate(0):
            return fail(due, until)
        finished.append(due.certificate_id)
        return TaskResult.DONE

    assert run(aws, act, log=log) == [TaskResult.FAILED, TaskResult.DONE, TaskResult.DONE]
    assert finished == [certificate(1), certificate(2)]
    delays = []
    for failures in range(1, 14):
        [failing] = aws.ledger.tasks.failing(certificate(0))
        assert (failing.task, failing.failures, failing.error) == (
            Task.DELETE_POLICY,
            failures,
            "ValueError: poison",
        )
        delays.append(failing.due_at - aws.clock.milliseconds)
        assert run(aws, act) == [], "it is not due yet"
        aws.clock.pass_time(seconds=delays[-1] / 1000)
        assert run(aws, act) == [TaskResult.FAILED]

    assert delays[:2] == [300_000, 600_000]
    assert delays[-1] == 86_400_000
    assert aws.ledger.tasks.failing(certificate(1)) == []
    [line] = lines(log.getvalue())
    assert (line["message"], line["task"], line["failures"]) == ("task_failed", "delete_policy", 1)


@pytest.mark.parametrize("result", [TaskResult.DONE, TaskResult.CANCELLED, timedelta(hours=1)])
def test_a_result_that_cannot_be_recorded_is_a_failure_of_its_task_only(
    aws: Account, result: TaskResult | timedelta
) -> None:
    schedule(aws, 2)

    with injected(aws.dynamodb, "UpdateItem", Fault.THROTTLE):
        [first, second] = run(aws, lambda *_: result)

    assert first is TaskResult.FAILED
    assert second is not TaskResult.FAILED
    assert [each.failures for each in aws.ledger.tasks.failing(certificate(0))] == [1]


def test_a_session_that_cannot_be_closed_is_a_failing_task_of_its_certificate(aws: Account) -> None:
    tasks = aws.ledger.tasks
    tasks.schedule_session_close(certificate(0), at=aws.clock.milliseconds)
    [due] = tasks.due(Task.CLOSE_SESSION, now=aws.clock.milliseconds)
    tasks.record_failure(due, "no", retry_at=7)

    expected = ScheduledTask(Task.CLOSE_SESSION, certificate(0), 7, failures=1, error="no")
    assert tasks.failing(certificate(0)) == [expected]


def test_a_postponed_task_resets_its_count_of_failures(aws: Account) -> None:
    schedule(aws, 1)
    run(aws, fail)
    aws.clock.pass_time(minutes=5)

    assert run(aws, lambda *_: timedelta(hours=1)) == [TaskResult.POSTPONED]

    assert aws.ledger.tasks.failing(certificate(0)) == []
    aws.clock.pass_time(minutes=59)
    assert run(aws, done) == []
    aws.clock.pass_time(minutes=1)
    assert run(aws, done) == [TaskResult.DONE]


def test_tasks_stop_at_the_deadline_and_the_next_run_continues(aws: Account) -> None:
    schedule(aws, 100)
    begun = aws.clock()

    def slow(*_: object) -> TaskResult:
        aws.clock.pass_time(seconds=4)
        return TaskResult.DONE

    assert run(aws, slow, minutes=1) == [TaskResult.DONE] * 15
    assert aws.clock() - begun == timedelta(minutes=1)
    assert run(aws, slow, minutes=60) == [TaskResult.DONE] * 85


def test_persistent_task_failures_fail_the_run(aws: Account) -> None:
    schedule(aws, 1)
    metrics = EphemeralMetrics(namespace="n", service="s")
    nothing: Any = None
    passes: Any = SimpleNamespace(ledger=aws.ledger)
    whole = Run([], nothing, passes, {Task.DELETE_POLICY: fail}, Logger("run"), metrics)

    def do() -> None:
        aws.clock.pass_time(hours=1)
        whole.do(nothing, Deadline(aws.clock() + timedelta(minutes=5), aws.clock))

    for _ in range(PERSISTENT - 1):
        do()
    with pytest.raises(
        ReconciliationFailedError, match=f"task delete_policy of certificate {certificate(0)}"
    ):
        do()

    assert metrics.metric_set[Metric.TASKS_FAILED]["Value"] == [1] * PERSISTENT


def test_a_task_that_is_done_after_failures_does_not_fail_the_run(aws: Account) -> None:
    schedule(aws, 1)
    metrics = EphemeralMetrics(namespace="n", service="s")
    nothing: Any = None
    passes: Any = SimpleNamespace(ledger=aws.ledger)

    for action in (*[fail] * (PERSISTENT - 1), done):
        aws.clock.pass_time(hours=1)
        whole = Run([], nothing, passes, {Task.DELETE_POLICY: action}, Logger("run"), metrics)
        whole.do(nothing, Deadline(aws.clock() + timedelta(minutes=5), aws.clock))

    assert metrics.metric_set[Metric.TASKS_FAILED]["Value"] == [1] * (PERSISTENT - 1) + [0]


# The deletion of policies.


def policy_to_delete(aws: Account, rate: float = 1e6) -> tuple[str, str, Action]:
    certificate_id = aws.pending()
    name = f"jitr-{certificate_id}"
    arn = arn_of(aws, certificate_id)
    aws.iot.create_policy(policyName=name, policyDocument='{"Version": "2012-10-17", "Statement": []}')
    aws.iot.attach_policy(policyName=name, target=arn)
    aws.ledger.tasks.schedule_policy_deletion(certificate_id, policy_name=name, at=aws.clock.milliseconds)
    prefix = arn.removesuffix(certificate_id)
    return certificate_id, name, partial(delete_scheduled_policy, aws.iot, aws.rate_limiter(rate), prefix)


def policies(aws: Account) -> set[str]:
    return {policy["policyName"] for policy in aws.iot.list_policies()["policies"]}


def test_the_policy_of_a_revoked_certificate_is_deleted(aws: Account) -> None:
    _, name, delete = policy_to_delete(aws)

    assert run(aws, delete) == [TaskResult.DONE]
    assert name not in policies(aws)
    assert run(aws, delete) == []


def test_without_a_slot_in_time_the_tasks_wait_for_the_next_run(aws: Account) -> None:
    _, name, delete = policy_to_delete(aws, rate=10)
    aws.rate_limiter(10).reserve(10_000)
    aws.rate_limiter(10).wait_for_background_slot(until=aws.clock() + timedelta(minutes=1))

    assert run(aws, delete, minutes=0.05) == []
    assert run(aws, delete) == [TaskResult.DONE]
    assert name not in policies(aws)


def test_the_deletion_of_an_attached_policy_is_retried_later(aws: Account) -> None:
    _, name, delete = policy_to_delete(aws)
    with answered(aws.iot, "DeletePolicy", "DeleteConflictException"):
        assert run(aws, delete) == [TaskResult.POSTPONED]
    assert run(aws, delete) == []

    aws.clock.pass_time(hours=1)
    assert run(aws, delete) == [TaskResult.DONE]
    assert name not in policies(aws)


def test_a_policy_task_without_a_policy_is_dropped(aws: Account) -> None:
    certificate_id, _, delete = policy_to_delete(aws)
    aws.ledger.items.update(Update(certificate_id, {"policyName": None}))

    assert run(aws, delete) == [TaskResult.CANCELLED]
    assert run(aws, delete) == []


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.ACCESS_DENIED, Fault.TIMEOUT_AFTER])
def test_an_error_with_one_policy_does_not_prevent_the_other_deletions(aws: Account, fault: Fault) -> None:
    policy_to_delete(aws)
    _, _, delete = policy_to_delete(aws)

    with injected(aws.iot, "DetachPolicy", fault):
        assert sorted(run(aws, delete)) == [TaskResult.DONE, TaskResult.FAILED]

    aws.clock.pass_time(minutes=5)
    assert run(aws, delete) == [TaskResult.DONE]
