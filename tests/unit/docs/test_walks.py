"""The walks of docs/architecture.md: each function that they name exists, and is called in that order."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from iot_jitr_runtime.activator.interfaces import NoThings
from iot_jitr_runtime.policy.attachment import SharedPolicy
from tests.support.account import account

ARCHITECTURE = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text(encoding="utf-8")
WALKS = dict(
    re.findall(r"^## (The walk of [^\n]+)\n.*?^```\n(.*?)^```$", ARCHITECTURE, flags=re.MULTILINE | re.DOTALL)
)
"""Heading of each walk → its outline: one function a line, by its name below `iot_jitr_runtime`."""
EVENT = "The walk of one registration event"


def functions(walk: str) -> list[str]:
    return re.findall(r"^[\s│├└─]*(\w+(?:\.\w+)+)", WALKS[walk], flags=re.MULTILINE)


def resolve(name: str) -> Callable[..., Any]:
    """Return the function, from the longest part of its name that is a module."""
    parts = f"iot_jitr_runtime.{name}".split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        found = reduce(getattr, parts[cut:], module)
        assert callable(found)
        return found
    raise ModuleNotFoundError(name)


@pytest.mark.parametrize("name", [name for walk in WALKS for name in functions(walk)])
def test_each_function_of_a_walk_exists(name: str) -> None:
    resolve(name)


def test_a_walk_names_functions() -> None:
    assert EVENT in WALKS
    assert all(len(functions(walk)) > 5 for walk in WALKS)


@contextmanager
def called() -> Iterator[list[CodeType]]:
    """Collect the functions that are called."""
    calls: list[CodeType] = []

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            calls.append(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield calls
    finally:
        sys.setprofile(before)


IMPLEMENTATIONS = {
    "activator.interfaces.ThingRegistration.register": NoThings.register,
    "activator.interfaces.PolicyAttachment.attach": SharedPolicy.attach,
}
NOT_WHERE_IT_IS_ACTIVATED = {"activator.activate.Activation.record"}


def test_the_functions_of_an_activation_are_called_in_the_order_of_its_walk() -> None:
    with account() as aws:
        batch, record = aws.batch(), aws.event(aws.pending())
        with called() as calls:
            aws.process(record, batch=batch)

    left = iter(calls)
    for name in functions(EVENT)[1:]:  # the handler is Lambda's
        if name not in NOT_WHERE_IT_IS_ACTIVATED:
            wanted = IMPLEMENTATIONS.get(name) or resolve(name)
            assert wanted.__code__ in left, f"{name} is not called, or not after those before it"
