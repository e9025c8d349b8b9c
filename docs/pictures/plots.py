"""Plots of the results in `bench`: `storm/results`, `crl-results.json`, `reconnects-results.json`.

The same figures make the same bytes: no date, and names inside the SVG that do not depend on the run.
"""

import io
import json
import re
from collections.abc import Iterable
from itertools import accumulate, groupby
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.storm.model import Storm
from bench.storm.results import ACTIVATIONS_PER_SECOND, Result, load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BENCH = Path(__file__).parents[2] / "bench"
CALLS_OF_AN_ACTIVATION = 3
"""DescribeCertificate, AttachPolicy, UpdateCertificate: the least there can be."""
_LABELS = {
    "ours": "this pipeline",
    "no-stale-check": "without its stale-event check",
    "recipe": "the plain recipe (Lambda: a stand-in)",
}
_COLOURS = {"ours": "#2563eb", "no-stale-check": "#d97706", "recipe": "#dc2626"}
_MARKERS = {"rude": "o", "polite": "s"}
_PALE = "#6b7280"
_CLIP = re.compile(r"\bp[0-9a-f]{10}\b")
STYLE = {
    "svg.hashsalt": "iot-jitr",
    "svg.fonttype": "none",  # as text, in the reader's font: smaller, and searchable
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
}


def storm() -> str:
    """Time until the last device is active, and calls a device, by the size of the fleet."""
    results = load(BENCH / "storm" / "results")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 5.6), layout="constrained")
        # Room beside the plots: the reader's font may be wider than the one that this is laid out with.
        figure.get_layout_engine().set(w_pad=0.2)
        time, calls = figure.subplots(1, 2)
        _times(time, results)
        _calls(calls, results)
        for axes in (time, calls):
            axes.set_xticks(_sizes(results), [f"{size:,}" for size in _sizes(results)], minor=False)
            axes.set_xticks([], minor=True)
            axes.set(xlabel="devices")
        figure.legend(*time.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
        return svg(figure, "A fleet switched on at once: time until the last is active, calls a device")


def look_up() -> str:
    """How long one look-up takes in a CRL, by its size."""
    results = json.loads((BENCH / "crl-results.json").read_text())["results"]
    entries = [each["entries"] for each in results]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for key, label, colour in (
            ("plain_look_up_us", "cryptography, from the CRL", _COLOURS["recipe"]),
            ("warm_look_up_us", "this pipeline, from its index", _COLOURS["ours"]),
        ):
            axes.loglog(entries, [each[key] for each in results], "o-", color=colour, label=label)
        axes.set_xticks(entries, [f"{size:,}" for size in entries])
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set(xlabel="entries of the CRL", ylabel="one look-up, µs", ylim=(1, None))
        axes.legend(frameon=False)
        return svg(figure, "One look-up in a CRL, by its size")


def reconnects() -> str:
    """How many revoked devices are admitted during a sweep's backlog, with a guard and without."""
    results = json.loads((BENCH / "reconnects-results.json").read_text())
    found = results["reconnects"]
    at = [0.0, *(each["after"] for each in found)]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 4), layout="constrained")
        axes = figure.subplots()
        for key, label, colour, line in (
            (None, "reconnected", _PALE, ":"),
            ("unguarded", "admitted at the account's own endpoint", _COLOURS["recipe"], "-"),
            ("guarded", "admitted at the guarded domain", _COLOURS["ours"], "-"),
        ):
            so_far = [0, *accumulate(1 if key is None else int(each[key]) for each in found)]
            axes.step(at, so_far, line, where="post", color=colour, label=label)
        axes.set(
            xlabel=f"seconds since the index of {results['revoked']:,} revoked devices was published",
            ylabel="devices",
            ylim=(-0.02 * len(found), None),
        )
        axes.legend(frameon=False)
        return svg(
            figure,
            "Revoked devices that reconnect during a sweep's backlog, with the connect guard and without",
        )


def _times(axes: "Axes", results: list[Result]) -> None:
    sizes = _sizes(results)
    ideal = [size / ACTIVATIONS_PER_SECOND for size in sizes]
    model = [Storm(size, ACTIVATIONS_PER_SECOND).seconds for size in sizes]
    axes.loglog(sizes, ideal, ":", color=_PALE, label="ideal: the quota, used up")
    axes.loglog(sizes, model, "--", color=_COLOURS["ours"], label="this pipeline, predicted")
    for label, style, runs in _series(results):
        done = [(run.devices, run.seconds_to_last) for run in runs if run.seconds_to_last is not None]
        axes.plot(*zip(*done, strict=True) if done else ([], []), label=label, **style)
        left = [(run.devices, run.seconds_observed) for run in runs if run.seconds_to_last is None]
        if left:
            axes.plot(*zip(*left, strict=True), **{**style, "marker": "^", "linestyle": ""})
            axes.annotate("▲ some were not active yet", (0.02, 0.94), xycoords="axes fraction", color=_PALE)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set(ylabel="seconds until the last is active")


def _calls(axes: "Axes", results: list[Result]) -> None:
    sizes = _sizes(results)
    axes.semilogx(sizes, [CALLS_OF_AN_ACTIVATION] * len(sizes), ":", color=_PALE)
    for _, style, runs in _series(results):
        axes.plot([run.devices for run in runs], [run.calls_per_device for run in runs], **style)
    axes.set(ylabel="AWS IoT calls a device", ylim=(0, None))


def _sizes(results: Iterable[Result]) -> list[int]:
    """From the least measured fleet to the largest, and those that have been predicted beyond."""
    return sorted({run.devices for run in results} | {100, 2000})


def _series(results: list[Result]) -> list[tuple[str, dict[str, str], list[Result]]]:
    """The runs of one kind together, with how they are called and drawn."""

    def kind(run: Result) -> tuple[str, str, bool]:
        return run.system, run.behaviour, run.real_devices

    series = []
    for (system, behaviour, real), runs in groupby(
        sorted(results, key=lambda r: (*kind(r), r.devices)), kind
    ):
        crowd = "TLS clients" if real else "injected events"
        style = {
            "color": _COLOURS.get(system, _PALE),
            "marker": _MARKERS.get(behaviour, "D"),
            "markerfacecolor": _COLOURS.get(system, _PALE) if real else "none",
            "linestyle": "-",
        }
        series.append((f"{_LABELS.get(system, system)}, {behaviour}, {crowd}", style, list(runs)))
    return series


def svg(figure: Figure, title: str) -> str:
    """The figure as SVG: the same figure makes the same bytes."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata={**nothing, "Title": title})
    # Without the prologue, which names a document type definition on the web.
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    # matplotlib names a clip path by its corners to the last bit, which another machine computes otherwise.
    numbers = {name: f"clip{number}" for number, name in enumerate(dict.fromkeys(_CLIP.findall(text)))}
    return _CLIP.sub(lambda found: numbers[found[0]], text)
