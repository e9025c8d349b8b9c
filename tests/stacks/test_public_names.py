"""`iot_jitr` exports every error to catch and every name that examples and pages use."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import iot_jitr
from iot_jitr import JitrError
from tests.support.pages import blocks

ROOT = Path(__file__).parents[2]
EXPORTED: dict[str, Any] = {name: getattr(iot_jitr, name) for name in iot_jitr.__all__}
OURS = re.compile(r"^\s*(?:from|import) (iot_jitr[\w.]*)", re.MULTILINE)


def raised() -> set[str]:
    """The errors that the docstrings of what is exported name below `Raises:`."""
    texts = [
        inspect.getdoc(each) or ""
        for exported in EXPORTED.values()
        for each in (exported, *vars(exported).values())
        if isinstance(each, type) or callable(each) or isinstance(each, classmethod)
    ]
    sections = [
        part for text in texts for part in re.findall(r"^Raises:\n((?: .*\n?|\n)+)", text, re.MULTILINE)
    ]
    return {name for section in sections for name in re.findall(r"^    (\w+):", section, re.MULTILINE)}


def test_every_error_that_a_docstring_names_is_exported_and_has_one_base() -> None:
    names = raised()

    assert {"ConfigurationError", "CaTwiceError", "EnvironmentTooLargeError"} <= names
    assert names <= EXPORTED.keys()
    assert all(issubclass(EXPORTED[name], JitrError) for name in names)


def test_every_error_of_synthesis_is_exported() -> None:
    """The errors of `iot_jitr` itself and of its checks of policies and certificates."""
    own = {
        each.__name__
        for each in _below(JitrError)
        if each.__module__.startswith("iot_jitr.") and not each.__name__.startswith("_")
    }

    assert own <= EXPORTED.keys()
    assert {"PolicyRejectedError", "CaCertificateError"} <= EXPORTED.keys()


def _below(kind: type) -> set[type]:
    return {found for each in kind.__subclasses__() for found in (each, *_below(each))}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("*/app.py")), ids=lambda path: path.parent.name
)
def test_examples_import_only_from_the_public_package(path: Path) -> None:
    assert set(OURS.findall(path.read_text())) == {"iot_jitr"}


def test_pages_import_only_from_the_public_package() -> None:
    elsewhere = {
        (str(block), name)
        for block in blocks("python")
        for name in OURS.findall(block.text)
        if name != "iot_jitr"
    }

    assert elsewhere == set()


def test_durations_have_one_convention() -> None:
    """They are a `timedelta` or a `Duration`; a number whose name carries the unit is for `cdk.json` only."""
    names = {
        f"{owner}.{name}"
        for owner, exported in EXPORTED.items()
        for each in (exported, *vars(exported).values())
        for name in (*getattr(each, "__annotations__", {}), *vars(exported))
        if re.search(r"_(seconds|minutes|hours|days)$", name)
    }

    assert names == {"JitrConfiguration.log_retention_days"}
