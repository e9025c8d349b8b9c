"""The last 24 hours, in quarters of an hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.status.figures import STEP, STEPS, History, Series, history
from iot_jitr_cli.status.page.plots import HEIGHT, hourly, plots
from tests.support.doctor_account import DiagnosedDevice

NOW = datetime(2026, 6, 1, 12, 7, tzinfo=UTC)
END = datetime(2026, 6, 1, 12, 15, tzinfo=UTC)


def test_each_value_is_in_its_step_and_missing_values_stay_missing() -> None:
    first, last = END - STEPS * STEP, END - STEP
    found = {0: {last: 7.0, first: 3.0}, 3: {END: 9.0, first + STEP: 5.0, first - STEP: 9.0}}

    def page(parameters: Any) -> Any:
        assert (parameters["StartTime"], parameters["EndTime"]) == (first, END)
        number = 3 if "NextToken" in parameters else 0
        values = found[number]
        more = {} if number else {"NextToken": "more"}
        result = {"Id": f"m{number}", "Timestamps": [*values], "Values": [*values.values()]}
        return {"MetricDataResults": [result], **more}

    read = history(pipeline(DiagnosedDevice().responding(cloudwatch_GetMetricData=page)))

    values = {each.id: each.values for each in read.series}
    assert read.begin == first
    assert {len(each) for each in values.values()} == {STEPS}
    assert (values["activated"][0], values["activated"][-1], values["activated"][1]) == (3.0, 7.0, None)
    assert [each for each in values["queue"] if each is not None] == [5.0]
    assert not read.empty
    assert history(pipeline(DiagnosedDevice())).empty


def pipeline(account: DiagnosedDevice) -> Pipeline:
    return Pipeline(account.session, "stack", NOW)


def day(*values: float | None, unit: str = "devices", summed: bool = True) -> Any:
    filled = (*values, *[None] * (STEPS - len(values)))
    return History(END - timedelta(days=1), (Series("a", "A", unit, filled, summed=summed),))


def test_bars_are_proportional_and_have_a_visible_minimum() -> None:
    (plot,) = plots(day(1000, 0, 500, None, 0.1))

    assert [(bar.x, bar.y, bar.height) for bar in plot.bars] == [
        (0, 0, HEIGHT),
        (2, HEIGHT / 2, HEIGHT / 2),
        (4, HEIGHT - 1.5, 1.5),
    ]
    assert plot.headline == "1,500"
    assert plot.note == "at most 1,000 in 15 min"
    assert plot.bars[0].caption == "31 12:15Z: 1,000"


def test_a_gauge_shows_its_largest_value() -> None:
    (plot,) = plots(day(30, 90, unit="s", summed=False))

    assert (plot.headline, plot.note) == ("at most 1 min 30 s", "")
    assert plots(day())[0].headline == "no figures"


def test_the_table_has_an_hour_in_each_row() -> None:
    rows = hourly(day(1, 2, None, 3, 4))

    assert rows[0] == ("31 12:15", ("6",))
    assert rows[1] == ("31 13:15", ("4",))
    assert rows[2][1] == ("none",)
    assert len(rows) == 24
