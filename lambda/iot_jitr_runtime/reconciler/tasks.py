"""Doing scheduled tasks when they are due. One that fails costs itself only: it is tried again later."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.ledger.tasks import DueTask, ScheduledTasks, Task, TaskResult
from iot_jitr_runtime.policy.withdrawal import withdraw
from iot_jitr_runtime.rate_limiter import NoSlotError, RateLimiter

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

_STILL_ATTACHED = timedelta(hours=1)
_FIRST_RETRY = timedelta(minutes=5)
_LAST_RETRY = timedelta(days=1)
PERSISTENT = 3
"""A task that has failed so often in succession is reported as an error of the run."""

Action = Callable[[DueTask, datetime], TaskResult]
"""Does a task before the given moment; may raise anything. `NoSlotError`: there is no time for it."""


@dataclass(frozen=True)
class TaskRunner:
    """Does the tasks that are due, kind by kind."""

    tasks: ScheduledTasks
    actions: Mapping[Task, Action]
    on_failure: Callable[[DueTask, Exception, datetime], None]
    """Called for each task that fails, with the moment of its next try."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def run(self, task: Task, deadline: Deadline) -> Counter[TaskResult]:
        """Do the tasks of one kind until `deadline`, the longest overdue first; return what became of them.

        Errors of the ledger propagate.
        """
        results: Counter[TaskResult] = Counter()
        now = milliseconds(self.clock())
        for certificate_id in self.tasks.due(task, now=now):
            if not deadline.allows():
                break
            due = self.tasks.read(task, certificate_id, now=now)
            if due is None:
                continue
            try:
                result = self.actions[task](due, deadline.at)
            except NoSlotError:
                break
            except Exception as error:  # noqa: BLE001 - one bad task must not keep the others from theirs
                self._fail(due, error)
                result = TaskResult.FAILED
            results[result] += 1
        return results

    def _fail(self, due: DueTask, error: Exception) -> None:
        retry_at = self.clock() + min(_FIRST_RETRY * 2 ** min(due.failures, 16), _LAST_RETRY)
        self.tasks.record_failure(
            due.task,
            due.certificate_id,
            f"{type(error).__name__}: {error}",
            retry_at=milliseconds(retry_at),
        )
        self.on_failure(due, error, retry_at)


@dataclass(frozen=True)
class PolicyDeletion:
    """Deletes the own policies of revoked certificates that AWS still saw attached when they were revoked."""

    iot: "IoTClient"
    tasks: ScheduledTasks
    rate_limiter: RateLimiter
    arn_prefix: str
    """The ARN of a certificate without its id."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def delete(self, due: DueTask, until: datetime) -> TaskResult:
        """Delete one policy; botocore's errors propagate.

        Raises:
            NoSlotError: The rate limiter has no slot until `until`.
        """
        if due.policy_name is None:
            return self._end(due.certificate_id, TaskResult.CANCELLED)
        self.rate_limiter.wait_for_background_slot(until=until)
        try:
            withdraw(self.iot, due.certificate_id, self.arn_prefix + due.certificate_id, due.policy_name)
        except self.iot.exceptions.DeleteConflictException:
            at = milliseconds(self.clock() + _STILL_ATTACHED)
            self.tasks.postpone(Task.DELETE_POLICY, due.certificate_id, at=at)
            return TaskResult.POSTPONED
        return self._end(due.certificate_id, TaskResult.DONE)

    def _end(self, certificate_id: CertificateId, result: TaskResult) -> TaskResult:
        self.tasks.remove(Task.DELETE_POLICY, certificate_id)
        return result
