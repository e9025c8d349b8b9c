"""What the demonstration prints: one picture on a terminal, lines elsewhere."""

import time
from collections.abc import Callable

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from iot_jitr_cli.demo.model import Demo, DeviceProgress, Expectation, Mark, RefusedDevice, Step

_TITLE_WIDTH = 24
_SECONDS_WIDTH = 7


def summary(demo: Demo) -> list[str]:
    """What was expected, whether it was met, and the result."""
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


class Picture:
    """Draws a demonstration, with signs that the terminal can show."""

    def __init__(self, demo: Demo, console: Console, clock: Callable[[], float] = time.time) -> None:
        plain = console.options.ascii_only
        self._demo = demo
        self._clock = clock
        self._done, self._failed = ("ok", "x") if plain else ("✓", "✗")
        self._spinner = Spinner("line" if plain else "dots", style="cyan")

    def draw(self) -> RenderableType:
        """What a terminal shows at this moment."""
        demo = self._demo
        parts: list[RenderableType] = [
            Text("AWS IoT just-in-time registration, on the local cloud", style="bold"),
            self._steps(demo.preparation),
        ]
        if demo.devices:
            parts.append(self._devices(demo.devices))
        if demo.refused:
            parts.append(self._refused(demo.refused))
        if demo.revocation:
            parts.append(self._steps(demo.revocation))
        if demo.expectations:
            parts.append(self._expectations(demo.expectations))
        if demo.clean_up:
            parts.append(self._steps(demo.clean_up))
        if demo.seconds is not None:
            parts.append(Text(result(demo), style="bold green" if demo.succeeded else "bold red"))
        spaced = [each for part in parts for each in (part, Text())][:-1]
        return Padding(Group(*spaced), (1, 2))

    def _steps(self, steps: list[Step]) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=2)
        table.add_column(min_width=_TITLE_WIDTH)
        table.add_column(justify="right", min_width=_SECONDS_WIDTH)
        table.add_column(style="dim")
        for step in steps:
            if step.seconds is None:
                sign: RenderableType = self._spinner
                seconds = Text(f"{max(0.0, self._clock() - step.started_at):.1f} s", style="cyan")
            else:
                sign, seconds = Text(self._done, style="green"), Text(f"{step.seconds:.1f} s")
            table.add_row(sign, step.title, seconds, step.detail)
        return table

    def _devices(self, devices: list[DeviceProgress]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
        table.add_column("device", style="bold", no_wrap=True)
        for mark in Mark:
            table.add_column(mark.value, justify="right", no_wrap=True, min_width=11)
        for device in devices:
            table.add_row(device.name, *(self._cell(device, mark) for mark in Mark))
        return table

    def _cell(self, device: DeviceProgress, mark: Mark) -> RenderableType:
        at = device.marks.get(mark)
        if at is not None:
            style = "bold green" if mark is Mark.PUBLISHED else "green"
            return Text(f"{self._done} {at:5.2f} s", style=style)
        awaited = next((each for each in Mark if each not in device.marks), None)
        return self._spinner if mark is awaited else Text("")

    def _refused(self, devices: list[RefusedDevice]) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=2)
        table.add_column(style="bold", no_wrap=True)
        table.add_column()
        for device in devices:
            sign = Text(self._failed, style="red") if device.reason else self._spinner
            text = Text(device.about)
            if device.reason:
                text.append(f"\n{device.reason}", style="red")
            table.add_row(sign, device.name, text)
        return table

    def _expectations(self, expectations: list[Expectation]) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(width=2)
        table.add_column()
        for each in expectations:
            sign, style = (self._done, "green") if each.met else (self._failed, "red")
            table.add_row(Text(sign, style=style), Text(_claim(each), style="" if each.met else style))
        return table


def _claim(expectation: Expectation) -> str:
    seen = f" (seen: {expectation.seen})" if expectation.seen and not expectation.met else ""
    return f"{expectation.claim}{seen}"
