"""Scheduled tasks: what is to be done about a certificate later. The reconciler does them.

A certificate's row carries at most one task and the time at which it is due. The sparse index `tasks` finds
those that are due. A task may be done twice with the same result.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.fleet import Fleet
from iot_jitr_runtime.ledger.rows import KEY, SERIAL_INDEX_KEY, Identity, State, ca_serial

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
_DONE = f"{TASK}, {TASK_DUE_AT}, {_FAILURES}, {_ERROR}"


class Task(StrEnum):
    """What is to be done."""

    RETIRE = "retire"
    """Detach the certificate from its thing and make it INACTIVE: another one replaces it."""
    DELETE_POLICY = "delete_policy"
    """Delete the certificate's own policy: it is revoked, but AWS still saw the policy attached."""


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
class ScheduledTasks:
    """The tasks in the ledger's table; botocore's errors propagate."""

    dynamodb: "DynamoDBClient"
    table: str

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
        self._update(
            certificate_id,
            f"SET {TASK} = :task, {TASK_DUE_AT} = :at, {_SUPERSEDED_BY} = :successor, "
            "thingName = :thing, caCertificateId = :ca, serialNumber = :serial, "
            f"{SERIAL_INDEX_KEY} = :caSerial, #state = if_not_exists(#state, :known) "
            f"REMOVE expiresAt, {_FAILURES}, {_ERROR}",
            {
                ":task": Task.RETIRE,
                ":at": at,
                ":successor": superseded_by,
                ":thing": thing_name,
                ":ca": identity.ca_certificate_id,
                ":serial": identity.serial_number,
                ":caSerial": ca_serial(identity.ca_certificate_id, identity.serial_number),
                ":known": State.KNOWN,
            },
            f"attribute_not_exists({_SUPERSEDED_BY}) OR {_SUPERSEDED_BY} <> :successor",
            {"#state": "state"},
        )

    def schedule_policy_deletion(self, certificate_id: CertificateId, *, policy_name: str, at: int) -> None:
        """Schedule the deletion of a revoked certificate's own policy."""
        self._update(
            certificate_id,
            f"SET {TASK} = :task, {TASK_DUE_AT} = :at, policyName = :policy REMOVE {_FAILURES}, {_ERROR}",
            {":task": Task.DELETE_POLICY, ":at": at, ":policy": policy_name},
        )

    def due(self, task: Task, *, now: int) -> Iterator[CertificateId]:
        """Return the certificates whose task is due, the longest overdue first, page by page.

        The index lags behind by about a second: `read` says whether there is still something to do.
        """
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=TASK_INDEX,
            KeyConditionExpression=f"{TASK} = :task AND {TASK_DUE_AT} <= :now",
            ExpressionAttributeValues={":task": {"S": task}, ":now": {"N": str(now)}},
            PaginationConfig={"PageSize": 100},
        )
        for page in pages:
            for item in page["Items"]:
                yield CertificateId(item[KEY]["S"])

    def read(self, task: Task, certificate_id: CertificateId, *, now: int) -> DueTask | None:
        """Read a task from its row, consistently; None if it is not due any more."""
        key = {KEY: {"S": certificate_id}}
        item = self.dynamodb.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item", {})
        if item.get(TASK, {}).get("S") != task or int(item[TASK_DUE_AT]["N"]) > now:
            return None
        successor = item.get(_SUPERSEDED_BY, {}).get("S")
        return DueTask(
            task,
            certificate_id,
            CertificateId(successor) if successor else None,
            item.get("thingName", {}).get("S"),
            item.get("policyName", {}).get("S"),
            int(item.get(_FAILURES, {}).get("N", 0)),
        )

    def postpone(self, task: Task, certificate_id: CertificateId, *, at: int) -> None:
        """Do it later, although nothing has failed."""
        self._change(
            task, certificate_id, f"SET {TASK_DUE_AT} = :at REMOVE {_FAILURES}, {_ERROR}", {":at": at}
        )

    def record_failure(self, task: Task, certificate_id: CertificateId, error: str, *, retry_at: int) -> None:
        """Write that it has failed once more and why, and when it is tried again."""
        self._change(
            task,
            certificate_id,
            f"SET {TASK_DUE_AT} = :at, {_ERROR} = :error ADD {_FAILURES} :one",
            {":at": retry_at, ":error": error[:_ERROR_LENGTH], ":one": 1},
        )

    def remove(self, task: Task, certificate_id: CertificateId) -> None:
        """Remove a task that is done or not needed any more."""
        self._change(task, certificate_id, f"REMOVE {_DONE}, {_SUPERSEDED_BY}", {})

    def record_retired(self, certificate_id: CertificateId, *, now: int) -> None:
        """Write that the certificate is INACTIVE because `superseded_by` has replaced it.

        A certificate that has been revoked meanwhile stays revoked.
        """
        Fleet(self.dynamodb, self.table).correct(certificate_id, active=False)
        retired = self._update(
            certificate_id,
            f"SET #state = :retired, decidedAt = :now REMOVE {_DONE}",
            {":task": Task.RETIRE, ":retired": State.RETIRED, ":revoked": State.REVOKED, ":now": now},
            f"{TASK} = :task AND #state <> :revoked",
            {"#state": "state"},
        )
        if not retired:
            self.remove(Task.RETIRE, certificate_id)

    def _change(
        self, task: Task, certificate_id: CertificateId, expression: str, values: Mapping[str, str | int]
    ) -> None:
        """Change the row if it still has this task; if not, another worker has done it."""
        self._update(certificate_id, expression, {":task": task, **values}, f"{TASK} = :task")

    def _update(
        self,
        certificate_id: CertificateId,
        expression: str,
        values: Mapping[str, str | int],
        condition: str | None = None,
        names: dict[str, str] | None = None,
    ) -> bool:
        """Update the row; return whether it met the condition."""
        optional: dict[str, Any] = {}
        if condition:
            optional["ConditionExpression"] = condition
        if names:
            optional["ExpressionAttributeNames"] = names
        try:
            self.dynamodb.update_item(
                TableName=self.table,
                Key={KEY: {"S": certificate_id}},
                UpdateExpression=expression,
                ExpressionAttributeValues={
                    name: {"S": value} if isinstance(value, str) else {"N": str(value)}
                    for name, value in values.items()
                },
                **optional,
            )
        except self.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True
