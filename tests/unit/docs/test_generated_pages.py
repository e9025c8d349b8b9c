"""`docs/configuration.md` and `docs/construct.md` are what `make docs` would write now."""

import inspect
import typing
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import aws_kms

import iot_jitr
from iot_jitr import JitrPipeline
from tests.support.ca_certificates import FACTORY
from tools import configuration_page, construct_page
from tools.configuration_page import UndescribedKeyError
from tools.construct_page import UndocumentedError

DOCS = Path(__file__).parents[3] / "docs"


def test_the_configuration_page_is_fresh() -> None:
    assert (DOCS / "configuration.md").read_text() == configuration_page.page(FACTORY), "run: make docs"


def test_the_construct_page_is_fresh() -> None:
    assert (DOCS / "construct.md").read_text() == construct_page.page(), "run: make docs"


def test_every_key_has_its_row_with_what_the_code_says() -> None:
    page = configuration_page.page(FACTORY)

    assert "| `activations_per_second` | 10 | 1 to 1,000 |" in page
    assert "| `removal` | `retain` | `retain`, `destroy` |" in page
    assert "| `cas[].auto_registration` | `true` | `true`, `false` |" in page
    assert "@" not in page


@pytest.mark.parametrize(
    ("line", "instead", "named"),
    [
        ("| `removal` |", "| `remove` |", "['removal', 'remove']"),
        ("| `log_level` |", "| log_level |", "['log_level']"),
    ],
    ids=["another name", "left out"],
)
def test_a_key_that_is_not_described_is_an_error(
    line: str, instead: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "page.md.in"
    template.write_text(configuration_page.TEMPLATE.read_text().replace(line, instead))
    monkeypatch.setattr(configuration_page, "TEMPLATE", template)

    with pytest.raises(UndescribedKeyError) as caught:
        configuration_page.page(FACTORY)

    assert str(caught.value).endswith(named)


class Undocumented(Enum):
    """An enumeration with a member that says nothing."""

    MEMBER = "member"


def test_a_member_without_a_docstring_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iot_jitr, "KeyKind", Undocumented)

    with pytest.raises(UndocumentedError, match=r"Undocumented\.MEMBER has no docstring"):
        construct_page.page()


def test_whatever_an_option_takes_is_exported() -> None:
    taken = {each for hint in _hints(JitrPipeline.__init__).values() for each in _classes(hint)}
    ours = {each for each in taken if each.__module__.startswith("iot_jitr")}

    assert {each.__name__ for each in ours} - set(iot_jitr.__all__) == set()
    assert "CaConfiguration" in {each.__name__ for each in ours}


def _hints(function: Any) -> dict[str, Any]:
    names = {**vars(typing), **vars(inspect.getmodule(function)), **vars(iot_jitr)}
    for module in ("collections.abc", "iot_jitr.admission", "iot_jitr.things"):
        names |= vars(__import__(module, fromlist=["_"]))
    names["kms"] = aws_kms
    return typing.get_type_hints(function, globalns=names)


def _classes(hint: Any) -> set[type]:
    inner = typing.get_args(hint)
    if inner:
        return {each for part in inner for each in _classes(part)}
    return {hint} if isinstance(hint, type) else set()
