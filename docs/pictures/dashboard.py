"""Draw the dashboard that is deployed, with the metrics of a real run of the demo (`measured.json`).

Rows, titles, units and metrics are those of the deployed dashboard. Only the time is another: the demo takes
seconds, so a point is a second and not five minutes, and the quota's line is that of a second.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import aws_cdk as cdk
import matplotlib as mpl
from matplotlib.figure import Figure
from measured import load
from plots import STYLE, svg

from iot_jitr import CaConfiguration, CrlBucket, JitrPipeline, SecretSigner
from iot_jitr.observability import Panel, layout
from iot_jitr.observability.metrics import FIVE_MINUTES
from iot_jitr_cli.pki.authority import DevelopmentCa

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = ("#2563eb", "#16a34a", "#d97706", "#dc2626", "#7c3aed", "#0891b2", "#be185d")
_PALE = "#6b7280"
_ALARMS_A_LINE = 6
_NOTHING_WRITTEN = "nothing written in this run"
_OF_AWS = "AWS's own metric, which the local cloud lacks"


@dataclass(frozen=True)
class Deployed:
    """What of a pipeline the dashboard shows."""

    rows: dict[str, list[Panel]]
    alarms: tuple[str, ...]
    dead_letters: str
    """Name of the dead-letter queue, as the template has it."""


def deployed() -> Deployed:
    """The dashboard of a pipeline with one CA that has a CRL, as the demo deploys it."""
    with TemporaryDirectory() as folder:
        app = cdk.App(outdir=folder, context={"aws:cdk:bundling-stacks": []})
        ca = CaConfiguration(
            name="Factory",
            certificate=DevelopmentCa.create("Factory CA").certificate.pem,
            signer=SecretSigner("factory-ca-key"),
            revocation=CrlBucket(),
        )
        pipeline = JitrPipeline(cdk.Stack(app, "Fleet"), "Jitr", cas=[ca])
        rows = layout(pipeline.observability.watched)
        alarms = tuple(pipeline.observability.alarms.alarms)
        return Deployed(rows, alarms, pipeline.queues.dead_letters.queue_name)


def drawn(dashboard: Deployed, measured: dict[str, Any] | None = None) -> str:
    """The dashboard as SVG."""
    measured = measured or load()
    columns = max(map(len, dashboard.rows.values()))
    with mpl.rc_context({**STYLE, "font.size": 9}):
        rows = len(dashboard.rows)
        figure = Figure(figsize=(12, 2.5 * rows + 2), layout="constrained")
        parts = figure.subfigures(rows + 2, 1, height_ratios=[0.8, *[2.5] * rows, 0.9])
        _alarms(parts[0], dashboard.alarms)
        for part, (question, panels) in zip(parts[1:-1], dashboard.rows.items(), strict=True):
            part.suptitle(question, fontsize=13, x=0.01, ha="left")
            for axes, panel in zip(part.subplots(1, columns), panels, strict=True):
                _panel(axes, panel, measured, dashboard.dead_letters)
        _refusals(parts[-1], measured)
        return svg(figure, f"The dashboard with the metrics of a demo of {measured['devices']} devices")


def _alarms(part: Any, alarms: Iterable[str]) -> None:
    names = list(alarms)
    lines = [names[start : start + _ALARMS_A_LINE] for start in range(0, len(names), _ALARMS_A_LINE)]
    part.suptitle("Alarms: one field each, green or red", fontsize=13, x=0.01, ha="left")
    for number, line in enumerate(lines):
        for place, name in enumerate(line):
            part.text(0.02 + place / _ALARMS_A_LINE, 0.55 - number * 0.22, name, fontsize=8, color=_PALE)


def _panel(axes: "Axes", panel: Panel, measured: dict[str, Any], dead_letters: str) -> None:
    found = _lines(panel, measured, dead_letters)
    seconds = _seconds(measured)
    if found and panel.stacked:
        axes.stackplot(
            seconds, list(found.values()), labels=list(found), colors=_COLOURS, alpha=0.85, step="post"
        )
    for (label, values), colour in zip(found.items(), _COLOURS, strict=False):
        if not panel.stacked:
            axes.plot(seconds, values, marker=".", markersize=3, label=label, color=colour)
    if panel.line is not None:
        value, label = panel.line
        axes.axhline(value / FIVE_MINUTES.to_seconds(), color=_PALE, linestyle="--", linewidth=1)
        axes.annotate(label, (0.02, 0.9), xycoords="axes fraction", color=_PALE, fontsize=8)
    if found:
        axes.legend(frameon=False, fontsize=7, loc="best")
    else:
        of_aws = all(getattr(metric, "namespace", "").startswith("AWS/") for metric in panel.metrics)
        text = _OF_AWS if of_aws else _NOTHING_WRITTEN
        axes.annotate(text, (0.5, 0.5), xycoords="axes fraction", color=_PALE, ha="center", fontsize=8)
        axes.set_yticks([])
    axes.set_title(panel.title, fontsize=10, loc="left")
    axes.set_ylabel(panel.unit.replace("in 5 minutes", "a second").replace("an hour", "a second"), fontsize=8)
    axes.set_xlim(min(seconds), max(seconds) + 1)
    axes.set_ylim(0, max(axes.get_ylim()[1] * 1.25, 1))


def _seconds(measured: dict[str, Any]) -> list[int]:
    """From just before the first activation to the end of the run."""
    last = max(each["at"] for each in measured["metrics"])
    return list(range(-2, int(last) + 2))


def _lines(panel: Panel, measured: dict[str, Any], dead_letters: str) -> dict[str, list[float]]:
    """The lines of a panel for which there is data, by their labels."""
    found: dict[str, list[float]] = {}
    for metric in panel.metrics:
        if hasattr(metric, "metric_name"):
            label = metric.label or metric.metric_name
            values = _values(measured, metric.metric_name, metric.statistic, _wanted(metric, dead_letters))
            if values is not None:
                found[label.replace("ApproximateNumberOfMessages", "")] = values
        else:  # a search over the reasons
            reasons = {each["reason"] for each in measured["metrics"] if each["name"] == "Decisions"}
            for reason in sorted(reasons):
                values = _values(measured, "Decisions", "Sum", {"reason": reason})
                if values is not None:
                    found[reason] = values
    return found


def _wanted(metric: Any, dead_letters: str) -> dict[str, str]:
    dimensions = {name: str(value) for name, value in (metric.dimensions or {}).items()}
    if "QueueName" in dimensions:
        return {"queue": "dead letters" if dimensions["QueueName"] == dead_letters else "activation"}
    return {"reason": dimensions["reason"]} if "reason" in dimensions else {}


def _values(
    measured: dict[str, Any], name: str, statistic: str, wanted: dict[str, str]
) -> list[float] | None:
    """A value for each second; None if the run wrote none."""
    by_second: dict[int, list[float]] = defaultdict(list)
    for each in measured["metrics"]:
        if each["name"] == name and wanted.items() <= each.items():
            by_second[int(each["at"] // 1)].append(each["value"])
    if not by_second:
        return None
    nothing = 0.0 if statistic in {"Sum", "SampleCount"} else float("nan")
    return [_statistic(by_second[at], statistic) if at in by_second else nothing for at in _seconds(measured)]


def _statistic(values: list[float], statistic: str) -> float:
    if statistic == "Sum":
        return sum(values)
    if statistic == "Average":
        return sum(values) / len(values)
    if statistic in {"Maximum", "Minimum"}:
        return max(values) if statistic == "Maximum" else min(values)
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * float(statistic[1:]) / 100))]


def _refusals(part: Any, measured: dict[str, Any]) -> None:
    part.suptitle("Last refusals: reason, common name, detail", fontsize=13, x=0.01, ha="left")
    for number, each in enumerate(measured["refusals"]):
        for place, name in ((0.02, "reason"), (0.14, "common_name"), (0.28, "detail")):
            part.text(place, 0.5 - number * 0.25, str(each[name]), fontsize=9, color=_PALE)
