"""The allowed values of options: the check of each kind of value, and its words for messages and docs."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, get_args

import aws_cdk as cdk
from pydantic_core import PydanticCustomError, core_schema

NOT_ALLOWED: Final = "not_allowed"
_SHOWN_CHARACTERS = 60
_UNITS = ("second", "minute", "hour", "day")
_TIME = rf"([0-9]{{1,9}}) ({'|'.join(_UNITS)})s?"


def refusal(option: str, found: str, allowed: str) -> PydanticCustomError:
    """Return the error of a value that is not allowed, or of options that contradict one another.

    Args:
        option: The option that must change, of those of the value; empty: the value itself.
        found: What was found, in words.
        allowed: What is possible, in words.
    """
    context = {"allowed": allowed, "found": found, "option": option}
    return PydanticCustomError(NOT_ALLOWED, "{allowed}", context)


def shown(value: object) -> str:
    """Return a value for error messages: JSON unchanged, other objects by type, 60 characters at most."""
    match value:
        case None:
            found = "nothing"
        case str() if cdk.Token.is_unresolved(value):
            found = "a value that is known at deployment only"
        case Enum():
            found = f"'{value.value}'"
        case timedelta():
            found = time_in_words(value)
        case cdk.Duration() if not value.is_unresolved():
            found = value.to_human_string()
        case Path():
            found = f"'{value}'"
        case str() | int() | float() | list() | tuple() | dict():
            found = json.dumps(value, ensure_ascii=False, default=_kind, skipkeys=True)
        case _:
            found = _kind(value)
    return found if len(found) <= _SHOWN_CHARACTERS else f"{found[:_SHOWN_CHARACTERS]}…"


def _kind(value: object) -> str:
    return f"a {type(value).__name__}"


def did_you_mean(value: object, known: Iterable[str]) -> str:
    """Return `did you mean 'x'? ` for the known name nearest to a text; empty where none is near."""
    if not isinstance(value, str):
        return ""
    names = {name.lower(): name for name in known}
    near = get_close_matches(value.lower(), names, n=1, cutoff=0.6)
    return f"did you mean '{names[near[0]]}'? " if near else ""


@dataclass(frozen=True)
class Allowed:
    """The allowed values of an option, as metadata of its annotation."""

    words: str
    read: Callable[[Any, Path], Any]
    """Returns the value to store; its second argument is the folder for relative paths.

    Raises ValueError or TypeError if the value is not allowed, or a `refusal` with other words."""
    hint: Callable[[Any], str] = lambda _: ""
    """Returns the hint for a wrong value, for example "did you mean"."""
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"}, hash=False, compare=False)
    """The JSON schema of its form in `cdk.json`."""

    def __get_pydantic_core_schema__(self, annotated: object, _: object) -> core_schema.CoreSchema:
        return or_none(annotated, core_schema.with_info_plain_validator_function(self._check))

    def __get_pydantic_json_schema__(self, _: object, __: object) -> dict[str, Any]:
        return {**self.schema}

    def _check(self, value: Any, info: core_schema.ValidationInfo[Any]) -> Any:
        try:
            return self.read(value, (info.context or {}).get("folder", Path()))
        except PydanticCustomError:
            raise
        except (AttributeError, TypeError, ValueError, OverflowError):
            raise refusal("", shown(value), self.hint(value) + self.words) from None


def _where(accepted: Callable[[Any], bool], words: str, schema: Mapping[str, Any]) -> Allowed:
    """A value for which `accepted` is true; it is stored unchanged."""

    def read(value: Any, _: Path) -> Any:
        if not accepted(value):
            raise ValueError
        return value

    return Allowed(words, read, schema=schema)


def whole_number(low: int, high: int) -> Allowed:
    """A whole number from `low` to `high`."""
    return _where(
        lambda value: _is_number(value) and low <= value <= high,
        f"a whole number from {low:,} to {high:,}",
        {"type": "integer", "minimum": low, "maximum": high},
    )


def number_among(numbers: Collection[int]) -> Allowed:
    """One of these whole numbers."""
    return _where(
        lambda value: _is_number(value) and value in numbers,
        ", ".join(map(str, numbers)),
        {"enum": sorted(numbers)},
    )


def _is_number(value: object) -> bool:
    # True is an int to Python.
    return isinstance(value, int) and not isinstance(value, bool)


def flag() -> Allowed:
    """True or false."""
    return _where(lambda value: isinstance(value, bool), "true, false", {"type": "boolean"})


def span(low: timedelta, high: timedelta, step: timedelta = timedelta(seconds=1)) -> Allowed:
    """A time, a multiple of `step`: a `timedelta`, a `Duration` of the CDK, or a text such as `5 minutes`."""
    whole = "" if step == timedelta(seconds=1) else f", in whole {time_in_words(step).removeprefix('1 ')}s"

    def read(value: Any, _: Path) -> timedelta:
        found = as_timedelta(value)
        if not low <= found <= high or found % step:
            raise ValueError
        return found

    def hint(value: object) -> str:
        return "" if isinstance(value, timedelta | cdk.Duration) else 'a time with its unit ("5 minutes"), '

    schema = {
        "type": "string",
        "pattern": f"^{_TIME}$",
        "examples": [time_in_words(low), time_in_words(high)],
    }
    return Allowed(f"{time_in_words(low)} to {time_in_words(high)}{whole}", read, hint, schema)


def time_in_words(length: timedelta) -> str:
    """Return a length of time in the largest unit that makes it a whole number: `90 minutes`, `1 day`."""
    for unit in reversed(_UNITS):
        count, rest = divmod(length, timedelta(**{f"{unit}s": 1}))
        if not rest and (count or unit == "second"):
            return f"{count:,} {unit}{'' if count == 1 else 's'}"
    return str(length)


def text(pattern: str, words: str, *, at_synthesis: str | None = None) -> Allowed:
    """A text that matches all of `pattern`.

    Args:
        pattern: A regular expression.
        words: The pattern in words.
        at_synthesis: If the text must be known at synthesis: a description of the value to use instead of a
            value that is known only at deployment. None: such a value is allowed.
    """

    def read(value: Any, _: Path) -> str:
        if not isinstance(value, str):
            raise TypeError
        if cdk.Token.is_unresolved(value):
            if at_synthesis is not None:
                raise refusal("", shown(value), at_synthesis)
        elif not re.fullmatch(pattern, value):
            raise ValueError
        return value

    return Allowed(words, read, schema=_text_schema(pattern))


def _text_schema(pattern: str) -> dict[str, str]:
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


CONSTRUCT_ID: Final = text(r".+", "a name in the construct tree")


def one_of(kind: type[Enum]) -> Allowed:
    """A member of an enumeration, or its value."""
    values = [str(member.value) for member in kind]

    def read(value: Any, _: Path) -> Enum:
        is_text = isinstance(value, str)
        for member in kind:
            if value is member or (is_text and value == member.value):
                return member
        raise ValueError

    return Allowed(", ".join(values), read, lambda value: did_you_mean(value, values), {"enum": values})


def having(attribute: str, words: str, pattern: str | None = None) -> Allowed:
    """An object that has `attribute`, which identifies an interface of the CDK, or a text like `pattern`."""

    def accepted(value: Any) -> bool:
        if isinstance(value, str) and pattern is not None:
            return cdk.Token.is_unresolved(value) or re.fullmatch(pattern, value) is not None
        return not isinstance(value, type) and hasattr(value, attribute)

    # Without a pattern, the object cannot be written in JSON.
    return _where(accepted, words, {"not": {}} if pattern is None else _text_schema(pattern))


def list_of(item: Allowed, words: str, *, most: int | None = None) -> Allowed:
    """A list of at most `most` items that `item` allows. A string is not accepted as a list of characters."""

    def read(value: Any, folder: Path) -> tuple[Any, ...]:
        if isinstance(value, str | Mapping) or not isinstance(value, Iterable):
            raise TypeError
        items = tuple(item.read(each, folder) for each in value)
        if most is not None and len(items) > most:
            raise refusal("", f"{len(items)} of them", f"{most} at most")
        return items

    most_items = {} if most is None else {"maxItems": most}
    return Allowed(words, read, schema={"type": "array", "items": {**item.schema}, **most_items})


def texts(
    words: str,
    possible: Callable[[Mapping[str, str]], bool] = lambda _: True,
    schema: Mapping[str, Any] = MappingProxyType({"additionalProperties": {"type": "string"}}),
) -> Allowed:
    """An object of texts for which `possible` is true, or does not raise a `refusal` with other words."""

    def read(value: Any, _: Path) -> dict[str, str]:
        found = {key: each for key, each in value.items() if isinstance(key, str) and isinstance(each, str)}
        if len(found) != len(value) or not possible(found):
            raise ValueError
        return found

    return Allowed(words, read, schema={"type": "object", **schema})


def file(words: str) -> Allowed:
    """The path of a file; one in `cdk.json` is relative to the folder of `cdk.json`."""

    def read(value: Any, folder: Path) -> Path:
        if not isinstance(value, str | Path) or not str(value) or re.search(r"[\0\n]", str(value)):
            raise ValueError
        try:
            return folder / Path(value).expanduser()
        except RuntimeError as error:  # `~user`, and this machine has no such user
            raise ValueError from error

    return Allowed(words, read, schema={"type": "string", "minLength": 1})


def or_none(annotated: object, schema: core_schema.CoreSchema) -> core_schema.CoreSchema:
    """Return a schema that also accepts None if the annotation does."""
    return core_schema.nullable_schema(schema) if type(None) in get_args(annotated) else schema


def as_timedelta(value: object) -> timedelta:
    """Return the value of an option that is a length of time.

    Raises:
        ValueError: It is not a length of time, or its value is known only at deployment.
    """
    match value:
        case timedelta():
            return value
        case cdk.Duration() if not value.is_unresolved():
            return timedelta(milliseconds=value.to_milliseconds())
        case str() if found := re.fullmatch(_TIME, value):
            return timedelta(**{f"{found[2]}s": int(found[1])})
    raise ValueError


def whole_seconds(length: object) -> int:
    """Return the value of an option that is a length of time, in seconds."""
    return as_timedelta(length) // timedelta(seconds=1)


def as_duration(length: timedelta) -> cdk.Duration:
    """Return a length of time as a `Duration` of the CDK."""
    return cdk.Duration.millis(round(length / timedelta(milliseconds=1)))
