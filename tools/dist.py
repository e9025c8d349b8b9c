"""`make dist`: the wheel, the sdist and their bills of materials, checked as a user will install them.

The version is written once, in `pyproject.toml`. Everything is written into `dist/`.
"""

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.locks import FUNCTIONS, ROOT, closed_part
from tools.setup import Environment, SetupError

LIMIT_SECONDS = 600.0
"""Time limit of one command."""
PACKAGES = {
    "iot_jitr": "stacks",
    "iot_jitr_policy": "stacks",
    "iot_jitr_runtime": "lambda",
    "iot_jitr_cli": "cli",
}
"""Each import package of the wheel, with its source root."""
_IMPORTS = "import iot_jitr, iot_jitr_policy, iot_jitr_runtime, iot_jitr_cli"


class DistributionError(Exception):
    """A distribution is wrong; the message has the found and the expected state."""


@dataclass(frozen=True)
class Distributions:
    """The files that a release consists of."""

    wheel: Path
    sdist: Path
    bills_of_materials: tuple[Path, ...]


def build(folder: Path) -> Distributions:
    """Build wheel and sdist, and write the bills of materials of the wheel and of the asset (CycloneDX).

    Raises:
        DistributionError: A command failed.
    """
    _run(sys.executable, "-m", "hatchling", "build", "--directory", str(folder))
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    name = sdist.name.removesuffix(".tar.gz")
    with tempfile.TemporaryDirectory() as scratch:
        needed = Path(scratch) / "requirements.txt"
        needed.write_text(closed_part(["iot-jitr"]))
        bills = (
            _bill_of_materials(needed, folder / f"{name}-wheel.cdx.json"),
            _bill_of_materials(FUNCTIONS, folder / f"{name}-functions.cdx.json"),
        )
    return Distributions(wheel, sdist, bills)


def _bill_of_materials(lock: Path, written: Path) -> Path:
    """Write a bill of materials; `cyclonedx-py` validates it, and the same input gives the same bytes."""
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "library", "--output-reproducible"]
    _run(_tool("cyclonedx-py"), "requirements", *options, "-o", str(written), str(lock))
    return written


def check_description(built: Distributions) -> None:
    """Check the metadata and whether an index can render the description."""
    _run(_tool("twine"), "check", "--strict", str(built.wheel), str(built.sdist))


def check_contents(built: Distributions) -> None:
    """Check that both contain exactly the files under version control, without missing or additional files.

    Raises:
        DistributionError: A file is missing or unexpected; the message lists the files.
    """
    tracked = set(_run("git", "ls-files").splitlines())
    with zipfile.ZipFile(built.wheel) as archive:
        names = {name for name in archive.namelist() if not name.partition("/")[0].endswith(".dist-info")}
    expected = {
        path.removeprefix(f"{root}/")
        for package, root in PACKAGES.items()
        for path in tracked
        if path.startswith(f"{root}/{package}/")
    }
    _compare(built.wheel, names, expected)
    with tarfile.open(built.sdist) as archive:
        members = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
    _compare(built.sdist, members, tracked | {"PKG-INFO"})


def _compare(file: Path, found: set[str], expected: set[str]) -> None:
    if found != expected:
        raise DistributionError(
            f"{file.name} is not what is under version control. Missing: {sorted(expected - found)}. "
            f"Unexpected: {sorted(found - expected)}. Commit or delete it, or change [tool.hatch.build]"
        )


def check_installation(built: Distributions) -> None:
    """Install the wheel and then the sdist beside the locked requirements alone, and import each.

    Raises:
        SetupError: The requirements cannot be installed.
        DistributionError: One of the files cannot be installed or imported.
    """
    with tempfile.TemporaryDirectory() as scratch:
        environment = Environment(Path(scratch))
        environment.create()
        lock = Path(scratch) / "needed.lock"
        lock.write_text(closed_part(["iot-jitr"]))
        environment.install(lock)
        python = str(environment.python)
        for file in (built.wheel, built.sdist):
            _run(python, "-m", "pip", "install", "--quiet", "--no-deps", str(file))
            environment.check()
            _run(python, "-c", _IMPORTS, at=Path(scratch))
            _run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "iot-jitr")


def check_release(tag: str, changelog: str) -> None:
    """Check that a tag matches the version, and that the changelog has an entry with a date.

    Raises:
        DistributionError: The tag is wrong, or the entry is missing.
    """
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if tag != f"v{version}":
        raise DistributionError(f"the tag is {tag}, the version in pyproject.toml {version}: tag v{version}")
    if not re.search(rf"^## {re.escape(version)}, \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE):
        raise DistributionError(
            f"CHANGELOG.md has no line '## {version}, YYYY-MM-DD': give the version the date of its release"
        )


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _run(*command: str, at: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode:
        step = " ".join(Path(part).name for part in command[:3])
        raise DistributionError(f"'{step} …' failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main(arguments: Sequence[str]) -> str | None:
    """Build and check everything; return the error, or None."""
    parser = argparse.ArgumentParser(prog="make dist", description=__doc__)
    parser.add_argument("--release", metavar="TAG", help="check the tag and the changelog too")
    parser.add_argument("--directory", type=Path, default=ROOT / "dist")
    options = parser.parse_args(arguments)
    try:
        if options.release:
            check_release(options.release, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
        options.directory.mkdir(parents=True, exist_ok=True)
        for old in options.directory.glob("iot_jitr-*"):
            old.unlink()
        built = build(options.directory)
        check_description(built)
        check_contents(built)
        check_installation(built)
    except (DistributionError, SetupError) as error:
        return f"error: {error}"
    for file in (built.wheel, built.sdist, *built.bills_of_materials):
        print(f"{file.name}: {file.stat().st_size:,} bytes, checked")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
