"""Part of `make lock`: write the requirements on standard input into `[build-system]` of `pyproject.toml`."""

import re
import sys
from pathlib import Path


def with_requirements(pyproject: str, requirements: list[str]) -> str:
    """The text of `pyproject.toml` with these packages as the requirements of its build."""
    listed = "".join(f'  "{each}",\n' for each in requirements)
    pattern = r"(^\[build-system\]\n(?:[^\[].*\n)*?requires = \[\n)[^\]]*"
    return re.sub(pattern, lambda found: found[1] + listed, pyproject, count=1, flags=re.MULTILINE)


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "pyproject.toml"
    given = sys.stdin.read().splitlines()
    if not given:
        sys.exit("pyproject.toml stays as it is: no requirements of the build on standard input")
    path.write_text(with_requirements(path.read_text(), given))
