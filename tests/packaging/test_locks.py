"""The locks install with every supported Python on every supported machine, and nothing is built there.

uv resolves anew what is asked for, within the lock, and lists the wheels that fit. It must list what the lock
says for that machine, and of each package one of the wheels must have a locked hash.
"""

import os
import subprocess
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from uv import find_uv_bin

from tests.support.package_index import settings_for_uv
from tools.locks import FUNCTIONS, REQUIREMENTS, ROOT, Locked, entries, marker_variables

pytestmark = pytest.mark.exhaustive

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = {
    "x86_64-manylinux_2_28": ("Linux", "x86_64"),
    "aarch64-manylinux_2_28": ("Linux", "aarch64"),
    "aarch64-apple-darwin": ("Darwin", "arm64"),
}
"""uv's names, and what markers call the same."""
LAMBDA = ("3.13", "aarch64-manylinux_2_34")


Wheels = dict[tuple[str, str], set[str]]
"""The hashes of the wheels that fit, by name and version of the package."""


def resolve(asked: list[str], lock: Path, python: str, platform: str, folder: Path) -> Wheels:
    command = [find_uv_bin(), "pip", "compile", *asked, "--constraint", str(lock), "--only-binary", ":all:"]
    command += ["--python-version", python, "--python-platform", platform, "--quiet", "--no-progress"]
    command += ["--format", "pylock.toml", "--output-file", str(folder / "pylock.toml")]
    environment = {**os.environ, **settings_for_uv()}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    packages = tomllib.loads((folder / "pylock.toml").read_text())["packages"]
    return {
        (each["name"], each["version"]): {f"sha256:{wheel['hashes']['sha256']}" for wheel in each["wheels"]}
        for each in packages
    }


def differences(wheels: Wheels, lock: list[Locked]) -> list[tuple[str, str]]:
    """The packages that are in one of the two only, or of which no wheel that fits has a locked hash."""
    locked = {(each.name, each.version): set(each.hashes) for each in lock}
    return sorted(
        package
        for package in wheels.keys() | locked.keys()
        if not wheels.get(package, set()) & locked.get(package, set())
    )


@pytest.fixture(scope="module")
def resolved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Future[Wheels]]]:
    """What `requirements.lock` is on each machine; resolved side by side, for most of it is waiting."""
    asked = ["pyproject.toml", "--all-extras"]
    with ThreadPoolExecutor(4) as pool:
        yield {
            (python, platform): pool.submit(
                resolve, asked, REQUIREMENTS, python, platform, tmp_path_factory.mktemp("resolved")
            )
            for python, platform in product(PYTHONS, MACHINES)
        }


@pytest.mark.parametrize("platform", MACHINES)
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_installs(
    python: str, platform: str, resolved: dict[tuple[str, str], Future[Wheels]]
) -> None:
    variables = marker_variables(python, *MACHINES[platform])
    lock = [each for each in entries(REQUIREMENTS.read_text()) if each.is_for(variables)]

    assert differences(resolved[python, platform].result(), lock) == []


def test_the_functions_lock_installs_in_lambda(tmp_path: Path) -> None:
    asked = str(FUNCTIONS.with_suffix(".in").relative_to(ROOT))

    wheels = resolve([asked], FUNCTIONS, *LAMBDA, tmp_path)

    assert differences(wheels, entries(FUNCTIONS.read_text())) == []


def test_another_hash_another_version_and_a_missing_entry_are_found() -> None:
    lock = entries("a==1 --hash=sha256:1\nb==1 --hash=sha256:2\nc==1 --hash=sha256:3\n")
    wheels = {(each.name, each.version): {*each.hashes, "sha256:of another wheel"} for each in lock}
    a, b, c = lock
    other_hash = replace(a, hashes=("sha256:4",))
    other_version = replace(b, requirement=Requirement("b==2"))

    assert differences(wheels, lock) == []
    assert differences(wheels, [other_hash, b, c]) == [("a", "1")]
    assert differences(wheels, [a, other_version, c]) == [("b", "1"), ("b", "2")]
    assert differences(wheels, [a, b]) == [("c", "1")]
