"""`python -m bench.storm.report` prints the measurements as the table of `docs/performance.md`."""

from collections.abc import Iterable

from bench.storm.results import RESULTS, Result, load
from bench.storm.systems import SYSTEMS

_NAMES = {"ours": "this pipeline", "no-stale-check": "without the check", "recipe": "plain recipe"}
_HEAD = (
    "run",
    "system",
    "active",
    "÷ ideal",
    "p50, p99",
    "events a device",
    "calls a device",
    "throttled",
    "peak queue",
    "left at the end",
    "empty after",
    "dead letters",
)


def measured(results: Iterable[Result]) -> str:
    """All runs, in Markdown: by size, behaviour and system."""
    order = list(SYSTEMS)
    rows = sorted(
        results,
        key=lambda r: (r.devices, not r.real_devices, r.behaviour == "polite", order.index(r.system)),
    )
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    return "\n".join([*lines, *(_line(_cells(result)) for result in rows)])


def _cells(result: Result) -> list[str]:
    real = ", real devices" if result.real_devices else ""
    return [
        f"{result.devices:,} {result.behaviour}{real}",
        _NAMES[result.system],
        f"{result.active:,}" if result.lost else "all",
        "not within the limit" if result.ratio is None else f"{result.ratio:.2f}",
        "-" if result.p50_seconds is None else f"{result.p50_seconds:.0f} s, {result.p99_seconds:.0f} s",
        f"{result.events_per_device:.1f}",
        f"{result.calls_per_device:.2f}",
        f"{result.throttled_calls:,}",
        f"{result.peak_waiting:,}",
        f"{result.left_at_last:,}",
        "not within the limit" if result.seconds_to_empty is None else f"{result.seconds_to_empty:.0f} s",
        f"{result.dead_letters:,}",
    ]


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print(measured(load(RESULTS)))
