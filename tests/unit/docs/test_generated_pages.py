"""`docs/configuration.md`, `docs/construct.md` and `docs/cost.md` are what `make docs` would write now."""

import typing
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

import iot_jitr
from iot_jitr import JitrPipeline
from iot_jitr.validation import option_class
from tools import configuration_page, construct_page, cost_page
from tools.construct_page import UndocumentedError

DOCS = Path(__file__).parents[3] / "docs"
ELSEWHERE = {
    "AwsManagedDomain",
    "Capacity",
    "ExportedOutputs",
    "FunctionNetwork",
    "KmsSigner",
    "NoRevocation",
    "NoSigner",
    "PresignedSigner",
    "PrivateCaSigner",
    "SecretSigner",
}
"""Classes whose options are on the page of the constructs, or in a table of their own."""


def test_the_configuration_page_is_fresh() -> None:
    assert (DOCS / "configuration.md").read_text() == configuration_page.page(), "run: make docs"


def test_the_construct_page_is_fresh() -> None:
    page = construct_page.page(configuration_page.documented())

    assert (DOCS / "construct.md").read_text() == page, "run: make docs"


def test_the_page_about_cost_is_fresh() -> None:
    assert (DOCS / "cost.md").read_text() == cost_page.page(), "run: make docs"


def test_every_option_class_is_on_the_page() -> None:
    """But for those that `cdk.json` cannot say, and those without options."""
    classes = {name for name in iot_jitr.__all__ if option_class(getattr(iot_jitr, name))}

    assert classes - set(configuration_page.documented()) == ELSEWHERE


class Undocumented(Enum):
    """An enumeration with a member that says nothing."""

    MEMBER = "member"


def test_a_member_without_a_docstring_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iot_jitr, "KeyKind", Undocumented)

    with pytest.raises(UndocumentedError, match=r"Undocumented\.MEMBER has no docstring"):
        construct_page.page()


def test_every_class_that_an_option_takes_is_exported() -> None:
    hints = typing.get_type_hints(JitrPipeline.__init__)
    taken = {each for hint in hints.values() for each in _classes(hint)}
    ours = {each for each in taken if each.__module__.startswith("iot_jitr")}

    assert {each.__name__ for each in ours} - set(iot_jitr.__all__) == set()
    assert "CaConfiguration" in {each.__name__ for each in ours}


def _classes(hint: Any) -> set[type]:
    inner = typing.get_args(hint)
    if inner:
        return {each for part in inner for each in _classes(part)}
    return {hint} if isinstance(hint, type) else set()
