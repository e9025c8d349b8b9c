"""The last 24 hours, in quarters of an hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import ANY

from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor.reading import CannotTellError
from iot_jitr_cli.status.history import STEP, STEPS, History, Series, history
from iot_jitr_cli.status.page.plots import HEIGHT, hourly, plots
from tests.support import doctor_account as dc
from tests.support.doctor_cloud import Cloud
from tests.support.status_snapshot import DEPLOYMENT

NOW = datetime(2026, 6, 1, 12, 7, tzinfo=UTC)
END = datetime(2026, 6, 1, 12, 15, tzinfo=UTC)


def figures(name: str, *pairs: tuple[datetime, float]) -> dict[str, Any]:
    return {"Id": name, "Timestamps": [time for time, _ in pairs], "Values": [value for _, value in pairs]}


def test_each_value_is_put_into_its_step_and_what_is_missing_stays_missing(cloud: Cloud) -> None:
    first, last = END - STEPS * STEP, END - STEP
    cloud.answers(
        "cloudwatch",
        "get_metric_data",
        {"MetricDataResults": [figures("activated", (last, 7.0), (first, 3.0))], "NextToken": "more"},
        {"MetricDataQueries": ANY, "StartTime": first, "EndTime": END},
    )
    outside = figures("queue", (END, 9.0), (first + STEP, 5.0), (first - STEP, 9.0))
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": [outside]})

    found = history(cloud, DEPLOYMENT, NOW)  # type: ignore[arg-type]

    values = {each.id: each.values for each in found.series}
    assert found.begin == first
    assert {len(each) for each in values.values()} == {STEPS}
    assert (values["activated"][0], values["activated"][-1], values["activated"][1]) == (3.0, 7.0, None)
    assert [each for each in values["queue"] if each is not None] == [5.0]
    assert not found.empty


def test_a_day_without_figures_is_empty(cloud: Cloud) -> None:
    cloud.answers("cloudwatch", "get_metric_data", {"MetricDataResults": []})

    assert history(cloud, DEPLOYMENT, NOW).empty  # type: ignore[arg-type]


def test_a_stack_without_its_metrics_namespace_is_reported(cloud: Cloud) -> None:
    with pytest.raises(CannotTellError, match="deploy it again"):
        history(cloud, Deployment("stack", dc.REGION, dc.OUTPUTS), NOW)  # type: ignore[arg-type]


def day(*values: float | None, unit: str = "devices", summed: bool = True) -> Any:
    filled = (*values, *[None] * (STEPS - len(values)))
    return History(END - timedelta(days=1), (Series("a", "A", unit, filled, summed=summed),))


def test_bars_are_as_high_as_their_values_and_none_is_too_low_to_be_seen() -> None:
    (plot,) = plots(day(1000, 0, 500, None, 0.1))

    assert [(bar.x, bar.y, bar.height) for bar in plot.bars] == [
        (0, 0, HEIGHT),
        (2, HEIGHT / 2, HEIGHT / 2),
        (4, HEIGHT - 1.5, 1.5),
    ]
    assert plot.headline == "1,500"
    assert plot.note == "at most 1,000 in 15 min"
    assert plot.bars[0].says == "31 12:15Z: 1,000"


def test_gauges_show_their_largest_value() -> None:
    (plot,) = plots(day(30, 90, unit="s", summed=False))

    assert (plot.headline, plot.note) == ("at most 1 min 30 s", "")
    assert plots(day())[0].headline == "no figures"


def test_the_table_has_an_hour_in_each_row() -> None:
    rows = hourly(day(1, 2, None, 3, 4))

    assert rows[0] == ("31 12:15", ("6",))
    assert rows[1] == ("31 13:15", ("4",))
    assert rows[2][1] == ("none",)
    assert len(rows) == 24
