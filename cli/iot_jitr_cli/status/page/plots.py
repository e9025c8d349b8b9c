"""The last 24 hours as bars: a plot with a headline for each metric, and a table of all metrics."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from iot_jitr_cli.durations import in_words
from iot_jitr_cli.status.figures import STEP, STEPS, History, Series

HEIGHT = 100
"""Height of a plot, in units of its drawing; a step is one unit wide."""
_STEPS_AN_HOUR = timedelta(hours=1) // STEP
_MIN_HEIGHT = 1.5
"""Smallest height of a value above 0; a lower bar would be invisible."""


@dataclass(frozen=True)
class Bar:
    """One step of a plot."""

    x: int
    y: float
    height: float
    caption: str
    """Its time and value in words."""


@dataclass(frozen=True)
class Plot:
    """The plot of one metric over the day."""

    id: str
    title: str
    headline: str
    """Its total or its largest value in words."""
    note: str
    """The largest value of a step, if the headline is the total."""
    bars: tuple[Bar, ...]


def plots(history: History) -> tuple[Plot, ...]:
    """One plot for each metric."""
    return tuple(_plot(each, history.begin) for each in history.series)


def hourly(history: History) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The table of the same values: for each hour its beginning, and each metric's value in words."""
    rows = []
    for first in range(0, STEPS, _STEPS_AN_HOUR):
        hour = slice(first, first + _STEPS_AN_HOUR)
        totals = [(each, each.total(hour)) for each in history.series]
        values = tuple("none" if total is None else each.in_words(total) for each, total in totals)
        rows.append((f"{history.begin + first * STEP:%d %H:%M}", values))
    return tuple(rows)


def _plot(series: Series, begin: datetime) -> Plot:
    top = max((value for value in series.values if value is not None), default=0)
    bars = tuple(
        _bar(place, value / top, f"{begin + place * STEP:%d %H:%M}Z: {series.in_words(value)}")
        for place, value in enumerate(series.values)
        if value
    )
    total = series.total()
    if total is None:
        headline, note = "no figures", ""
    elif series.summed:
        headline, note = series.in_words(total), f"at most {series.in_words(top)} in {in_words(STEP)}"
    else:
        headline, note = f"at most {series.in_words(total)}", ""
    return Plot(series.id, series.title, headline, note, bars)


def _bar(place: int, share: float, caption: str) -> Bar:
    height = round(max(share * HEIGHT, _MIN_HEIGHT), 2)
    return Bar(place, round(HEIGHT - height, 2), height, caption)
