"""Take a snapshot: each part by itself, so that a permission that is missing costs only its part."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from iot_jitr_cli.deployment import find_deployment
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.doctor.reading import CannotTellError
from iot_jitr_cli.status import figures, ledger, parts
from iot_jitr_cli.status.certificate import Certificate
from iot_jitr_cli.status.history import history
from iot_jitr_cli.status.quotas import quotas
from iot_jitr_cli.status.snapshot import Fleet, Snapshot, Waiting, read_part

if TYPE_CHECKING:
    import boto3

ROWS = 10_000
"""Rows of the ledger that are read at most, by default: some 5 MB, a fraction of a cent."""
ALL_ROWS = 100_000
"""The same where each certificate counts: some 50 MB, a tenth of a cent, less than a minute."""


def snapshot(
    session: "boto3.Session",
    stack_name: str,
    rows: int = ROWS,
    now: datetime | None = None,
    seen: Callable[[Certificate], object] = lambda _: None,
) -> Snapshot:
    """Read a deployment.

    Args:
        session: The caller's AWS.
        stack_name: Name of its stack.
        rows: How many rows of the ledger to read at most.
        now: The moment; the machine's clock by default.
        seen: Called with each certificate of the ledger.

    Raises:
        NoSuchStackError, StackUnfinishedError: There is no deployment to read.
    """
    now = now or datetime.now(UTC)
    deployment = find_deployment(session, stack_name)
    pipeline = Pipeline(session, stack_name, now)
    return Snapshot(
        stack=stack_name,
        region=deployment.region,
        taken_at=now,
        quota_per_second=_quota(pipeline),
        ledger=read_part(partial(ledger.count, session, deployment, rows, seen)),
        decisions=read_part(partial(figures.decisions, session, deployment, now)),
        queues=read_part(partial(parts.queues, pipeline)),
        cas=read_part(partial(parts.cas, session, deployment)),
        crls=read_part(partial(parts.crls, session, deployment, pipeline)),
        alarms=read_part(partial(parts.active_alarms, session, deployment)),
        errors=read_part(partial(parts.errors, session, deployment, now)),
        log_groups=tuple(group for each in parts.LOG_GROUPS if (group := deployment.get(each))),
    )


def fleet(
    session: "boto3.Session",
    stack_name: str,
    rows: int = ALL_ROWS,
    now: datetime | None = None,
    seen: Callable[[Certificate], object] = lambda _: None,
) -> Fleet:
    """Read a deployment with the last 24 hours and AWS's quotas; the arguments are those of `snapshot`.

    Raises:
        NoSuchStackError, StackUnfinishedError: There is no deployment to read.
    """
    now = now or datetime.now(UTC)
    taken = snapshot(session, stack_name, rows, now, seen)
    deployment = find_deployment(session, stack_name)
    return Fleet(
        snapshot=taken,
        history=read_part(partial(history, session, deployment, now)),
        quotas=read_part(partial(quotas, session)),
    )


def waiting(
    session: "boto3.Session", stack_name: str, rows: int = ALL_ROWS, now: datetime | None = None
) -> Waiting:
    """Read only what says which devices are not in, and why; the arguments are those of `snapshot`.

    Raises:
        NoSuchStackError, StackUnfinishedError: There is no deployment to read.
    """
    now = now or datetime.now(UTC)
    deployment = find_deployment(session, stack_name)
    pipeline = Pipeline(session, stack_name, now)
    return Waiting(
        ledger=read_part(partial(ledger.count, session, deployment, rows)),
        queues=read_part(partial(parts.queues, pipeline)),
        activated_per_second=read_part(partial(figures.activated_per_second, session, deployment, now)),
        quota_per_second=_quota(pipeline),
    )


def _quota(pipeline: Pipeline) -> float | None:
    try:
        return pipeline.activator.activations_per_second if pipeline.activator else None
    except CannotTellError:
        return None
