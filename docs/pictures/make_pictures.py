"""Make the pictures of README and docs: `make pictures`.

Arguments: nothing for all of them, or the names of those to make (`demo`, `dashboard`, `storm`, `look-up`);
`measured` runs the demo with more devices first, and keeps the metrics that the dashboard is drawn from.
"""

import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
# The results of the benchmarks are read by the benchmarks' own code.
sys.path.append(str(FOLDER.parents[1]))
DEVICES = 5


def demo() -> str:
    """The demo as it runs, recorded."""
    from recording import animated, record  # noqa: PLC0415  only what is asked for is imported

    with tempfile.TemporaryDirectory(prefix="jitr-pictures-") as folder:
        return animated(record(Path(folder) / "demo", DEVICES))


def dashboard() -> str:
    """The dashboard, with what the last recorded demo measured."""
    from dashboard import deployed, drawn  # noqa: PLC0415  only what is asked for is imported

    return drawn(deployed())


def storm() -> str:
    """The benchmark of a whole fleet switched on at once."""
    import plots  # noqa: PLC0415  only what is asked for is imported

    return plots.storm()


def look_up() -> str:
    """The benchmark of the look-up in a CRL."""
    import plots  # noqa: PLC0415  only what is asked for is imported

    return plots.look_up()


def measure() -> None:
    """Run the demo and keep its metrics."""
    from measured import record, save  # noqa: PLC0415  only what is asked for is imported

    with tempfile.TemporaryDirectory(prefix="jitr-pictures-") as folder:
        save(record(Path(folder) / "demo"))


PICTURES = {"demo": demo, "dashboard": dashboard, "storm": storm, "look-up": look_up}


def main(names: list[str]) -> int:
    """Make the pictures of these names, or all."""
    for name in names or PICTURES:
        if name == "measured":
            measure()
            continue
        if name not in PICTURES:
            sys.stderr.write(f"no picture '{name}'; there are {', '.join(PICTURES)}\n")
            return 2
        file = FOLDER / f"{name}.svg"
        file.write_text(PICTURES[name]())
        print(f"{file}: {file.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
