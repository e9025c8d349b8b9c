"""How many messages were decided, and how fast, as CloudWatch has it."""

from typing import Any

import pytest
from botocore.stub import ANY

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor.reading import CannotTellError
from iot_jitr_cli.status import figures
from tests.support import doctor_account as dc
from tests.support.doctor_cloud import NOW, Cloud
from tests.support.status_snapshot import DEPLOYMENT


def metric_answer(**sums: float) -> dict[str, Any]:
    names = ["Activated", "Refused", "Deferred", "DeadLettered", "Stale"]
    results = [
        {"Id": f"m{number}", "Values": [sums[name]] if name in sums else []}
        for number, name in enumerate(names)
    ]
    return {"MetricDataResults": results}


def test_decisions_are_counted_by_outcome_and_reason_and_the_rate_is_that_of_five_minutes(
    cloud: Cloud,
) -> None:
    reason = {"Id": "m5", "Values": [2.0, 1.0]}
    day = metric_answer(Activated=100, Refused=3)
    day["MetricDataResults"].append(reason)
    cloud.answers(
        "cloudwatch", "get_metric_data", day, {"MetricDataQueries": ANY, "StartTime": ANY, "EndTime": NOW}
    )
    cloud.answers("cloudwatch", "get_metric_data", metric_answer(Activated=600))

    found = figures.decisions(cloud, DEPLOYMENT, NOW)  # type: ignore[arg-type]

    assert found.outcomes == {"Activated": 100, "Refused": 3}
    assert list(found.reasons.values()) == [3]
    assert found.activated_per_second == 2.0


def test_no_figures_are_a_quiet_day(cloud: Cloud) -> None:
    for _ in range(2):
        cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})

    found = figures.decisions(cloud, DEPLOYMENT, NOW)  # type: ignore[arg-type]

    assert (found.outcomes, found.activated_per_second) == ({}, 0)


def test_a_stack_without_its_metrics_namespace_is_reported(cloud: Cloud) -> None:
    with pytest.raises(CannotTellError, match="deploy it again"):
        figures.decisions(cloud, Deployment("stack", dc.REGION, dc.OUTPUTS), NOW)  # type: ignore[arg-type]
