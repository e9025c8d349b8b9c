"""The last failure that a function's log reports."""

import json
from itertools import islice
from typing import TYPE_CHECKING

from iot_jitr_cli.doctor.pipeline import RECENT, Pipeline
from iot_jitr_cli.doctor.reading import aws_call

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

_FAILURES = ("ERROR", '"Task timed out"', '"Runtime exited"')
"""CloudWatch Logs filters: what Python, our logger and Lambda write about a failure."""
_DECISION = '"correlation_id"'
"""What each line about a decision contains."""
_PAGES = 5
"""Pages of the log that are read at most, for each filter."""


def last_error(pipeline: Pipeline, log_group: str) -> str | None:
    """The last failure in a function's log, unless a certificate was decided about since; None: none.

    Only the last quarter of an hour is read.

    Raises:
        CannotTellError: The log cannot be read.
    """
    events = sorted(
        (event for pattern in _FAILURES for event in _log_events(pipeline, log_group, pattern)),
        key=lambda event: event["timestamp"],
    )
    errors = [event for event in events if _is_error(event["message"])]
    if not errors:
        return None
    last = errors[-1]
    decided = (event["timestamp"] for event in _log_events(pipeline, log_group, _DECISION))
    return None if max(decided, default=0) > last["timestamp"] else last["message"].strip()


def _log_events(pipeline: Pipeline, log_group: str, pattern: str) -> "list[FilteredLogEventTypeDef]":
    logs, start = pipeline.session.client("logs"), pipeline.now - RECENT
    pages = logs.get_paginator("filter_log_events").paginate(
        logGroupName=log_group, startTime=int(start.timestamp() * 1000), filterPattern=pattern
    )
    with aws_call("logs:FilterLogEvents"):
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
