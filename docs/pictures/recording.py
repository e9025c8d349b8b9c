"""Record `jitr demo` as it runs, and write the recording as one animated SVG, without scripts or fonts.

Each frame is what a terminal would show at that moment, drawn by rich's own `export_svg`. A style sheet shows
one after the other; what does not animate shows the last.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from iot_jitr_cli.demo.model import Demo
from iot_jitr_cli.demo.run import run_demo
from iot_jitr_cli.demo.view import DemoView

COLUMNS = 118
FRAMES = 18
"""Frames that are kept at most: the picture is part of a README."""
PLAY_SECONDS = 12.0
"""How long the run takes in the picture, however long it took; it shows the real times."""
HOLD_SECONDS = 6.0
"""How long the end stays before it begins anew."""
_APART_SECONDS = 0.2
_FONT = "text{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:20px}"
_FRAME = '<style>{styles}</style><g>{lines}</g><g class="{unique_id}-matrix">{backgrounds}{matrix}</g>'


@dataclass
class Recorder:
    """Keeps what a terminal would have shown."""

    demo: Demo
    clock: Callable[[], float] = time.time
    """Seconds since 1970."""
    frames: list[tuple[float, str]] = field(default_factory=list)
    """Seconds since the beginning, and the frame's SVG."""
    rows: int = 0
    """Lines of the tallest frame."""

    def __post_init__(self) -> None:
        self._began = self.clock()

    def look(self, *, always: bool = False) -> None:
        """Keep what a terminal would show now, unless the last frame is only a moment old."""
        at = self.clock() - self._began
        if not always and self.frames and at - self.frames[-1][0] < _APART_SECONDS:
            return
        console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
        console.print(DemoView(self.demo, console, self.clock).draw())
        unique = f"f{len(self.frames)}"
        text = console.export_text(clear=False)
        self.rows = max(self.rows, text.count("\n"))
        svg = console.export_svg(theme=MONOKAI, code_format=_FRAME, unique_id=unique)
        self.frames.append((at, svg))


def record(folder: Path, devices: int) -> Recorder:
    """Run the demo on a local cloud of its own and keep what it shows.

    Raises:
        RuntimeError: An expectation of the demo was not met.
    """
    demo = Demo()
    recorder = Recorder(demo)
    demo.on_change = lambda _line: recorder.look()
    run_demo(folder, devices, demo)
    recorder.look(always=True)
    if not demo.succeeded:
        raise RuntimeError("the demo did not succeed; nothing is recorded")
    return recorder


def chosen(frames: list[tuple[float, str]], most: int = FRAMES) -> list[tuple[float, str]]:
    """At most `most` of the frames: the first, the last, and what lies evenly between them in number."""
    if len(frames) <= most:
        return frames
    step = (len(frames) - 1) / (most - 1)
    return [frames[round(number * step)] for number in range(most)]


def animated(recorder: Recorder) -> str:
    """The recording as one SVG."""
    frames = chosen(recorder.frames)
    last = frames[-1][0] or 1.0
    total = PLAY_SECONDS + HOLD_SECONDS
    starts = [at / last * PLAY_SECONDS / total * 100 for at, _ in frames]
    rules, groups = [], []
    for number, (_, svg) in enumerate(frames):
        start = starts[number]
        end = starts[number + 1] if number + 1 < len(frames) else 100.0
        hidden = "" if number == 0 else f"0%,{start:.2f}%{{visibility:hidden}}"
        gone = "" if number + 1 == len(frames) else f"{end:.2f}%,100%{{visibility:hidden}}"
        rules.append(f"@keyframes k{number}{{{hidden}{start + 0.01:.2f}%{{visibility:visible}}{gone}}}")
        rules.append(f".k{number}{{animation:k{number} {total:.0f}s step-end infinite}}")
        still = "visible" if number + 1 == len(frames) else "hidden"
        groups.append(f'<g class="k{number}" visibility="{still}">{svg}</g>')
    width, height = COLUMNS * 12.2 + 40, recorder.rows * 24.4 + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img">'
        "<title>jitr demo: devices are refused at their first connect, activated, and publish</title>"
        f"<style>{''.join(rules)}{_FONT}</style>"
        f'<rect width="100%" height="100%" rx="10" fill="#0c0c0c"/>'
        f'<g transform="translate(20 20)">{"".join(groups)}</g></svg>\n'
    )
