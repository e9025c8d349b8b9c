"""Make the pictures of README and docs: `make pictures`.

Arguments: nothing for all of them, or the names of those to make (`demo`, `dashboard`, `storm`, `look-up`).
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
    """The layout of the dashboard."""
    from dashboard import drawn, rows  # noqa: PLC0415  only what is asked for is imported

    return drawn(rows())


def storm() -> str:
    """The benchmark of a whole fleet switched on at once."""
    import plots  # noqa: PLC0415  only what is asked for is imported

    return plots.storm()


def look_up() -> str:
    """The benchmark of the look-up in a CRL."""
    import plots  # noqa: PLC0415  only what is asked for is imported

    return plots.look_up()


PICTURES = {"demo": demo, "dashboard": dashboard, "storm": storm, "look-up": look_up}


def main(names: list[str]) -> int:
    """Make the pictures of these names, or all."""
    for name in names or PICTURES:
        if name not in PICTURES:
            sys.stderr.write(f"no picture '{name}'; there are {', '.join(PICTURES)}\n")
            return 2
        file = FOLDER / f"{name}.svg"
        file.write_text(PICTURES[name]())
        print(f"{file}: {file.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
