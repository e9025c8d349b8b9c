"""The AWS calls that each function's code makes, as IAM actions, read from its sources."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

import iot_jitr_runtime

PACKAGE = Path(iot_jitr_runtime.__file__).parent
_RECEIVERS = {
    "iot": ("iot",),
    "iot_data": ("iot-data",),
    "dynamodb": ("dynamodb",),
    "table": ("dynamodb",),
    "s3": ("s3",),
    "sqs": ("sqs",),
    "logs": ("logs",),
    "events": ("events",),
    "lambda": ("lambda",),
    "client": ("kms", "acm-pca", "secretsmanager"),
}
"""What a client is called in the code, underscores at its ends aside -> the service it is of."""
_AUTHORISED_AS = {
    "dynamodb:TransactWriteItems": ("dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
    "iot-data:DeleteConnection": ("iot:DeleteConnection",),
    "lambda:Invoke": ("lambda:InvokeFunction",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "sqs:ChangeMessageVisibilityBatch": ("sqs:ChangeMessageVisibility",),
    "sqs:DeleteMessageBatch": ("sqs:DeleteMessage",),
    "sqs:SendMessageBatch": ("sqs:SendMessage",),
}
"""Calls that are authorised under another name (Service Authorization Reference); of several, any will do."""
_SIGNED_FOR = {"iotdata": "iot-data"}
"""The name for which requests are signed -> the service, where they differ."""


Unit = tuple[str, str]
"""A module and the name of what it defines: `handle`, `Ledger`, `Ledger.claim`."""


def calls_of(handler: str) -> set[tuple[str, ...]]:
    """Every call that a handler's code can make; each is the IAM actions of which any allows it.

    A function or class is reached if reached code names it. A method is reached if its class is reached and
    reached code has an attribute of that name.
    """
    module, _, name = handler.rpartition(".")
    reached: set[Unit] = set()
    named: set[str] = set()
    methods: set[Unit] = set()
    waiting = {(module, name)}
    while waiting:
        unit = waiting.pop()
        reached.add(unit)
        named |= _names(unit).attributes
        methods |= _names(unit).methods
        waiting |= _names(unit).units - reached
        waiting |= {each for each in methods if _is_called(each[1], named)} - reached
    return {call for unit in reached for call in _names(unit).calls}


def _is_called(method: str, named: set[str]) -> bool:
    name = method.rpartition(".")[2]
    return name in named or name.startswith("__")


@dataclass(frozen=True)
class _Names:
    """What a unit names."""

    units: set[Unit]
    methods: set[Unit]
    attributes: set[str]
    calls: set[tuple[str, ...]]


@cache
def _names(unit: Unit) -> _Names:
    module, name = unit
    node = _definitions(module).get(name)
    if node is None:  # a name that another module of the package defines, or that no module of it defines
        return _Names({found} if (found := _imported(module).get(name)) else set(), set(), set(), set())
    methods = {
        (module, f"{name}.{each.name}")
        for each in (node.body if isinstance(node, ast.ClassDef) else ())
        if isinstance(each, ast.FunctionDef)
    }
    nodes = list(_running(node))
    units = {
        target
        for each in nodes
        if isinstance(each, ast.Name) and (target := _resolved(module, each.id)) is not None
    }
    units |= {
        (target[0] if target[1] == "" else f"{target[0]}.{target[1]}", each.attr)
        for each in nodes
        if isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and (target := _imported(module).get(each.value.id)) is not None
        and _path(f"{target[0]}.{target[1]}").exists()
    }
    calls = {call for each in nodes for one in _attributes(each) if (call := _actions(*one))}
    return _Names(units, methods, {each.attr for each in nodes if isinstance(each, ast.Attribute)}, calls)


def _resolved(module: str, name: str) -> Unit | None:
    return (module, name) if name in _definitions(module) else _imported(module).get(name)


@cache
def _definitions(module: str) -> dict[str, ast.AST]:
    """What a module defines at its top, methods of its classes included."""
    found: dict[str, ast.AST] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        for each in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(each, ast.FunctionDef):
                found[f"{node.name}.{each.name}"] = each
        for target in node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]:
            if isinstance(target, ast.Name):
                found[target.id] = node
    return found


@cache
def _imported(module: str) -> dict[str, Unit]:
    """What a module imports from modules of ours: its name here -> where it is defined, or imported again."""
    return {
        each.asname or each.name: (str(node.module), each.name)
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(PACKAGE.name)
        for each in node.names
    }


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    return ast.parse(path.read_text(encoding="utf-8")) if path.exists() else ast.Module([], [])


def _path(module: str) -> Path:
    path = PACKAGE.parent.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All of a definition but its annotations and, of a class, its methods."""
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if name in {"annotation", "returns"} or not isinstance(child, ast.AST):
                continue
            if not (isinstance(node, ast.ClassDef) and isinstance(child, ast.FunctionDef)):
                yield child
                yield from _running(child)


def _attributes(node: ast.AST) -> Iterator[tuple[str, str]]:
    """What may be a call: an attribute of something, or the name of one that is handed on as a text."""
    if isinstance(node, ast.Attribute):
        yield _receiver(node), node.attr
    elif isinstance(node, ast.Call):
        receiver = _receiver(node.func) if isinstance(node.func, ast.Attribute) else ""
        for argument in node.args:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield receiver, argument.value


def _receiver(node: ast.Attribute) -> str:
    """The last name before the dot, without underscores at its ends."""
    value = node.value
    return (value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")).strip("_")


@cache
def _operations() -> dict[str, list[tuple[str, str]]]:
    session = botocore.session.get_session()
    found: dict[str, list[tuple[str, str]]] = {}
    for service in sorted({each for services in _RECEIVERS.values() for each in services}):
        for operation in session.get_service_model(service).operation_names:
            found.setdefault(xform_name(operation), []).append((service, operation))
    return found


def _actions(receiver: str, name: str) -> tuple[str, ...]:
    """The actions of a call; none where it is no call of AWS.

    Of an unknown receiver, a name of two words and more counts as a call of any service that has it.
    """
    candidates = _operations().get(name, [])
    if receiver in _RECEIVERS:
        candidates = [each for each in candidates if each[0] in _RECEIVERS[receiver]] or candidates
    elif "_" not in name:
        return ()
    actions = [f"{service}:{operation}" for service, operation in candidates]
    return tuple(granted for action in actions for granted in _AUTHORISED_AS.get(action, (action,)))


def actions_of(service: str, operation: str) -> tuple[str, ...]:
    """Return the IAM actions of a call that the lab recorded, of which any allows it.

    Args:
        service: The service that the request was signed for.
        operation: The operation's name, or method and path where the protocol does not name it.
    """
    service = _SIGNED_FOR.get(service, service)
    method, _, path = operation.partition(" ")
    if not path:
        name = operation
    elif service == "s3":
        name = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject"}[method]
        name = name if path.strip("/").count("/") else "ListObjectsV2"
    else:
        name = _by_path(service, method, path)
    action = f"{service}:{name}"
    return _AUTHORISED_AS.get(action, (action,))


def _by_path(service: str, method: str, path: str) -> str:
    model = botocore.session.get_session().get_service_model(service)
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        uri = http["requestUri"].partition("?")[0]
        pattern = re.sub(r"\\\{[^/]+?\\\}", ".+", re.escape(uri))
        if http["method"] == method and re.fullmatch(pattern, path):
            found.append((len(re.sub(r"\{.*?\}", "", uri)), name))
    return max(found)[1]
