"""The last failure that a function's log reports."""

import json
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from iot_jitr_cli.doctor.pipeline import RECENT

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

_FAILURES = ("ERROR", '"Task timed out"', '"Runtime exited"')
"""CloudWatch Logs filters: what Python, our logger and Lambda write about a failure."""
_DECISION = '"correlation_id"'
"""What each line about a decision contains."""
_PAGES = 5
"""Pages of the log that are read at most, for each filter."""


def last_error_of(session: "boto3.Session", log_group: str, now: datetime) -> str | None:
    """The last failure in a function's log, unless a certificate was decided about since; None: none.

    Only the last quarter of an hour before `now` is read. Botocore's errors propagate.
    """
    events = sorted(
        (event for pattern in _FAILURES for event in _log_events(session, log_group, now, pattern)),
        key=lambda event: event["timestamp"],
    )
    errors = [event for event in events if _is_error(event["message"])]
    if not errors:
        return None
    last = errors[-1]
    decided = (event["timestamp"] for event in _log_events(session, log_group, now, _DECISION))
    return None if max(decided, default=0) > last["timestamp"] else last["message"].strip()


def _log_events(
    session: "boto3.Session", log_group: str, now: datetime, pattern: str
) -> "list[FilteredLogEventTypeDef]":
    logs = session.client("logs")
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=log_group,
        startTime=int((now - RECENT).timestamp() * 1000),
        filterPattern=pattern,
    )
    try:
        return [event for page in islice(pages, _PAGES) for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def _is_error(line: str) -> bool:
    """Whether a line that mentions a failure reports one.

    A structured line of a lower level may mention another service's error, and metrics (EMF) a reason.
    """
    try:
        found = json.loads(line)
        return "_aws" not in found and found.get("level", "ERROR") in {"ERROR", "CRITICAL"}
    except (ValueError, AttributeError, TypeError):
        return True
