"""The line of each value of a JSON text, for error messages; `json.loads` does not return it."""

import json
import re
from collections.abc import Iterator

from iot_jitr_runtime.errors import JitrError

Path = tuple[str | int, ...]
"""Where a value is in a JSON document: object keys and array indexes from the root."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class DuplicateKeyError(JitrError):
    """An object has one key twice, and parsers use different ones; `line` is the line of the second."""

    def __init__(self, line: int, key: str) -> None:
        super().__init__(f"the key '{key}' appears twice in one object; keep one")
        self.line = line


def lines_of(text: str) -> dict[Path, int]:
    r"""Find the line (from 1) on which each value of a JSON text begins.

    The text must be valid JSON: this only locates what `json.loads` has accepted.

    >>> lines_of('{"a":\n [1,\n 2]}')
    {(): 1, ('a',): 2, ('a', 0): 2, ('a', 1): 3}

    Raises:
        DuplicateKeyError: An object holds one key twice.
    """
    lines: dict[Path, int] = {}
    _place(iter([*_tokens(text)]), (), lines)
    return lines


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    line, seen = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        yield match.group(), line


def _place(tokens: Iterator[tuple[str, int]], path: Path, lines: dict[Path, int]) -> str:
    """Store the line of the next value and return its first token (`]` ends an empty list)."""
    token, lines[path] = next(tokens)
    match token:
        case "[":
            _place_items(tokens, path, lines)
        case "{":
            _place_members(tokens, path, lines)
        case "]":
            del lines[path]
    return token


def _place_items(tokens: Iterator[tuple[str, int]], path: Path, lines: dict[Path, int]) -> None:
    index = 0
    while _place(tokens, (*path, index), lines) != "]" and next(tokens)[0] != "]":
        index += 1


def _place_members(tokens: Iterator[tuple[str, int]], path: Path, lines: dict[Path, int]) -> None:
    token, line = next(tokens)
    while token != "}":  # noqa: S105 - a token of JSON
        if token != ",":  # noqa: S105 - a token of JSON
            key: str = json.loads(token)
            if (*path, key) in lines:
                raise DuplicateKeyError(line, key)
            next(tokens)  # the colon
            _place(tokens, (*path, key), lines)
        token, line = next(tokens)
