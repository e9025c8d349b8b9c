"""Option classes: dataclasses whose fields are checked, whether they come from Python or from JSON.

`@options` creates one; a field's annotation has its allowed values: `Annotated[int, whole_number(1, 10)]`.
`read_options` reads the same class from a section of `cdk.json`, `@checked` checks the arguments of a method.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import field, is_dataclass
from enum import Enum
from pathlib import Path
from typing import (
    Any,
    ParamSpec,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_type_hints,
)

import pydantic
import pydantic.dataclasses

from iot_jitr.allowed import NOT_ALLOWED, Allowed, did_you_mean, shown
from iot_jitr.choices import TAG, TYPE, OneOfClasses
from iot_jitr_runtime.errors import JitrError

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")


class ConfigurationError(JitrError):
    """An option is wrong, missing or unknown, or contradicts another one."""

    def __init__(self, key: str, found: str, allowed: str) -> None:
        super().__init__(f"{key}: found {found}; allowed: {allowed}")
        self.key = key


@dataclass_transform(frozen_default=True, field_specifiers=(field, pydantic.Field))
def options(cls: type[T]) -> type[T]:
    """Create a frozen dataclass with checked fields; a wrong value raises `ConfigurationError`."""
    config = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True, use_attribute_docstrings=True)
    made: Any = pydantic.dataclasses.dataclass(frozen=True, config=config)(cls)
    made.__doc__ = f"{inspect.getdoc(cls)}\n\n{_fields_in_words(made)}".rstrip()
    made.__init__ = _with_plain_errors(made.__init__, made.__name__, made)
    return cast("type[T]", made)


def _fields_in_words(made: Any) -> str:
    """Return the descriptions of the fields, for `help()`, which shows only the docstrings of classes."""
    texts = {name: each.description for name, each in made.__pydantic_fields__.items() if each.description}
    lines = [f"    {name}: {' '.join(text.split())}" for name, text in texts.items()]
    return "\n".join(["Attributes:", *lines]) if lines else ""


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Check the arguments of a method by their annotations; a wrong one raises `ConfigurationError`."""
    return _checked(function, function.__qualname__.removesuffix(".__init__"))


def checked_in(owner: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check a method as `checked` does; errors name it as a method of `owner`, which inherits it."""
    return lambda function: _checked(function, f"{owner}.{function.__name__}")


def _checked(function: Callable[P, R], name: str) -> Callable[P, R]:
    config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    checking: Any = pydantic.validate_call(config=config)(function)
    return functools.wraps(function)(_with_plain_errors(checking, name, function))


def read_options(cls: type[T], path: str, values: object, folder: Path) -> T:
    """Read an option class from JSON.

    Args:
        cls: The class.
        path: The name of `values` in error messages.
        values: The JSON value.
        folder: The folder for relative paths in it.

    Raises:
        ConfigurationError: A value is wrong, missing or unknown, or contradicts another one.
    """
    if not isinstance(values, Mapping):
        raise ConfigurationError(path, shown(values), "an object, {…}")
    _refuse_null(path, values)
    read = _with_plain_errors(pydantic.TypeAdapter(cls).validate_python, path, cls)
    return read(values, context={"folder": folder})


def _refuse_null(path: str, value: object) -> None:
    # JavaScript turns a number such as 1e400 into null, which does not mean "the default".
    if value is None:
        raise ConfigurationError(path, "null", "a value, or no such key for the default")
    children = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        _refuse_null(_path(path, [key]), child)


def _with_plain_errors(call: Callable[..., R], path: str, of: Any) -> Callable[..., R]:
    @functools.wraps(call)
    def checking(*arguments: Any, **named: Any) -> R:
        try:
            return call(*arguments, **named)
        except pydantic.ValidationError as error:
            raise _plain(error, path, of) from None

    return checking


def _plain(error: pydantic.ValidationError, path: str, of: Any) -> ConfigurationError:
    """Return one error: an unknown name first, because it may be the cause of a missing name."""
    errors = error.errors(include_url=False)
    found = next((each for each in errors if each["type"].startswith("unexpected")), errors[0])
    kind, where, context = found["type"], [*found["loc"]], found.get("ctx", {})
    if where and isinstance(where[0], int):
        names = [*inspect.signature(of).parameters]
        where[0] = names[where[0]] if where[0] < len(names) else f"argument {where[0] + 1}"
    if kind == NOT_ALLOWED:
        where.append(context["option"])
        return ConfigurationError(_path(path, where), context["found"], context["allowed"])
    parameters = _parameters(_class_at(of, where[:-1]))
    if kind.startswith("unexpected"):
        chosen = str(where[-2]) if len(where) > 1 else ""
        known = sorted([*parameters, TYPE] if chosen.startswith(TAG) and chosen != TAG else parameters)
        words = did_you_mean(where[-1], known) + ", ".join(known)
        return ConfigurationError(_path(path, where), "an unknown key", words)
    missing = kind.startswith("missing")
    return ConfigurationError(
        _path(path, where),
        "nothing" if missing else shown(found["input"]),
        in_words(parameters.get(str(where[-1])) if where else of),
    )


def _path(path: str, where: list[int | str]) -> str:
    for each in where:
        if isinstance(each, int):
            path += f"[{each}]"
        elif each and not each.startswith(TAG):
            path += f".{each}"
    return path


def _parameters(of: Any) -> dict[str, Any]:
    """Return the options of a class, or the parameters of a function: name → annotation."""
    if not (isinstance(of, type) or inspect.isroutine(of)):
        return {}  # a mapping or a list
    hints = get_type_hints(of, include_extras=True)
    return {name: hint for name, hint in hints.items() if name != "return"}


def _class_at(of: Any, where: list[int | str]) -> Any:
    """Return the option class at the error's location."""
    for each in where:
        if isinstance(each, str):
            chosen = allowed_of(of) if each.startswith(TAG) else None
            of = (
                chosen.classes[each.removeprefix(TAG)]
                if isinstance(chosen, OneOfClasses)
                else _parameters(option_class(of) or of).get(each)
            )
    return option_class(of) or of


def allowed_of(annotation: Any) -> Allowed | OneOfClasses | None:
    """Return the metadata of an annotation that describes the allowed values."""
    for each in (*getattr(annotation, "__metadata__", ()), *get_args(annotation)):
        found = each if isinstance(each, Allowed | OneOfClasses) else allowed_of(each)
        if found is not None:
            return found
    return None


def option_class(annotation: Any) -> type | None:
    """Return the option class that an annotation names, alone, in a list or beside None."""
    if isinstance(annotation, type) and is_dataclass(annotation):
        return annotation
    return next((found for each in get_args(annotation) if (found := option_class(each))), None)


def in_words(annotation: Any) -> str:
    """Return the allowed values of an annotation, in words."""
    if (allowed := allowed_of(annotation)) is not None:
        return allowed.words
    kinds = [each for each in (*get_args(annotation), annotation) if isinstance(each, type)]
    members = [each for kind in kinds if issubclass(kind, Enum) for each in kind.__members__]
    if members:
        return ", ".join(members)
    named = [each.__name__ for each in (option_class(annotation), *kinds) if each not in {None, type(None)}]
    name = named[0] if named else "value of another type"
    many = any(each in str(annotation) for each in ("Sequence", "list", "tuple"))
    return f"a list of {name}" if many else f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
