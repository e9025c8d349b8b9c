"""The demonstration on a terminal: one picture that changes as things happen."""

import time
from typing import TYPE_CHECKING, Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from iot_jitr_cli.demo.model import DeviceProgress, Expectation, Mark, Outsider, Stage, Step
from iot_jitr_cli.demo.plain import verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

_FRAMES_PER_SECOND = 12
_TITLE_WIDTH = 24
_SECONDS_WIDTH = 7


class LivePicture:
    """An audience in front of a terminal. As a context manager it draws until the end of the block."""

    def __init__(self, console: Console, stage: Stage, clock: "Callable[[], float]" = time.monotonic) -> None:
        self._stage = stage
        self._symbols = Symbols(console, clock)
        self._live = Live(
            get_renderable=self._picture,
            console=console,
            refresh_per_second=_FRAMES_PER_SECOND,
            # The last frame is drawn in full; until then a fleet may be longer than the screen.
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        """Leave the last picture on the screen."""
        self._live.stop()

    def step_began(self, step: Step) -> None:
        """Note when, so that the time can be seen running."""
        self._symbols.began[id(step)] = self._symbols.clock()

    def step_ended(self, step: Step) -> None:
        """Nothing: the next frame shows it."""

    def mark_reached(self, device: DeviceProgress, mark: Mark) -> None:
        """Nothing: the next frame shows it."""

    def stayed_out(self, outsider: Outsider) -> None:
        """Nothing: the next frame shows it."""

    def _picture(self) -> RenderableType:
        return picture(self._stage, self._symbols)


class Symbols:
    """Signs that the terminal can show, and the clock of what is under way."""

    def __init__(self, console: Console, clock: "Callable[[], float]" = time.monotonic) -> None:
        self.clock = clock
        plain = console.options.ascii_only
        self.done = "ok" if plain else "✓"
        self.failed = "x" if plain else "✗"
        self.out = "x" if plain else "⛔"
        self.spinner = Spinner("line" if plain else "dots", style="cyan")
        self.began: dict[int, float] = {}


def picture(stage: Stage, symbols: Symbols) -> RenderableType:
    """All that is known at this moment."""
    parts: list[RenderableType] = [
        Text("AWS IoT just-in-time registration, on the local cloud", style="bold"),
        _steps(stage.steps, symbols),
    ]
    if stage.devices:
        parts.append(_devices(stage.devices, symbols))
    if stage.outsiders:
        parts.append(_outsiders(stage.outsiders, symbols))
    if stage.revocation:
        parts.append(_steps(stage.revocation, symbols))
    if stage.expectations:
        parts.append(_expectations(stage.expectations, symbols))
    if stage.clearing:
        parts.append(_steps(stage.clearing, symbols))
    if stage.seconds is not None:
        parts.append(_verdict(stage))
    return Padding(Group(*_spaced(parts)), (1, 2))


def _spaced(parts: list[RenderableType]) -> list[RenderableType]:
    return [each for part in parts for each in (part, Text())][:-1]


def _steps(steps: list[Step], symbols: Symbols) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=2)
    table.add_column(min_width=_TITLE_WIDTH)
    table.add_column(justify="right", min_width=_SECONDS_WIDTH)
    table.add_column(style="dim")
    now = symbols.clock()
    for step in steps:
        if step.seconds is None:
            running = now - symbols.began.get(id(step), now)
            table.add_row(symbols.spinner, step.title, Text(f"{running:.1f} s", style="cyan"), step.detail)
        else:
            table.add_row(Text(symbols.done, style="green"), step.title, f"{step.seconds:.1f} s", step.detail)
    return table


def _devices(devices: list[DeviceProgress], symbols: Symbols) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    table.add_column("device", style="bold", no_wrap=True)
    for mark in Mark:
        table.add_column(mark.value, justify="right", no_wrap=True, min_width=11)
    for device in devices:
        cells = [_cell(device, mark, symbols) for mark in Mark]
        table.add_row(device.name, *cells)
    return table


def _cell(device: DeviceProgress, mark: Mark, symbols: Symbols) -> RenderableType:
    at = device.marks.get(mark)
    if at is not None:
        style = "bold green" if mark is Mark.PUBLISHED else "green"
        return Text(f"{symbols.done} {at:5.2f} s", style=style)
    awaited = next((each for each in Mark if each not in device.marks), None)
    return symbols.spinner if mark is awaited else Text("")


def _outsiders(outsiders: list[Outsider], symbols: Symbols) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=2)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for outsider in outsiders:
        known = outsider.reason is not None
        sign = Text(symbols.failed, style="red") if known else symbols.spinner
        text = Text(outsider.story)
        if outsider.reason:
            text.append(f"\nstays out: {outsider.reason}", style="red")
        table.add_row(sign, outsider.name, text)
    return table


def _expectations(expectations: list[Expectation], symbols: Symbols) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(width=2)
    table.add_column()
    for expectation in expectations:
        table.add_row(*_expectation(expectation, symbols))
    return table


def _verdict(stage: Stage) -> Text:
    return Text(verdict(stage), style="bold green" if stage.succeeded else "bold red")


def _expectation(expectation: Expectation, symbols: Symbols) -> tuple[Text, Text]:
    if expectation.met:
        return Text(symbols.done, style="green"), Text(expectation.claim)
    seen = f" (seen: {expectation.seen})" if expectation.seen else ""
    return Text(symbols.failed, style="red"), Text(f"{expectation.claim}{seen}", style="red")
