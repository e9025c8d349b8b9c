"""Read a JSON object key by key, and refuse what is not understood in one line.

Every error names the key by its path (`jitr.cas[0].mode`), what was found there and what is allowed.
"""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from iot_jitr.validation import ConfigurationError, shown

Choice = TypeVar("Choice", bound=StrEnum)


class _Missing(StrEnum):
    """The mark of a key that has no default."""

    REQUIRED = "required"


REQUIRED: Final = _Missing.REQUIRED


class Section:
    """One JSON object of the configuration. Read all its keys, then call `finish`."""

    def __init__(self, path: str, values: object, folder: Path) -> None:
        """Start to read.

        Args:
            path: How error messages name this object.
            values: What was found in its place.
            folder: What relative paths in it are relative to.

        Raises:
            ConfigurationError: It is not an object, or a key of it has no value.
        """
        if not isinstance(values, Mapping):
            raise ConfigurationError(path, shown(values), "an object, {…}")
        for name, value in values.items():
            # JavaScript makes null of a number like 1e400, which nobody means as "the default".
            if value is None:
                raise ConfigurationError(f"{path}.{name}", "null", "a value, or no such key for the default")
        self.path = path
        self.folder = folder
        self._values: Mapping[str, Any] = values
        self._known: list[str] = []

    def key(self, name: str) -> str:
        """The path of a key, as error messages name it."""
        return f"{self.path}.{name}"

    def get(self, name: str) -> Any:
        """The value as it stands there, None where there is none."""
        self._known.append(name)
        return self._values.get(name)

    def wrong(self, name: str, allowed: str) -> ConfigurationError:
        """The error that says what was found at `name` and what is allowed."""
        return ConfigurationError(self.key(name), shown(self._values.get(name)), allowed)

    def text(
        self,
        name: str,
        default: str | _Missing | None = REQUIRED,
        *,
        pattern: str = r".+",
        allowed: str = "a text",
    ) -> Any:
        """A string that matches all of `pattern`, which `allowed` puts into words."""
        value = self.get(name)
        if value is None and default is not REQUIRED:
            return default
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.wrong(name, allowed)
        return value

    def choice(self, name: str, default: Choice) -> Choice:
        """One value of an enumeration."""
        value = self.get(name)
        if value is None:
            return default
        kind = type(default)
        if value not in [member.value for member in kind]:
            raise self.wrong(name, ", ".join(member.value for member in kind))
        return kind(value)

    def number(self, name: str, default: int, *, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self.get(name)
        if value is None:
            return default
        if not _is_number(value) or not low <= value <= high:
            raise self.wrong(name, f"a whole number from {low} to {high}")
        return int(value)

    def number_among(self, name: str, default: int, *, allowed: Collection[int]) -> int:
        """A whole number that is one of `allowed`."""
        value = self.get(name)
        if value is None:
            return default
        if not _is_number(value) or value not in allowed:
            raise self.wrong(name, ", ".join(map(str, allowed)))
        return int(value)

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, "true, false")
        return value

    def file(self, name: str, *, allowed: str) -> Path | None:
        """The path of a file, relative to the folder of the configuration; None where the key is absent."""
        value = self.text(name, None, pattern=r"[^\0\n]+", allowed=allowed)
        try:
            return None if value is None else self.folder / Path(value).expanduser()
        except RuntimeError as error:
            # `~somebody`, whom this machine does not know.
            raise self.wrong(name, allowed) from error

    def section(self, name: str) -> "Section":
        """An object inside this one; an empty one where the key is absent."""
        value = self.get(name)
        return Section(self.key(name), {} if value is None else value, self.folder)

    def sections(self, name: str, *, allowed: str) -> list["Section"]:
        """A list of objects that is not empty."""
        value = self.get(name)
        if not isinstance(value, list) or not value:
            raise self.wrong(name, allowed)
        return [Section(f"{self.key(name)}[{i}]", each, self.folder) for i, each in enumerate(value)]

    def texts(self, name: str, *, allowed: Collection[str]) -> list[str]:
        """A list of strings, each one of `allowed`; empty where the key is absent."""
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or any(each not in allowed for each in value):
            raise self.wrong(name, f"a list of {', '.join(allowed)}")
        return value

    def finish(self) -> None:
        """Refuse keys that nobody asked for.

        Raises:
            ConfigurationError: There is one; the nearest known key is suggested.
        """
        for name in self._values:
            if name not in self._known:
                near = get_close_matches(name, self._known, n=1, cutoff=0.6)
                hint = f"did you mean '{near[0]}'? " if near else ""
                raise ConfigurationError(
                    self.key(name), "an unknown key", f"{hint}{', '.join(sorted(set(self._known)))}"
                )


def _is_number(value: object) -> bool:
    # JSON's true is an int to Python.
    return isinstance(value, int) and not isinstance(value, bool)
