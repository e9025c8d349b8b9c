"""Faults at the wire: AWS throttles, fails, times out, or the function crashes.

They are injected into real clients through botocore's own events, so the tested code runs unchanged.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from tests.support.aws_response import aws_response

Step = tuple[str, str, int]
"""A call: name of the client, operation, and which call of this operation it is, from 1."""


def step_name(step: object) -> str:
    """The id of a test parameter that is a step or None."""
    return "-".join(map(str, step)) if isinstance(step, tuple) else str(step)


class Crash(BaseException):
    """The function crashes at this moment."""


class Fault(StrEnum):
    THROTTLE = "throttle"
    SERVER_ERROR = "server error"
    """After the call took effect: what an error of the server leaves open, taken at its worst."""
    ACCESS_DENIED = "access denied"
    TIMEOUT_BEFORE = "time-out before it took effect"
    TIMEOUT_AFTER = "time-out after it took effect"
    CRASH_BEFORE = "crash before the call"
    CRASH_AFTER = "crash after the call"


DECISIVE_FAULTS = {Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER, Fault.CRASH_AFTER}
"""One for each state that a call can leave: an error alone, an error and the effect, the effect alone."""
EVERY_FAULT = [
    # The other faults leave the same states: a crash before a call that of a crash after the previous call.
    # Only their error codes differ. What becomes of these is guarded by the activator's
    # test_a_fault_is_a_deferral_with_its_reason_in_ledger_and_decision and by test_aws_errors.py.
    fault if fault in DECISIVE_FAULTS else pytest.param(fault, marks=pytest.mark.exhaustive)
    for fault in Fault
]
"""For a test that cuts off each of many calls."""

_REFUSALS = {
    Fault.THROTTLE: (400, "ThrottlingException"),
    Fault.ACCESS_DENIED: (403, "AccessDeniedException"),
}


def _server_error() -> Any:
    # All handlers of the event run, the emulation among them: the call takes effect, and this is its answer.
    code = "InternalFailureException"
    return aws_response(500, {"__type": code, "message": "injected"}, code)


def _refusal(operation: str, status: int, code: str) -> ClientError:
    # Raised, so that no handler after it runs: the call takes no effect.
    response: Any = {
        "Error": {"Code": code, "Message": "injected"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, operation)


@contextmanager
def injected(client: Any, operation: str, fault: Fault, *, at_call: int = 1) -> Iterator[Callable[[], int]]:
    """Inject `fault` at the `at_call`-th call of `operation`; yields how often it happened."""
    calls = struck = 0

    def strike() -> bool:
        nonlocal calls, struck
        calls += 1
        struck += calls == at_call
        return calls == at_call

    def before(**_: Any) -> Any:
        if not strike():
            return None
        if fault is Fault.CRASH_BEFORE:
            raise Crash
        if fault is Fault.TIMEOUT_BEFORE:
            raise ReadTimeoutError(endpoint_url="http://injected")
        if fault is Fault.SERVER_ERROR:
            return _server_error()
        raise _refusal(operation, *_REFUSALS[fault])

    def after(**_: Any) -> None:
        if strike():
            raise Crash if fault is Fault.CRASH_AFTER else ReadTimeoutError(endpoint_url="http://injected")

    late = fault in {Fault.TIMEOUT_AFTER, Fault.CRASH_AFTER}
    with _handled(client, "after-call" if late else "before-send", operation, after if late else before):
        yield lambda: struck


@contextmanager
def answered(client: Any, operation: str, code: str) -> Iterator[None]:
    """Let every call of `operation` be answered with the error `code`: responses that moto does not give."""
    response = {"Error": {"Code": code, "Message": "answered by a test"}, "ResponseMetadata": {}}

    def answer(**_: Any) -> None:
        # It is raised, so that the emulation does not receive the call.
        raise client.exceptions.from_code(code)(response, operation)

    with _handled(client, "before-send", operation, answer):
        yield


@contextmanager
def meanwhile(
    client: Any, operation: str, action: Callable[[], object], *, at_call: int = 1
) -> Iterator[None]:
    """Do something else once in the block: just before the `at_call`-th call of `operation`."""
    calls = 0

    def act(**_: Any) -> None:
        nonlocal calls
        calls += 1  # the calls of the action are later ones
        if calls == at_call:
            action()

    with _handled(client, "before-send", operation, act):
        yield


@contextmanager
def cut_off(clients: Any, step: Step, fault: Fault) -> Iterator[None]:
    """Inject a fault at one call of the worker in the block; it must happen. A crash is suppressed.

    Args:
        clients: What has the clients as attributes, by their names in `step`.
        step: The call.
        fault: What it meets.
    """
    client, operation, at_call = step
    with injected(getattr(clients, client), operation, fault, at_call=at_call) as struck, suppress(Crash):
        yield
    assert struck() == 1


@contextmanager
def counted(client: Any) -> Iterator[list[str]]:
    """Collect the names of the operations called through this client."""
    calls: list[str] = []
    with _noted(client, calls.append):
        yield calls


@contextmanager
def stepped(**clients: Any) -> Iterator[list[Step]]:
    """Collect every call through these clients, in order, to compare them with the list in a test."""
    steps: list[Step] = []

    def note(name: str, operation: str) -> None:
        steps.append((name, operation, 1 + sum((name, operation) == step[:2] for step in steps)))

    with ExitStack() as stack:
        for name, client in clients.items():
            stack.enter_context(_noted(client, partial(note, name)))
        yield steps


@contextmanager
def _noted(client: Any, note: Callable[[str], None]) -> Iterator[None]:
    def handler(model: Any, **_: Any) -> None:
        note(model.name)

    with _handled(client, "before-call", "*", handler):
        yield


@contextmanager
def _handled(client: Any, event: str, operation: str, handler: Callable[..., Any]) -> Iterator[None]:
    """Run a handler first at one of botocore's events of an operation's calls."""
    name = f"{event}.{client.meta.service_model.service_id.hyphenize()}.{operation}"
    client.meta.events.register_first(name, handler)
    try:
        yield
    finally:
        client.meta.events.unregister(name, handler)
