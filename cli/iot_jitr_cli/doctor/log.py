"""The last failure that a function's log reports."""

import json
from itertools import islice
from typing import TYPE_CHECKING

from iot_jitr_cli.doctor.pipeline import RECENT, Pipeline
from iot_jitr_cli.doctor.reading import aws_call

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

_FAILURES = ("ERROR", '"Task timed out"', '"Runtime exited"')
"""CloudWatch Logs filters for the failures that Python, this project's logger and Lambda write."""
_DECISION = '"correlation_id"'
"""A text that each line about a decision contains."""
_PAGES = 5
"""Maximum number of log pages to read for each filter."""


def last_error(pipeline: Pipeline, log_group: str) -> str | None:
    """The last failure in a function's log, or None. A failure before the last decision does not count.

    Only the last 15 minutes are read.

    Raises:
        UndeterminedError: The log cannot be read.
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
    """Whether a line that matches a filter reports a failure.

    A structured line of a lower level may contain another service's error, and a metric line (EMF) a reason.
    """
    try:
        found = json.loads(line)
        return "_aws" not in found and found.get("level", "ERROR") in {"ERROR", "CRITICAL"}
    except (ValueError, AttributeError, TypeError):
        return True
