import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from iot_jitr_cli.console import ExitCode, err, out, print_json, printable


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Inner:
    colour: Colour
    when: datetime


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    took: timedelta
    path: Path
    names: frozenset[str]


@pytest.mark.parametrize("text", ["x[/b]/d[red].pem", "plant:key:7", "[link=a]"])
def test_text_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], text: str) -> None:
    table = Table.grid()
    table.add_row(text)

    out.print(text)
    out.print(table)
    err.print(text)

    printed = capsys.readouterr()
    assert [line.rstrip() for line in printed.out.splitlines()] == [text, text]
    assert printed.err == f"{text}\n"


def test_json_of_dataclasses_is_plain_data(capsys: pytest.CaptureFixture[str]) -> None:
    when = datetime(2026, 11, 23, 12, tzinfo=UTC)

    print_json(Outer((Inner(Colour.RED, when),), timedelta(seconds=1.5), Path("a/b"), frozenset({"y", "x"})))

    assert json.loads(capsys.readouterr().out) == {
        "inner": [{"colour": "red", "when": "2026-11-23T12:00:00+00:00"}],
        "took": 1.5,
        "path": "a/b",
        "names": ["x", "y"],
    }


def test_json_keeps_letters_readable_and_is_indented(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"name": "Gerät"})

    assert capsys.readouterr().out == '{\n  "name": "Gerät"\n}\n'


def test_json_of_something_without_a_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        print_json(object())


def test_exit_codes_are_stable() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "NO": 1,
        "WRONG_USE": 2,
        "UNDETERMINED": 3,
        "INTERRUPTED": 130,
    }


@given(st.text())
def test_printable_text_has_no_control_characters_and_the_same_length(text: str) -> None:
    shown = printable(text)

    assert shown.replace("\ufffd", "").isprintable()
    assert len(shown) == len(text)
