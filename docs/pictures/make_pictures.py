"""Make the pictures of README and docs: `make pictures`.

Arguments: nothing for all of them, or the names of those to make (`demo`, `dashboard`, `storm`, `look-up`,
`reconnects`, `fleet`, which takes Debian's package `chromium`); `measured` runs the demo with more devices
first, and keeps the metrics that the dashboard is drawn from.
"""

import sys
import tempfile
from functools import partial
from pathlib import Path

FOLDER = Path(__file__).parent
# The results of the benchmarks are read by the benchmarks' own code.
sys.path.append(str(FOLDER.parents[1]))
DEVICES = 5
DEVICES_OF_THE_FLEET = 36_000
FLEET_HEIGHT = 2150
"""Pixels: the page until after its plots."""


def demo() -> str:
    """The demo as it runs, recorded."""
    from recording import animated, record  # noqa: PLC0415  only what is asked for is imported

    with tempfile.TemporaryDirectory(prefix="jitr-pictures-") as folder:
        return animated(record(Path(folder) / "demo", DEVICES))


def dashboard() -> str:
    """The dashboard, with what the last recorded demo measured."""
    from dashboard import deployed, drawn  # noqa: PLC0415  only what is asked for is imported

    return drawn(deployed())


def plot(name: str) -> str:
    """A plot of the results of a benchmark, by the function of `plots` with this name."""
    import plots  # noqa: PLC0415  only what is asked for is imported

    return str(getattr(plots, name)())


def fleet() -> bytes:
    """The page of `jitr status --html` with an invented fleet, as a browser shows it."""
    from tests.support.browser import browser, open_page  # noqa: PLC0415  only what is asked for is imported
    from tests.support.fleet_page import written  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="jitr-pictures-") as folder:
        file = written(Path(folder) / "fleet.html", DEVICES_OF_THE_FLEET)
        with browser(Path(folder) / "profile") as running:
            return open_page(running, file, height=FLEET_HEIGHT).picture()


def measure() -> None:
    """Run the demo and keep its metrics."""
    from measured import record, save  # noqa: PLC0415  only what is asked for is imported

    with tempfile.TemporaryDirectory(prefix="jitr-pictures-") as folder:
        save(record(Path(folder) / "demo"))


PICTURES = {
    "demo": demo,
    "dashboard": dashboard,
    "storm": partial(plot, "storm"),
    "look-up": partial(plot, "look_up"),
    "reconnects": partial(plot, "reconnects"),
    "fleet": fleet,
}
"""What makes each picture: a drawing (SVG), or a photograph of a browser (WebP)."""


def main(names: list[str]) -> int:
    """Make the pictures of these names, or all."""
    for name in names or PICTURES:
        if name == "measured":
            measure()
            continue
        if name not in PICTURES:
            sys.stderr.write(f"no picture '{name}'; there are {', '.join(PICTURES)}\n")
            return 2
        made = PICTURES[name]()
        file = FOLDER / f"{name}.{'svg' if isinstance(made, str) else 'webp'}"
        file.write_bytes(made.encode() if isinstance(made, str) else made)
        print(f"{file}: {file.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
