"""Make the pictures of README and docs: `make pictures`.

Arguments: nothing for all of them, or the names of those to make (`demo`, `dashboard`).
"""

import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent
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


PICTURES = {"demo": demo, "dashboard": dashboard}


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
