"""Runs scheduled tasks when they are due. A failure affects only its own task, which is tried again later."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.ledger.tasks import ScheduledTask, ScheduledTasks, Task, TaskResult
from iot_jitr_runtime.rate_limiter import NoSlotError

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

_FIRST_RETRY = timedelta(minutes=5)
_LAST_RETRY = timedelta(days=1)

Action = Callable[[ScheduledTask, datetime], TaskResult | timedelta]
"""Runs a task before the given time. Returns `DONE`, `CANCELLED`, or the time to wait until the task can run.
It may raise any exception; `NoSlotError`: no slot is free before the given time."""


def run_tasks(
    tasks: ScheduledTasks, task: Task, action: Action, deadline: Deadline, logger: "Logger"
) -> dict[ScheduledTask, TaskResult]:
    """Run the tasks of one kind until `deadline`, the longest overdue first; return their results.

    A task that fails, or whose result cannot be recorded, is logged and tried again later. Other errors of
    the ledger propagate.
    """
    results: dict[ScheduledTask, TaskResult] = {}
    for due in tasks.due(task, now=milliseconds(deadline.clock())):
        if not deadline.allows():
            break
        try:
            results[due] = _run(tasks, due, action, deadline)
        except NoSlotError:
            break
        except Exception as error:  # noqa: BLE001 - one task that fails does not stop the others
            _fail(tasks, due, error, deadline.clock(), logger)
            results[due] = TaskResult.FAILED
    return results


def _run(tasks: ScheduledTasks, due: ScheduledTask, action: Action, deadline: Deadline) -> TaskResult:
    """Run one task and record its result."""
    result = action(due, deadline.at)
    if isinstance(result, timedelta):
        tasks.postpone(due, at=milliseconds(deadline.clock() + result))
        return TaskResult.POSTPONED
    if result is TaskResult.DONE:
        tasks.remove(due)
    else:
        tasks.cancel(due)
    return result


def _fail(
    tasks: ScheduledTasks, due: ScheduledTask, error: Exception, now: datetime, logger: "Logger"
) -> None:
    retry_at = now + min(_FIRST_RETRY * 2 ** min(due.failures, 16), _LAST_RETRY)
    tasks.record_failure(due, f"{type(error).__name__}: {error}", retry_at=milliseconds(retry_at))
    logger.error(
        "task_failed",
        exc_info=error,
        extra={
            "task": due.task.value,
            "certificate_id": due.certificate_id,
            "failures": due.failures + 1,
            "retry_at": retry_at.isoformat(),
            "detail": str(error),
        },
    )
