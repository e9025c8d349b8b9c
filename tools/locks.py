"""Reads the lock files, and selects the part that a package needs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "requirements.lock"
FUNCTIONS = ROOT / "stacks" / "iot_jitr" / "bundling" / "functions.lock"


@dataclass(frozen=True)
class Locked:
    """One entry of a lock file; its string form is a line of a requirements file."""

    requirement: Requirement
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([str(self.requirement), *(f"--hash={each}" for each in self.hashes)]) + "\n"

    @property
    def name(self) -> str:
        """The canonical name, in lower case and with hyphens (PEP 503)."""
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        """The one version that is locked."""
        (specifier,) = self.requirement.specifier
        return specifier.version

    def is_for(self, machine: Mapping[str, str] | None = None) -> bool:
        """Whether it is installed on a machine with these marker variables; without them, on this one."""
        return self.requirement.marker is None or self.requirement.marker.evaluate(machine)


def entries(text: str) -> list[Locked]:
    """The entries of a lock file."""
    lines = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        requirement, *hashes = line.split(" --hash=")
        found.append(Locked(Requirement(requirement.strip()), tuple(each.strip() for each in hashes)))
    return found


def marker_variables(python: str, system: str, machine: str) -> dict[str, str]:
    """The variables for environment markers (PEP 508) of CPython `python`, for example 3.11."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": system,
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": system.lower(),
    }


def needs_of(asked: Requirement, machine: Mapping[str, str] | None = None) -> list[Requirement]:
    """The requirements of an installed package with the chosen extras."""
    return [
        each
        for each in map(Requirement, requires(asked.name) or [])
        if not each.marker
        or any(each.marker.evaluate({**(machine or {}), "extra": extra}) for extra in ("", *asked.extras))
    ]


def with_all_they_need(asked: Iterable[str], machine: Mapping[str, str] | None = None) -> set[str]:
    """The names of these packages and of all their requirements, from the metadata of installed packages."""
    found = set()
    pending = [Requirement(each) for each in asked]
    while pending:
        each = pending.pop()
        key = (canonicalize_name(each.name), frozenset(each.extras))
        if key not in found:
            found.add(key)
            pending += needs_of(each, machine)
    return {name for name, _ in found}


def closed_part(asked: Iterable[str]) -> str:
    """The part of `requirements.lock` that installs these packages on this machine."""
    names = with_all_they_need(asked)
    locked = [each for each in entries(REQUIREMENTS.read_text()) if each.name in names and each.is_for()]
    return "".join(map(str, locked))
