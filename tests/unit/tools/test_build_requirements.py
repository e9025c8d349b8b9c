"""`make lock` writes the locked build back-end into `pyproject.toml`."""

import tomllib
from pathlib import Path

from tools.build_requirements import with_requirements

PYPROJECT = (Path(__file__).parents[3] / "pyproject.toml").read_text()


def test_only_the_build_requirements_are_replaced() -> None:
    before = tomllib.loads(PYPROJECT)

    after = tomllib.loads(with_requirements(PYPROJECT, ["hatchling==9", "pluggy==8"]))

    assert after["build-system"].pop("requires") == ["hatchling==9", "pluggy==8"]
    assert before["build-system"].pop("requires") != []
    assert after == before


def test_the_same_requirements_change_nothing() -> None:
    requirements = tomllib.loads(PYPROJECT)["build-system"]["requires"]

    assert with_requirements(PYPROJECT, requirements) == PYPROJECT
