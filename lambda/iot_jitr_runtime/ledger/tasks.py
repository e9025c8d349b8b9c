"""Scheduled tasks: what is to be done about a certificate later. The reconciler does them.

A certificate's row carries at most one task and the time at which it is due; the closing of a session, which
may come on top, has an item of its own. The sparse index `tasks` finds those that are due. A task may be done
twice with the same result.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from boto3.dynamodb.conditions import Attr, ConditionBase, Key

from iot_jitr_runtime.dynamodb import ConditionFailedError, Table, Update
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.ledger.rows import KEY, TTL_ATTRIBUTE, Identity, State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TASK_INDEX = "tasks"
"""Global secondary index, keys only, partition key `TASK`, sort key `TASK_DUE_AT`."""
TASK = "task"
TASK_DUE_AT = "taskDueAt"
"""In milliseconds since the epoch."""
_FAILURES = "taskFailures"
_ERROR = "taskError"
_SUPERSEDED_BY = "supersededBy"
_ERROR_LENGTH = 500
_SESSION_PREFIX = "#session/"
"""The key of an item with the task `CLOSE_SESSION` begins so; no certificate's does."""
_SESSION_LASTS = 30 * 86_400
"""Seconds after which such an item is removed, done or not."""
_RETRIES = (_FAILURES, _ERROR)
_DONE = (TASK, TASK_DUE_AT, *_RETRIES)


class Task(StrEnum):
    """What is to be done."""

    RETIRE = "retire"
    """Detach the certificate from its thing and make it INACTIVE: another one replaces it."""
    DELETE_POLICY = "delete_policy"
    """Delete the certificate's own policy: it is revoked, but AWS still saw the policy attached."""
    CLOSE_SESSION = "close_session"
    """Close the session of the certificate, which is REVOKED or INACTIVE, once more."""


class TaskResult(StrEnum):
    """What became of a task that was due."""

    DONE = "done"
    POSTPONED = "postponed"
    """It cannot be done yet."""
    CANCELLED = "cancelled"
    """There is nothing to do any more."""
    FAILED = "failed"
    """It is tried again later, after a delay that grows with each failure."""


@dataclass(frozen=True)
class DueTask:
    """A task that is due."""

    task: Task
    certificate_id: CertificateId
    superseded_by: CertificateId | None = None
    thing_name: str | None = None
    policy_name: str | None = None
    failures: int = 0
    """How often it has failed in succession."""


@dataclass(frozen=True)
class FailingTask:
    """A task that has failed and is tried again."""

    task: Task
    failures: int
    """How often it has failed in succession."""
    error: str
    """Its last error."""
    retry_at: int
    """When it is tried again, in milliseconds since the epoch."""


@dataclass(frozen=True)
class ScheduledTasks:
    """The tasks in the ledger's table; botocore's errors propagate."""

    dynamodb: "DynamoDBClient"
    table: str

    @property
    def _items(self) -> Table:
        return Table(self.dynamodb, self.table, KEY)

    def schedule_retirement(
        self,
        certificate_id: CertificateId,
        identity: Identity,
        *,
        thing_name: str,
        superseded_by: CertificateId,
        at: int,
    ) -> None:
        """Schedule the retirement of a certificate. A date once set for the same successor stays.

        If this pipeline has not seen the certificate, its row becomes known, so that the certificate can be
        revoked by serial number during the grace period.

        Args:
            certificate_id: The certificate that is replaced.
            identity: Its CA, serial number and common name.
            thing_name: The thing it is attached to.
            superseded_by: The certificate that replaces it.
            at: When the grace period ends, in milliseconds since the epoch.
        """
        scheduled = {TASK: Task.RETIRE, TASK_DUE_AT: at, _SUPERSEDED_BY: superseded_by}
        self._update(
            Update(
                certificate_id,
                {**scheduled, "thingName": thing_name, **identity.attributes()},
                {"state": State.KNOWN},
                removes=(TTL_ATTRIBUTE, *_RETRIES),
                condition=Attr(_SUPERSEDED_BY).not_exists() | Attr(_SUPERSEDED_BY).ne(superseded_by),
            )
        )

    def schedule_policy_deletion(self, certificate_id: CertificateId, *, policy_name: str, at: int) -> None:
        """Schedule the deletion of a revoked certificate's own policy."""
        sets = {TASK: Task.DELETE_POLICY, TASK_DUE_AT: at, "policyName": policy_name}
        self._update(Update(certificate_id, sets, removes=_RETRIES))

    def schedule_session_close(self, certificate_id: CertificateId, *, at: int) -> None:
        """Schedule the closing of a certificate's session; a date that was set before is replaced."""
        sets = {TASK: Task.CLOSE_SESSION, TASK_DUE_AT: at, TTL_ATTRIBUTE: at // 1000 + _SESSION_LASTS}
        self._update(Update(task_key(Task.CLOSE_SESSION, certificate_id), sets, removes=_RETRIES))

    def due(self, task: Task, *, now: int) -> Iterator[CertificateId]:
        """Return the certificates whose task is due, the longest overdue first, page by page.

        The index lags behind by about a second: `read` says whether there is still something to do.
        """
        is_due = Key(TASK).eq(task) & Key(TASK_DUE_AT).lte(now)
        for page in self._items.query_keys(TASK_INDEX, is_due, page_size=100):
            yield from (CertificateId(key.removeprefix(_prefix(task))) for key in page)

    def read(self, task: Task, certificate_id: CertificateId, *, now: int) -> DueTask | None:
        """Read a task from its row, consistently; None if it is not due any more."""
        item = self._items.get(task_key(task, certificate_id)) or {}
        if item.get(TASK) != task or item[TASK_DUE_AT] > now:
            return None
        return DueTask(
            task,
            certificate_id,
            item.get(_SUPERSEDED_BY),
            item.get("thingName"),
            item.get("policyName"),
            item.get(_FAILURES, 0),
        )

    def failing(self, certificate_id: CertificateId) -> Iterator[FailingTask]:
        """Return the tasks of a certificate that have failed since they were last done, or postponed."""
        for key in dict.fromkeys(task_key(task, certificate_id) for task in Task):
            item = self._items.get(key) or {}
            if item.get(_FAILURES) and item.get(TASK) in [*Task]:
                yield FailingTask(Task(item[TASK]), item[_FAILURES], item.get(_ERROR, ""), item[TASK_DUE_AT])

    def postpone(self, task: Task, certificate_id: CertificateId, *, at: int) -> None:
        """Do it later, although nothing has failed."""
        key = task_key(task, certificate_id)
        self._update(Update(key, {TASK_DUE_AT: at}, removes=_RETRIES, condition=_has(task)))

    def record_failure(self, task: Task, certificate_id: CertificateId, error: str, *, retry_at: int) -> None:
        """Write that it has failed once more and why, and when it is tried again."""
        sets = {TASK_DUE_AT: retry_at, _ERROR: error[:_ERROR_LENGTH]}
        self._update(Update(task_key(task, certificate_id), sets, adds={_FAILURES: 1}, condition=_has(task)))

    def remove(self, task: Task, certificate_id: CertificateId) -> None:
        """Remove a task that is done or not needed any more."""
        removes = (*_DONE, _SUPERSEDED_BY)
        self._update(Update(task_key(task, certificate_id), removes=removes, condition=_has(task)))

    def record_retired(self, certificate_id: CertificateId, *, now: int) -> None:
        """Write that the certificate is INACTIVE because `superseded_by` has replaced it.

        A certificate that has been revoked meanwhile stays revoked.
        """
        Fleet(self.dynamodb, self.table).correct(certificate_id, active=False)
        retired = self._update(
            Update(
                certificate_id,
                {"state": State.RETIRED, "decidedAt": now},
                removes=_DONE,
                condition=_has(Task.RETIRE) & Attr("state").ne(State.REVOKED),
            )
        )
        if not retired:
            self.remove(Task.RETIRE, certificate_id)

    def _update(self, update: Update) -> bool:
        """Update a row; return whether it met the condition. If not, another worker has done the task."""
        try:
            self._items.update(update)
        except ConditionFailedError:
            return False
        return True


def _has(task: Task) -> ConditionBase:
    """Return the condition that a row still has this task."""
    return Attr(TASK).eq(task)


def task_key(task: Task, certificate_id: CertificateId) -> str:
    """Return the key of the item that carries a task of a certificate."""
    return f"{_prefix(task)}{certificate_id}"


def _prefix(task: Task) -> str:
    return _SESSION_PREFIX if task is Task.CLOSE_SESSION else ""
