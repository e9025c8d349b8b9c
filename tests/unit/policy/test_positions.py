import json
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_policy.positions import Path, lines_of

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in items:
        yield from _paths(each, (*path, step))


def test_each_value_is_found_on_the_line_where_it_begins() -> None:
    text = '{\n  "a": [\n    "x",\n    {"b": 1}\n  ],\n  "c": "with \\" and {["\n}'

    lines = lines_of(text)

    assert lines[()] == 1
    assert lines[("a",)] == 2
    assert lines[("a", 0)] == 3
    assert lines[("a", 1)] == 4
    assert lines[("a", 1, "b")] == 4
    assert lines[("c",)] == 6


@given(_JSON, st.sampled_from([None, 0, 2]))
def test_every_value_of_every_document_has_a_line(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)

    assert set(lines_of(text)) == set(_paths(value))


@given(st.lists(st.lists(st.integers(), max_size=3), max_size=5))
def test_lines_are_those_of_the_text(value: Any) -> None:
    text = json.dumps(value, indent=1)

    lines = lines_of(text)

    for (outer, inner), line in ((path, line) for path, line in lines.items() if len(path) == 2):
        assert text.splitlines()[line - 1].strip(" ,") == str(value[outer][inner])
