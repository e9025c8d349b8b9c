"""The audit of the dependencies that needs no network: pinned, hashed, as installed, under fitting licences.

Known vulnerabilities need the network: `make audit`.
"""

import json
import re
import tomllib
from collections.abc import Iterable
from importlib import metadata
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.locks import (
    FUNCTIONS,
    REQUIREMENTS,
    ROOT,
    Locked,
    entries,
    marker_variables,
    needs_of,
    with_all_they_need,
)

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = PYPROJECT["project"]

PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "Apache Software License",
    "BSD License",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CNRI-Python",
    "DFSG approved",
    "ISC",
    "ISC License (ISCL)",
    "MIT",
    "MIT License",
    "MIT No Attribution License (MIT-0)",
    "MIT-0",
    "MIT-CMU",
    "PSF-2.0",
    "Python Software Foundation License",
    "Zlib",
}
OF_ONE_FILE = {"docutils": {"GNU General Public License (GPL)", "Public Domain"}}
"""Licences of single files that a tool of ours brings and that we neither run nor ship."""
WEAK_COPYLEFT = {"MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"}
"""For what we use unchanged and do not ship."""


HERE = [each for each in entries(REQUIREMENTS.read_text()) if each.is_for()]


@pytest.mark.parametrize("lock", [REQUIREMENTS, FUNCTIONS], ids=lambda path: path.name)
def test_each_entry_is_one_version_with_its_hashes_and_nothing_else(lock: Path) -> None:
    """A line that is an option (an index, a URL, a path) is no requirement and fails to parse."""
    found = entries(lock.read_text())

    assert found
    for each in found:
        assert [s.operator for s in each.requirement.specifier] == ["=="], each
        assert each.requirement.url is None
        assert each.hashes, each
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in each.hashes)


def unmet(asked: Iterable[Requirement], locked: dict[str, str]) -> list[str]:
    """The requirements that no locked version meets."""
    return [
        str(each)
        for each in asked
        if (version := locked.get(canonicalize_name(each.name))) is None or version not in each.specifier
    ]


def test_the_lock_fits_the_requirements_of_the_project() -> None:
    locked = {each.name: each.version for each in HERE}
    extras = PROJECT["optional-dependencies"].values()
    asked = [Requirement(each) for each in chain(PROJECT["dependencies"], *extras)]

    assert unmet((each for each in asked if each.name != PROJECT["name"]), locked) == [], "run `make lock`"


def test_the_build_requires_the_whole_back_end_as_locked() -> None:
    locked = {each.name: each.version for each in HERE}
    wanted = [f"{name}=={locked[name]}" for name in sorted(with_all_they_need(["hatchling"]))]

    assert PYPROJECT["build-system"]["requires"] == wanted, "run `make lock`, which writes it"


def test_the_functions_libraries_require_nothing_but_each_other() -> None:
    """As `pip check` would say in Lambda. `functions.in` names libraries, the lock adds what they require."""
    in_lambda = marker_variables("3.13", "Linux", "aarch64")
    asked = re.findall(r"^[\w-]+", FUNCTIONS.with_suffix(".in").read_text(), flags=re.MULTILINE)
    locked = {each.name: each.version for each in entries(FUNCTIONS.read_text())}

    assert with_all_they_need(asked, in_lambda) == set(locked), "run `make lock`"
    for name in locked:
        assert unmet(needs_of(Requirement(name), in_lambda), locked) == [], name


def test_the_installed_versions_are_the_locked_versions() -> None:
    others = {
        each.name: (each.version, installed)
        for each in HERE
        if (installed := metadata.version(each.name)) != each.version
    }

    assert others == {}, "run `make setup`"


def chosen(expression: str) -> set[str]:
    """The licences of an SPDX expression without brackets; of alternatives, the first that is permissive."""
    choices = [set(choice.split(" AND ")) for choice in expression.split(" OR ")]
    return next((choice for choice in choices if choice <= PERMISSIVE), choices[0])


def licences(name: str) -> set[str]:
    """The licences of an installed package; of several to choose from (`OR`), the permissive ones."""
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        for in_brackets in re.findall(r"\(([^()]+)\)", expression):
            expression = expression.replace(f"({in_brackets})", " AND ".join(chosen(in_brackets)))
        return chosen(expression)
    classifiers = [
        line.split(" :: ") for line in about.get_all("Classifier") or [] if line.startswith("License ::")
    ]
    if named := {line[-1] for line in classifiers if line[-1] != "OSI Approved"}:
        return named
    text = about.get("License") or ""
    return {"MIT"} if "Permission is hereby granted, free of charge" in text else {text}


def test_each_licence_is_an_accepted_one() -> None:
    """What goes into the Lambda asset, or comes with the wheel, is permissive."""
    direct = {canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]}
    shipped = direct | {locked.name for locked in entries(FUNCTIONS.read_text())}
    others = {
        each.name: licences(each.name) - PERMISSIVE - (set() if each.name in shipped else of_a_tool(each))
        for each in HERE
    }

    assert {name: found for name, found in others.items() if found} == {}


def of_a_tool(each: Locked) -> set[str]:
    """The licences that a package may have besides if it is not shipped."""
    return WEAK_COPYLEFT | OF_ONE_FILE.get(each.name, set())


def test_the_packages_of_npm_are_pinned_with_their_hashes() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    chosen = wanted["devDependencies"]

    assert locked.pop("")["devDependencies"] == chosen
    assert {name: locked[f"node_modules/{name}"]["version"] for name in chosen} == chosen
    for entry in locked.values():
        assert entry["integrity"].startswith("sha512-")
        # Tools of this checkout: none of them is shipped.
        assert entry["license"] in PERMISSIVE | WEAK_COPYLEFT
        assert "resolved" not in entry, "a host: run `make lock`"
