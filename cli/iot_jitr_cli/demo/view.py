"""The output of the demonstration: one picture on a terminal, else lines."""

import time
from collections.abc import Callable, Iterable, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from iot_jitr_cli.demo.model import Demo, DeviceProgress, Expectation, Milestone, RefusedDevice, Step

_TITLE_WIDTH = 24


def summary(demo: Demo) -> list[str]:
    """The expectations, whether each was met, and the result."""
    return [f"{'ok' if each.met else 'NOT MET'}: {_claim(each)}" for each in demo.expectations] + [
        result(demo)
    ]


def result(demo: Demo) -> str:
    """The last line."""
    met = sum(expectation.met for expectation in demo.expectations)
    fleet = ""
    if demo.all_published_after is not None:
        fleet = f"{len(demo.devices)} devices published after {demo.all_published_after:.1f} s; "
    return f"{fleet}{met} of {len(demo.expectations)} expectations met; {demo.seconds or 0:.0f} s in all"


class DemoView:
    """Draws a demonstration, with symbols that the terminal can show."""

    def __init__(self, demo: Demo, console: Console, clock: Callable[[], float] = time.time) -> None:
        plain = console.options.ascii_only
        self._demo = demo
        self._clock = clock
        self._done, self._failed = ("ok", "x") if plain else ("✓", "✗")
        self._spinner = Spinner("line" if plain else "dots", style="cyan")

    def draw(self) -> RenderableType:
        """The picture at this moment."""
        demo = self._demo
        blocks = (
            self._grid(map(self._step, demo.preparation)),
            self._devices(demo.devices),
            self._grid(map(self._refused, demo.refused)),
            self._grid(map(self._step, demo.revocation)),
            self._grid(map(self._expectation, demo.expectations)),
            self._grid(map(self._step, demo.clean_up)),
        )
        parts: list[RenderableType] = [
            Text("AWS IoT just-in-time registration, on the local cloud", style="bold"),
            *(block for block in blocks if block.row_count),
        ]
        if demo.seconds is not None:
            parts.append(Text(result(demo), style="bold green" if demo.succeeded else "bold red"))
        spaced = [each for part in parts for each in (part, Text())][:-1]
        return Padding(Group(*spaced), (1, 2))

    @staticmethod
    def _grid(rows: Iterable[Sequence[RenderableType]]) -> Table:
        """Rows that begin with a symbol."""
        table = Table.grid(padding=(0, 2))
        table.add_column(width=2)
        for row in rows:
            table.add_row(*row)
        return table

    def _step(self, step: Step) -> Sequence[RenderableType]:
        if step.seconds is None:
            sign: RenderableType = self._spinner
            seconds, style = max(0.0, self._clock() - step.started_at), "cyan"
        else:
            sign, seconds, style = Text(self._done, style="green"), step.seconds, ""
        return (
            sign,
            f"{step.title:<{_TITLE_WIDTH}}",
            Text(f"{seconds:5.1f} s", style=style),
            Text(step.detail, style="dim"),
        )

    def _refused(self, device: RefusedDevice) -> Sequence[RenderableType]:
        text = Text(device.about)
        if device.reason:
            text.append(f"\n{device.reason}", style="red")
        sign = Text(self._failed, style="red") if device.reason else self._spinner
        return sign, Text(device.name, style="bold"), text

    def _expectation(self, expectation: Expectation) -> Sequence[RenderableType]:
        sign, style = (self._done, "green") if expectation.met else (self._failed, "red")
        return Text(sign, style=style), Text(_claim(expectation), style="" if expectation.met else style)

    def _devices(self, devices: list[DeviceProgress]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        table.add_column("device", style="bold", no_wrap=True)
        for mark in Milestone:
            table.add_column(mark.value, justify="right", no_wrap=True, min_width=11)
        for device in devices:
            table.add_row(device.name, *(self._cell(device, mark) for mark in Milestone))
        return table

    def _cell(self, device: DeviceProgress, mark: Milestone) -> RenderableType:
        at = device.marks.get(mark)
        if at is not None:
            style = "bold green" if mark is Milestone.PUBLISHED else "green"
            return Text(f"{self._done} {at:5.2f} s", style=style)
        awaited = next((each for each in Milestone if each not in device.marks), None)
        return self._spinner if mark is awaited else Text("")


def _claim(expectation: Expectation) -> str:
    seen = f" (seen: {expectation.seen})" if expectation.seen and not expectation.met else ""
    return f"{expectation.claim}{seen}"
