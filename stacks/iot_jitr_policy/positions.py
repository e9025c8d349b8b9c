"""The line of each value of a JSON text, for error messages; `json.loads` does not return it."""

import json
import re
from collections.abc import Iterator

Path = tuple[str | int, ...]
"""Where a value is in a JSON document: object keys and array indexes from the root."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def lines_of(text: str) -> dict[Path, int]:
    r"""Find the line (from 1) on which each value of a JSON text begins.

    The text must be valid JSON: this only locates what `json.loads` has accepted.

    >>> lines_of('{"a":\n [1,\n 2]}')
    {(): 1, ('a',): 2, ('a', 0): 2, ('a', 1): 3}
    """
    lines: dict[Path, int] = {}
    _place(iter(_tokens(text)), (), lines)
    return lines


def _tokens(text: str) -> list[tuple[str, int]]:
    tokens, line, seen = [], 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        tokens.append((match.group(), line))
    return tokens


def _place(tokens: Iterator[tuple[str, int]], path: Path, lines: dict[Path, int]) -> str:
    """Store the line of the next value and return its first token (`]` or `}` ends an empty container)."""
    token, line = next(tokens)
    if token in {"]", "}"}:
        return token
    lines[path] = line
    if token == "[":  # noqa: S105 - a token of JSON
        _place_items(tokens, path, lines)
    elif token == "{":  # noqa: S105 - a token of JSON
        _place_members(tokens, path, lines)
    return token


def _place_items(tokens: Iterator[tuple[str, int]], path: Path, lines: dict[Path, int]) -> None:
    index = 0
    while _place(tokens, (*path, index), lines) != "]" and next(tokens)[0] != "]":
        index += 1


def _place_members(tokens: Iterator[tuple[str, int]], path: Path, lines: dict[Path, int]) -> None:
    token, _ = next(tokens)
    while token != "}":  # noqa: S105 - a token of JSON
        next(tokens)  # the colon
        _place(tokens, (*path, json.loads(token)), lines)
        token, _ = next(tokens)
        if token == ",":  # noqa: S105 - a token of JSON
            token, _ = next(tokens)
