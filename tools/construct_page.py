"""Writes `docs/construct.md`: everything that `iot_jitr` exports, from its signatures and docstrings.

A missing docstring is an error: an option without a description is not finished.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Collection, Iterator
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from enum import Enum
from functools import cache
from typing import Any, cast, get_args

from constructs import Construct

import iot_jitr
from iot_jitr_runtime.errors import JitrError
from tools.source_links import linked, source_of

HEAD = """\
# The construct's options

Everything that `iot_jitr` exports, for stacks of your own. The [examples](../examples/README.md) are small
complete apps. The shipped app takes the same options from `cdk.json`: [configuration.md](configuration.md).

An option without a default must be given. The links at the end of an entry lead to the classes that it
takes, and to what defines the thing that is set: a page of AWS, or a section of an RFC.

Written by `make docs` from the code.
"""


class UndocumentedError(JitrError):
    """Something that is exported has no docstring."""


@dataclass(frozen=True)
class Option:
    """A field of a dataclass, a member of an enumeration, or an argument of a constructor or class method."""

    where: str
    """`JitrPipeline.cas`, `Admission.function.timeout_seconds`."""
    default: str | None
    """The default as the page shows it; None: the option must be given."""
    text: str
    """Its docstring."""
    annotation: str = ""
    """The type as it is written in the code."""
    takes: tuple[type, ...] = ()
    """The exported classes among its types: the option does not repeat their descriptions."""

    @property
    def row(self) -> str:
        """Its row in a table."""
        links = [f"[{name}](#{name.lower()})" for name in dict.fromkeys(each.__name__ for each in self.takes)]
        text = f"{linked(self.text)} {', '.join(links)}"
        return _row(self.where.rpartition(".")[2], self.default or "\N{EN DASH}", text)


def options() -> dict[str, Option]:
    """Every option of everything that is exported, by its name."""
    return {
        each.where: each
        for exported in _exported()
        if not _is(exported, Enum) and not _is(exported, Exception)
        for each in _options(exported)
    }


def sources() -> dict[str, str]:
    """The page of AWS or the section of an RFC for each option, enumeration and member that has one."""
    enumerations = [each for each in _exported() if _is(each, Enum)]
    texts = {each.__name__: _docstring(_tree(each), each.__name__) for each in enumerations}
    texts |= {option.where: option.text for each in enumerations for option in _options(each)}
    texts |= {name: option.text for name, option in options().items()}
    return {name: source for name, text in texts.items() if (source := source_of(text))}


def docstrings(kind: type) -> dict[str, str]:
    """The docstring below each field of a dataclass, by the field's name."""
    return {each.where.rpartition(".")[2]: each.text for each in _members(kind, _tree(kind))}


def _exported() -> list[type]:
    return [getattr(iot_jitr, name) for name in iot_jitr.__all__]


def _options(exported: type) -> Iterator[Option]:
    tree = _tree(exported)
    yield from _members(exported, tree)
    for method in _makers(tree):
        name = exported.__name__ if method.name == "__init__" else f"{exported.__name__}.{method.name}"
        yield from _arguments(exported, method, name)


def page(elsewhere: Collection[str] = ()) -> str:
    """The page.

    Args:
        elsewhere: The classes whose options are listed on another page.

    Raises:
        UndocumentedError: Something has no docstring.
    """
    exported = _exported()
    kinds = {"Constructs": Construct, "Enumerations": Enum, "Errors": Exception}
    sections = {title: [each for each in exported if _is(each, kind)] for title, kind in kinds.items()}
    taken = {each for chosen in sections.values() for each in chosen}
    sections["Options"] = [each for each in exported if each not in taken]
    lines = [HEAD]
    for title in ("Constructs", "Options", "Enumerations", "Errors"):
        lines.append(f"## {title}\n")
        lines += [text for each in sections[title] for text in _describe(each, elsewhere)]
    return "\n".join(lines)


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, type) and issubclass(value, kind)


def _describe(exported: type, elsewhere: Collection[str]) -> Iterator[str]:
    tree = _tree(exported)
    yield f"### {exported.__name__}\n"
    yield f"{linked(_prose(_docstring(tree, exported.__name__)))}\n"
    if _is(exported, Exception):
        return
    if exported.__name__ in elsewhere:
        yield "Its options are in [configuration.md](configuration.md).\n"
        return
    if members := [*_members(exported, tree)]:
        yield f"| | {'value' if _is(exported, Enum) else 'default'} | meaning |\n|---|---|---|"
        yield "\n".join(each.row for each in members) + "\n"
    for method in _makers(tree):
        where = f"{exported.__name__}.{method.name}"
        if method.name != "__init__":
            yield f"**`{where}`** {linked(_prose(_docstring(method, where)))}\n"
        if arguments := [*_arguments(exported, method, where.removesuffix(".__init__"))]:
            yield "| argument | default | meaning |\n|---|---|---|"
            yield "\n".join(each.row for each in arguments) + "\n"
    if rows := [*_methods(exported, tree)]:
        yield "| method | what it does |\n|---|---|"
        yield "\n".join(rows) + "\n"
    if rows := [
        _row(name, text) for name, text in _section(_docstring(tree, exported.__name__), "Attributes")
    ]:
        yield "| attribute | what it is |\n|---|---|"
        yield "\n".join(rows) + "\n"


@cache
def _tree(exported: type) -> ast.ClassDef:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(exported))).body
    return cast("ast.ClassDef", node)


def _members(exported: type, tree: ast.ClassDef) -> Iterator[Option]:
    """The fields of a dataclass or the members of an enumeration: each is followed by its docstring."""
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        default: str | None
        annotation = ""
        match node:
            case ast.Assign(targets=[ast.Name(name)]) if issubclass(exported, Enum):
                default = f"`{exported[name].value}`"
            case ast.AnnAssign(target=ast.Name(name)) if not issubclass(exported, Enum):
                default, annotation = _default(exported, node.value), _annotation(node.annotation)
            case _:
                continue
        if name.startswith("_"):
            continue
        if not (isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)):
            raise UndocumentedError(f"{exported.__name__}.{name} has no docstring")
        where, text = f"{exported.__name__}.{name}", str(after.value.value)
        yield Option(where, default, text, annotation, _taken(exported, annotation))


def _methods(exported: type, tree: ast.ClassDef) -> Iterator[str]:
    """The methods and properties of a class that is not an option class: arguments and summary."""
    inherited = [each for each in exported.__bases__ if each.__name__ == "OutcomeRules"]
    body = [node for each in (tree, *map(_tree, inherited)) for node in each.body]
    for node in () if is_dataclass(exported) else body:
        decorators = {ast.unparse(each) for each in getattr(node, "decorator_list", [])} - {
            "checked",
            "_checked",
        }
        if isinstance(node, ast.FunctionDef) and not (node.name.startswith("_") or decorators):
            taken = [each.arg for each in (*node.args.args[1:], *node.args.kwonlyargs)]
            text = _docstring(node, f"{exported.__name__}.{node.name}").partition("\n\n")[0]
            yield _row(f"{node.name}({', '.join(taken)})", text)


def _makers(tree: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    """The constructor, and the class methods that replace it."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            made_by = any(ast.unparse(each) == "classmethod" for each in node.decorator_list)
            if node.name == "__init__" or (made_by and not node.name.startswith("_")):
                yield node


def _arguments(exported: type, method: ast.FunctionDef, where: str) -> Iterator[Option]:
    described = dict(_section(_docstring(method, where), "Args"))
    plain = [argument for argument in method.args.args if argument.arg not in ("self", "cls")]
    defaults: list[ast.expr | None] = [None] * len(plain)
    if method.args.defaults:
        defaults[-len(method.args.defaults) :] = method.args.defaults
    pairs = [
        *zip(plain, defaults, strict=True),
        *zip(method.args.kwonlyargs, method.args.kw_defaults, strict=True),
    ]
    for argument, default in pairs:
        if argument.arg not in described:
            raise UndocumentedError(f"{where}: the argument {argument.arg} is not described")
        annotation = _annotation(argument.annotation)
        name, text = f"{where}.{argument.arg}", described[argument.arg]
        yield Option(name, _default(exported, default), text, annotation, _taken(exported, annotation))


def _section(docstring: str, title: str) -> Iterator[tuple[str, str]]:
    """The names that a section of a docstring describes, each with its text."""
    lines = re.search(rf"^{title}:\n(.*?)(?=^\S|\Z)", docstring, re.DOTALL | re.MULTILINE)
    entry = re.compile(r"^    (\w+): (.*?)(?=^    \w|\Z)", re.DOTALL | re.MULTILINE)
    for match in entry.finditer(lines[1] if lines else ""):
        yield match[1], match[2]


def _docstring(node: ast.ClassDef | ast.FunctionDef, where: str) -> str:
    text = ast.get_docstring(node)
    if text is None:
        raise UndocumentedError(f"{where} has no docstring")
    return text


def _prose(docstring: str) -> str:
    """The text before the sections of the docstring."""
    return re.split(r"^(?:Args|Raises|Returns|Attributes):$|^>>>", docstring, flags=re.MULTILINE)[0].strip()


def _annotation(written: ast.expr | None) -> str:
    """A type as it is written, without the quotes of a type that is imported only for type checking."""
    return "" if written is None else ast.unparse(written).strip("'\"")


def _taken(exported: type, annotation: str) -> tuple[type, ...]:
    """The exported classes in a type; an alias for several classes is resolved."""
    names = re.findall(r"\w+", annotation)
    named = [getattr(sys.modules[exported.__module__], name, getattr(iot_jitr, name, None)) for name in names]
    kinds = [kind for each in named for kind in get_args(each) or (each,)]
    return tuple(kind for kind in kinds if kind in _exported())


def _default(exported: type, value: ast.expr | None) -> str | None:
    """A default as it is written; a constant is replaced by its number or text."""
    if value is None:
        return None
    text = ast.unparse(value)
    made = re.search(r"default_factory=(?:lambda: )?([\w.]+)", text)
    meant = getattr(sys.modules[exported.__module__], text, None)
    if isinstance(meant, int | str | timedelta):
        text = repr(meant).removeprefix("datetime.")
    return f"`{made[1]}()`" if made else f"`{text}`"


def _row(name: str, *cells: str) -> str:
    return " | ".join([f"| `{name}`", *(" ".join(cell.split()).replace("|", "\\|") for cell in cells)]) + " |"
