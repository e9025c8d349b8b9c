"""The activator: configuration, event source, errors and figures of the last quarter of an hour."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.doctor.facts.fact import fact
from iot_jitr_cli.doctor.facts.pipeline import PipelineFacts
from iot_jitr_runtime import environment
from iot_jitr_runtime.environment import ACCEPT_CA_CERTIFICATES
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_lambda.type_defs import EventSourceMappingConfigurationTypeDef
    from mypy_boto3_logs.type_defs import FilteredLogEventTypeDef

_RECENT = timedelta(minutes=15)
_FAILURES = ("ERROR", '"Task timed out"', '"Runtime exited"')
"""CloudWatch Logs filters: what Python, our logger and Lambda write about a failure."""
_DECISION = '"correlation_id"'
"""What each line about a decision contains."""
_PAGES = 5
"""Pages of the log that are read at most, for each filter."""


@dataclass(frozen=True)
class Activator:
    """The activator function as it is now."""

    name: str
    role_arn: str
    state: str
    last_update: str
    reason: str
    """The reason for that state, where Lambda gives one."""
    environment: Mapping[str, str]

    @property
    def activations_per_second(self) -> float | None:
        """Its limit of activations per second; None where it is not set."""
        value = self.environment.get(environment.ACTIVATIONS_PER_SECOND)
        return float(value) if value else None

    @property
    def cas_with_crl(self) -> frozenset[str]:
        """Ids of the CAs whose CRL it checks."""
        return frozenset(ca for ca, about in self._cas.items() if about.get("revocation") != "none")

    @property
    def ca_devices(self) -> frozenset[str]:
        """Ids of the CAs whose devices may present a CA certificate."""
        return frozenset(ca for ca, about in self._cas.items() if about.get(ACCEPT_CA_CERTIFICATES))

    @property
    def _cas(self) -> dict[str, Any]:
        return dict(json.loads(self.environment.get(environment.CAS, "{}")))


class FunctionFacts:
    """Facts about the activator."""

    def __init__(self, session: "boto3.Session", pipeline: PipelineFacts, now: datetime) -> None:
        self._session = session
        self._pipeline = pipeline
        self._now = now

    @fact("lambda:GetFunctionConfiguration")
    def activator(self) -> Activator | None:
        """The activator, None where it is gone."""
        functions = self._session.client("lambda")
        try:
            found = functions.get_function_configuration(
                FunctionName=self._pipeline.output(Output.ACTIVATOR_FUNCTION)
            )
        except functions.exceptions.ResourceNotFoundException:
            return None
        return Activator(
            name=found["FunctionName"],
            role_arn=found["Role"],
            state=found.get("State", "Active"),
            last_update=found.get("LastUpdateStatus", "Successful"),
            reason=found.get("StateReason") or found.get("LastUpdateStatusReason") or "",
            environment=found.get("Environment", {}).get("Variables", {}),
        )

    @fact("lambda:GetFunctionConcurrency")
    def reserved_concurrency(self) -> int | None:
        """How many instances of the activator may run; None where nothing is reserved."""
        name = self._pipeline.output(Output.ACTIVATOR_FUNCTION)
        answer = self._session.client("lambda").get_function_concurrency(FunctionName=name)
        return answer.get("ReservedConcurrentExecutions")

    @fact("lambda:ListEventSourceMappings")
    def event_source(self) -> "EventSourceMappingConfigurationTypeDef | None":
        """The mapping from the activation queue to the activator, None where there is none."""
        queue = self._pipeline.activation_queue
        pages = self._session.client("lambda").get_paginator("list_event_source_mappings")
        found = pages.paginate(FunctionName=self._pipeline.output(Output.ACTIVATOR_FUNCTION))
        mappings = (mapping for page in found for mapping in page["EventSourceMappings"])
        return next((m for m in mappings if queue and m.get("EventSourceArn") == queue.arn), None)

    @fact("logs:FilterLogEvents")
    def last_error(self) -> str | None:
        """The last failure that the activator reports, unless it has decided about a certificate since.

        Looked for in the last quarter of an hour.
        """
        return last_error_of(self._session, self._pipeline.output(Output.ACTIVATOR_LOG_GROUP), self._now)

    @fact("cloudwatch:GetMetricData")
    def recent(self) -> Mapping[str, float]:
        """Figures of the last quarter of an hour: `errors`, `throttles`, `oldest_message_seconds`.

        A figure that CloudWatch does not have is missing.
        """
        function, queue = (
            self._pipeline.output(Output.ACTIVATOR_FUNCTION),
            self._pipeline.output(Output.ACTIVATION_QUEUE_URL),
        )
        of_function = {"FunctionName": function}
        of_queue = {"QueueName": queue.rsplit("/", 1)[-1]}
        answer = self._session.client("cloudwatch").get_metric_data(
            MetricDataQueries=[
                _metric("errors", "AWS/Lambda", "Errors", of_function, "Sum"),
                _metric("throttles", "AWS/Lambda", "Throttles", of_function, "Sum"),
                _metric(
                    "oldest_message_seconds", "AWS/SQS", "ApproximateAgeOfOldestMessage", of_queue, "Maximum"
                ),
            ],
            StartTime=self._now - _RECENT,
            EndTime=self._now,
        )
        return {
            result["Id"]: sum(result["Values"])
            if result["Id"] != "oldest_message_seconds"
            else result["Values"][0]
            for result in answer["MetricDataResults"]
            if result["Values"]
        }


def last_error_of(session: "boto3.Session", log_group: str, now: datetime) -> str | None:
    """The last failure in a function's log, unless a certificate was decided about since; None: none.

    Looked for in the last quarter of an hour before `now`. Botocore's errors propagate.
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
        startTime=int((now - _RECENT).timestamp() * 1000),
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


def _metric(name: str, namespace: str, metric: str, dimensions: Mapping[str, str], statistic: str) -> Any:
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace,
                "MetricName": metric,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            },
            "Period": 60,
            "Stat": statistic,
        },
    }
