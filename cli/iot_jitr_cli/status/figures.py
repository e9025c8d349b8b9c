"""Counts: decisions from CloudWatch, and rows of the ledger by state."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor.facts.fact import CannotTellError, aws_call
from iot_jitr_cli.status.snapshot import DecisionCounts, LedgerCounts
from iot_jitr_runtime.ledger import KEY
from iot_jitr_runtime.metric_names import Dimension, Metric
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3

HOURS = 24
_RECENT = timedelta(minutes=5)
_OUTCOMES = (Metric.ACTIVATED, Metric.REFUSED, Metric.DEFERRED, Metric.DEAD_LETTERED, Metric.STALE)
_PAGE = 1000


def decisions(session: "boto3.Session", deployment: Deployment, now: datetime) -> DecisionCounts:
    """How the messages of the last day ended, as the metrics have it; what is missing did not happen.

    The local cloud makes no metrics of the functions' metric lines, so there nothing ever has.

    Raises:
        CannotTellError: CloudWatch cannot be read, or the stack has no output with the namespace of its
            metrics.
    """
    namespace = deployment.get(Output.METRICS_NAMESPACE)
    service = deployment.get(Output.SERVICE_NAME)
    if namespace is None or service is None:
        raise CannotTellError("the stack has no output with the namespace of its metrics: deploy it again")
    by_name = {each.value: _query(namespace, service, each, {}) for each in _OUTCOMES}
    by_reason = {
        reason.value: _query(namespace, service, Metric.DECISIONS, {Dimension.REASON.value: reason.value})
        for reason in Reason
    }
    day = _sums(session, {**by_name, **by_reason}, now - timedelta(hours=HOURS), now, period=3600)
    recent = _sums(
        session, {Metric.ACTIVATED.value: by_name[Metric.ACTIVATED.value]}, now - _RECENT, now, period=300
    )
    return DecisionCounts(
        hours=HOURS,
        outcomes={name: int(day[name]) for name in by_name if name in day},
        reasons={name: int(day[name]) for name in by_reason if day.get(name)},
        activated_per_second=sum(recent.values()) / _RECENT.total_seconds(),
    )


def ledger(session: "boto3.Session", deployment: Deployment, limit: int) -> LedgerCounts:
    """How many of the first `limit` rows are in which state; one read unit for each 8 KB.

    Raises:
        CannotTellError: The ledger cannot be read.
    """
    dynamodb, table = session.client("dynamodb"), deployment[Output.LEDGER_TABLE]
    states: Counter[str] = Counter()
    rows = 0
    start: dict[str, Any] = {}
    with aws_call("dynamodb:Scan"):
        while rows < limit:
            page: Any = dynamodb.scan(
                TableName=table,
                ProjectionExpression="#key, #state, reason",
                ExpressionAttributeNames={"#key": KEY, "#state": "state"},
                Limit=min(_PAGE, limit - rows),
                **start,
            )
            rows += page["ScannedCount"]
            states.update(_state(item) for item in page["Items"] if "state" in item)
            if "LastEvaluatedKey" not in page:
                return LedgerCounts(dict(states.most_common()), rows, complete=True)
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    return LedgerCounts(dict(states.most_common()), rows, complete=False)


def _state(item: Mapping[str, Any]) -> str:
    state = str(item["state"]["S"])
    reason = item.get("reason", {}).get("S")
    return f"{state}: {reason}" if reason and state in {"refused", "deferred"} else state


def _query(namespace: str, service: str, metric: Metric, more: Mapping[str, str]) -> dict[str, Any]:
    dimensions = {Dimension.SERVICE.value: service, **more}
    return {
        "Namespace": namespace,
        "MetricName": metric.value,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
    }


def _sums(
    session: "boto3.Session",
    metrics: Mapping[str, dict[str, Any]],
    start: datetime,
    end: datetime,
    *,
    period: int,
) -> dict[str, float]:
    """The sum of each metric that has figures, by its name."""
    names = list(metrics)
    queries = [
        {"Id": f"m{number}", "MetricStat": {"Metric": metrics[name], "Period": period, "Stat": "Sum"}}
        for number, name in enumerate(names)
    ]
    with aws_call("cloudwatch:GetMetricData"):
        pages = session.client("cloudwatch").get_paginator("get_metric_data")
        sums: dict[str, float] = {}
        for page in pages.paginate(MetricDataQueries=queries, StartTime=start, EndTime=end):  # type: ignore[arg-type]
            for result in page["MetricDataResults"]:
                if result["Values"]:
                    name = names[int(result["Id"][1:])]
                    sums[name] = sums.get(name, 0) + sum(result["Values"])
    return sums
