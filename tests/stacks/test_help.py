"""Each exported name is documented in `help()` and in the docstrings that editors show."""

import inspect
import pydoc
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

import iot_jitr
from tools.construct_page import docstrings

EXPORTED = {name: getattr(iot_jitr, name) for name in iot_jitr.__all__}

EXPLAINED_BY_ITS_PARENT = {"KmsEcKey", "KmsRsaKey"}
"""Keys as `cryptography` has them, with its methods."""


def members(kind: Any) -> dict[str, Any]:
    """The public methods and properties that this package defines in a class."""
    return {
        name: member
        for name, member in inspect.getmembers(kind)
        if not name.startswith("_")
        and (inspect.isroutine(member) or isinstance(member, property))
        and str(getattr(getattr(member, "fget", member), "__module__", "")).startswith("iot_jitr")
    }


@pytest.mark.parametrize("name", sorted(set(EXPORTED) - EXPLAINED_BY_ITS_PARENT))
def test_each_public_method_has_a_docstring_that_names_its_arguments(name: str) -> None:
    for method, member in members(EXPORTED[name]).items():
        text = inspect.getdoc(member) or ""
        assert text, method
        if "Args:" in text:
            taken = [each for each in inspect.signature(member).parameters if each not in {"self", "cls"}]
            assert [each for each in taken if f"    {each}: " not in text] == [], method


@pytest.mark.parametrize("name", [name for name, kind in EXPORTED.items() if is_dataclass(kind)])
def test_help_shows_what_each_field_means(name: str) -> None:
    shown = pydoc.plain(pydoc.render_doc(EXPORTED[name]))

    for each in fields(EXPORTED[name]):
        text = docstrings(EXPORTED[name])[each.name]
        assert len(text.split()) >= 2, each.name
        if EXPORTED[name].__module__.startswith("iot_jitr."):
            assert f" {each.name}: {' '.join(text.split())[:40]}" in shown
