"""Take a snapshot: each part by itself, so that a permission that is missing costs only its part."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from iot_jitr_cli.deployment import find_deployment
from iot_jitr_cli.doctor.facts.fact import CannotTellError
from iot_jitr_cli.doctor.facts.function import FunctionFacts
from iot_jitr_cli.doctor.facts.pipeline import PipelineFacts
from iot_jitr_cli.status import figures, parts
from iot_jitr_cli.status.snapshot import Snapshot, read_part

if TYPE_CHECKING:
    import boto3

ROWS = 10_000
"""Rows of the ledger that are read at most, by default: some 5 MB, a fraction of a cent."""


def snapshot(
    session: "boto3.Session", stack_name: str, rows: int = ROWS, now: datetime | None = None
) -> Snapshot:
    """Read a deployment.

    Args:
        session: The caller's AWS.
        stack_name: Name of its stack.
        rows: How many rows of the ledger to read at most.
        now: The moment; the machine's clock by default.

    Raises:
        NoSuchStackError, StackUnfinishedError: There is no deployment to read.
    """
    now = now or datetime.now(UTC)
    deployment = find_deployment(session, stack_name)
    pipeline = PipelineFacts(session, stack_name)
    function = FunctionFacts(session, pipeline, now)
    return Snapshot(
        stack=stack_name,
        region=deployment.region,
        taken_at=now,
        quota_per_second=_quota(function),
        ledger=read_part(partial(figures.ledger, session, deployment, rows)),
        decisions=read_part(partial(figures.decisions, session, deployment, now)),
        queues=read_part(partial(parts.queues, pipeline, function)),
        cas=read_part(partial(parts.cas, session, deployment)),
        crls=read_part(partial(parts.crls, session, deployment, function)),
        alarms=read_part(partial(parts.active_alarms, session, deployment)),
        errors=read_part(partial(parts.errors, session, deployment, now)),
        log_groups=tuple(group for each in parts.LOG_GROUPS if (group := deployment.get(each))),
    )


def _quota(function: FunctionFacts) -> float | None:
    try:
        return function.activator.activations_per_second if function.activator else None
    except CannotTellError:
        return None
