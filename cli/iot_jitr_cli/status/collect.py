"""Take a snapshot: each part by itself, so that a permission that is missing costs only its part."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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
    seen: Callable[[Certificate], object] = lambda _: None,
) -> Snapshot:
    """Read a deployment.

    Args:
        session: The caller's AWS.
        stack_name: Name of its stack.
        rows: How many rows of the ledger to read at most.
        seen: Called with each certificate of the ledger.

    Raises:
        CannotTellError: There is no deployment to read.
    """
    return _snapshot(_pipeline(session, stack_name), rows, seen)


def fleet(
    session: "boto3.Session",
    stack_name: str,
    rows: int = ALL_ROWS,
    seen: Callable[[Certificate], object] = lambda _: None,
) -> Fleet:
    """Read a deployment with the last 24 hours and AWS's quotas; like `snapshot`."""
    pipeline = _pipeline(session, stack_name)
    return Fleet(
        snapshot=_snapshot(pipeline, rows, seen),
        history=read_part(history, pipeline),
        quotas=read_part(quotas, session),
    )


def waiting(session: "boto3.Session", stack_name: str, rows: int = ALL_ROWS) -> Waiting:
    """Read only which devices are not active, and why; like `snapshot`."""
    pipeline = _pipeline(session, stack_name)
    return Waiting(
        ledger=read_part(ledger.count, session, pipeline.deployment, rows),
        queues=read_part(parts.queues, pipeline),
        activated_per_second=read_part(figures.activated_per_second, pipeline),
        quota_per_second=_quota(pipeline),
    )


def _pipeline(session: "boto3.Session", stack_name: str) -> Pipeline:
    return Pipeline(session, stack_name, datetime.now(UTC))


def _snapshot(pipeline: Pipeline, rows: int, seen: Callable[[Certificate], object]) -> Snapshot:
    deployment = pipeline.deployment
    return Snapshot(
        stack=pipeline.stack_name,
        region=deployment.region,
        taken_at=pipeline.now,
        quota_per_second=_quota(pipeline),
        ledger=read_part(ledger.count, pipeline.session, deployment, rows, seen),
        decisions=read_part(figures.decisions, pipeline),
        queues=read_part(parts.queues, pipeline),
        cas=read_part(parts.cas, pipeline),
        crls=read_part(parts.crls, pipeline),
        alarms=read_part(parts.active_alarms, pipeline),
        errors=read_part(parts.errors, pipeline),
        log_groups=parts.log_groups(deployment),
    )


def _quota(pipeline: Pipeline) -> float | None:
    try:
        return pipeline.activator.activations_per_second if pipeline.activator else None
    except CannotTellError:
        return None
