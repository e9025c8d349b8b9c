"""Scheduled tasks: actions on a certificate that are due later.

A certificate's row contains at most one task and its due time. The closing of a session can be due at the
same time, so it has its own item. The sparse index `tasks` contains all tasks by due time. A task may run
twice with the same result.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from boto3.dynamodb.conditions import Attr, ConditionBase, Key

from iot_jitr_runtime.dynamodb import ConditionFailedError, Table, Update
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.rows import Identity, State
from iot_jitr_runtime.ledger_table import TASK, TASK_DUE_AT, TASK_INDEX, TTL_ATTRIBUTE

SUPERSEDED_BY = "supersededBy"
_FAILURES = "taskFailures"
_ERROR = "taskError"
_ERROR_LENGTH = 500
_SESSION_PREFIX = "#session/"
"""Prefix of the key of an item with the task `CLOSE_SESSION`; no certificate id has it."""
_SESSION_LASTS = 30 * 86_400
"""Seconds after which such an item is removed, done or not."""
_NO_FAILURES = {_FAILURES: None, _ERROR: None}
_NO_TASK = {TASK: None, TASK_DUE_AT: None, **_NO_FAILURES}


class Task(StrEnum):
    """The kind of a task."""

    RETIRE = "retire"
    """Detach the certificate from its thing and make it INACTIVE: another one replaces it."""
    DELETE_POLICY = "delete_policy"
    """Delete the certificate's own policy: it is revoked, but AWS still reported the policy as attached."""
    CLOSE_SESSION = "close_session"
    """Close the session of the certificate, which is REVOKED or INACTIVE, once more."""


class TaskResult(StrEnum):
    """The result of a task that was due."""

    DONE = "done"
    POSTPONED = "postponed"
    """It cannot be done yet."""
    CANCELLED = "cancelled"
    """There is nothing to do any more."""
    FAILED = "failed"
    """It is tried again later, after a delay that grows with each failure."""


@dataclass(frozen=True)
class ScheduledTask:
    """A task of a certificate."""

    task: Task
    certificate_id: CertificateId
    due_at: int
    """In milliseconds since the epoch."""
    superseded_by: CertificateId | None = None
    thing_name: str | None = None
    policy_name: str | None = None
    failures: int = 0
    """How often it has failed in succession."""
    error: str = ""
    """Its last error."""

    @property
    def key(self) -> str:
        """The key of its item."""
        return task_key(self.task, self.certificate_id)


@dataclass(frozen=True)
class ScheduledTasks:
    """The tasks in the ledger's table; botocore's errors propagate."""

    items: Table

    def schedule_retirement(
        self,
        certificate_id: CertificateId,
        identity: Identity,
        *,
        thing_name: str,
        superseded_by: CertificateId,
        at: int,
    ) -> None:
        """Schedule the retirement of a certificate. A due time for the same successor is not changed.

        If this pipeline has not seen the certificate, its row becomes known, so that the certificate can be
        revoked by serial number during the grace period.

        Args:
            certificate_id: The certificate that is replaced.
            identity: Its CA, serial number and common name.
            thing_name: The thing it is attached to.
            superseded_by: The certificate that replaces it.
            at: When the grace period ends, in milliseconds since the epoch.
        """
        sets = {
            TASK: Task.RETIRE,
            TASK_DUE_AT: at,
            SUPERSEDED_BY: superseded_by,
            "thingName": thing_name,
            TTL_ATTRIBUTE: None,
            **identity.attributes(),
            **_NO_FAILURES,
        }
        new = Attr(SUPERSEDED_BY).not_exists() | Attr(SUPERSEDED_BY).ne(superseded_by)
        self._update(Update(certificate_id, sets, {"state": State.KNOWN}, condition=new))

    def schedule_policy_deletion(self, certificate_id: CertificateId, *, policy_name: str, at: int) -> None:
        """Schedule the deletion of a revoked certificate's own policy."""
        sets = {TASK: Task.DELETE_POLICY, TASK_DUE_AT: at, "policyName": policy_name, **_NO_FAILURES}
        self._update(Update(certificate_id, sets))

    def schedule_session_close(self, certificate_id: CertificateId, *, at: int) -> None:
        """Schedule the closing of a certificate's session; an earlier due time is replaced."""
        expires_at = at // 1000 + _SESSION_LASTS
        sets = {TASK: Task.CLOSE_SESSION, TASK_DUE_AT: at, TTL_ATTRIBUTE: expires_at, **_NO_FAILURES}
        self._update(Update(task_key(Task.CLOSE_SESSION, certificate_id), sets))

    def due(self, task: Task, *, now: int) -> Iterator[ScheduledTask]:
        """Return the tasks of one kind that are due, the longest overdue first, page by page.

        The index lags behind by about a second, so each task is read from its item, consistently.
        """
        is_due = Key(TASK).eq(task) & Key(TASK_DUE_AT).lte(now)
        for page in self.items.query_keys(TASK_INDEX, is_due, page_size=100):
            for key in page:
                found = self._read(key)
                if found and found.task is task and found.due_at <= now:
                    yield found

    def failing(self, certificate_id: CertificateId) -> list[ScheduledTask]:
        """Return the tasks of a certificate that have failed since they were last done, or postponed."""
        keys = dict.fromkeys(task_key(task, certificate_id) for task in Task)
        return [found for key in keys if (found := self._read(key)) and found.failures]

    def postpone(self, due: ScheduledTask, *, at: int) -> None:
        """Postpone a task that has not failed."""
        self._update(Update(due.key, {TASK_DUE_AT: at, **_NO_FAILURES}, condition=_has(due.task)))

    def record_failure(self, due: ScheduledTask, error: str, *, retry_at: int) -> None:
        """Write that it has failed once more and why, and when it is tried again."""
        sets = {TASK_DUE_AT: retry_at, _ERROR: error[:_ERROR_LENGTH]}
        self._update(Update(due.key, sets, adds={_FAILURES: 1}, condition=_has(due.task)))

    def remove(self, due: ScheduledTask) -> None:
        """Remove a task that is done."""
        self._update(Update(due.key, _NO_TASK, condition=_has(due.task)))

    def cancel(self, due: ScheduledTask) -> None:
        """Remove a task that is not needed any more; a retirement can then be scheduled anew."""
        self._update(Update(due.key, {**_NO_TASK, SUPERSEDED_BY: None}, condition=_has(due.task)))

    def _read(self, key: str) -> ScheduledTask | None:
        item = self.items.get(key) or {}
        if item.get(TASK) not in [*Task]:
            return None
        return ScheduledTask(
            Task(item[TASK]),
            CertificateId(key.removeprefix(_SESSION_PREFIX)),
            item[TASK_DUE_AT],
            item.get(SUPERSEDED_BY),
            item.get("thingName"),
            item.get("policyName"),
            item.get(_FAILURES, 0),
            item.get(_ERROR, ""),
        )

    def _update(self, update: Update) -> None:
        """Update an item. If it does not meet the condition, another worker has done the task."""
        with suppress(ConditionFailedError):
            self.items.update(update)


def _has(task: Task) -> ConditionBase:
    """Return the condition that an item still has this task."""
    return Attr(TASK).eq(task)


def task_key(task: Task, certificate_id: CertificateId) -> str:
    """Return the key of the item that carries a task of a certificate."""
    return f"{_SESSION_PREFIX if task is Task.CLOSE_SESSION else ''}{certificate_id}"
