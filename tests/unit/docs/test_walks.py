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

from iot_jitr_runtime.ca_registration import handler as ca_registration
from iot_jitr_runtime.ca_registration.properties import CaProperties
from iot_jitr_runtime.ca_registration.signers import SecretSigner
from iot_jitr_runtime.sweep.sessions import REPEAT_AFTER
from iot_jitr_runtime.sweep.targets import MassRevocationLimit
from tests.support.account import account
from tests.support.buckets import s3_client
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import ca_account
from tests.support.ca_resource import CaResource
from tests.support.crls import HOLD, KEY_COMPROMISE
from tests.support.sweep_harness import SweepHarness

ARCHITECTURE = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text(encoding="utf-8")
WALKS = dict(
    re.findall(
        r"^## (The walk of [^\n]+)\n.*?^```text\n(.*?)^```$", ARCHITECTURE, flags=re.MULTILINE | re.DOTALL
    )
)
"""Heading of each walk → its outline: one function a line, by its name below `iot_jitr_runtime`."""
EVENT = "The walk of one registration event"
CA = "The walk of one CA"
CRL = "The walk of one CRL"


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
    assert {EVENT, CA, CRL} <= WALKS.keys()
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


NOT_IN_A_PLAIN_ACTIVATION = {"activator.activate.Activation.record", "things.registration.Things.register"}


def test_the_functions_of_an_activation_are_called_in_the_order_of_its_walk() -> None:
    with account() as aws:
        batch, record = aws.batch(), aws.event(aws.pending())
        with called() as calls:
            aws.process(record, batch=batch)

    # The handler is Lambda's.
    assert_called_in_order(
        [name for name in functions(EVENT)[1:] if name not in NOT_IN_A_PLAIN_ACTIVATION], calls
    )


def test_the_functions_of_a_ca_that_is_registered_already_are_called_in_the_order_of_its_walk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = CaSpec()
    ca = spec.build()
    with ca_account() as aws:
        aws.client("secretsmanager").create_secret(Name="ca-key", SecretString=pem_of(spec.key))
        aws.iot.add(ca)
        monkeypatch.setattr(ca_registration, "_session", aws.session)
        context: Any = None
        resource = CaResource(lambda event: ca_registration.handle(event, context))
        with called() as calls:
            resource.create(CaProperties(ca.pem, SecretSigner("ca-key")))

    assert_called_in_order(functions(CA), calls)


def test_the_functions_of_a_sweep_are_called_in_the_order_of_the_walk_of_one_crl(tmp_path: Path) -> None:
    with account() as aws:
        harness = SweepHarness(aws, s3_client(), tmp_path)
        revoked, held, _ = harness.activate_devices(3)
        harness.publish({held: HOLD})
        harness.settle()
        # More serial numbers than the limit allows, but not more devices: they are counted first.
        harness.publish({revoked: KEY_COMPROMISE}, extra={1: None})
        with called() as calls:
            harness.sweep(limit=MassRevocationLimit(share=0.5, minimum=1))
            harness.clock.pass_time(seconds=REPEAT_AFTER.total_seconds() + 1)
            harness.repeat_closings()

    names = functions(CRL)
    # The handler is Lambda's.
    assert_called_in_order(names[names.index("sweep.sweep.Sweep.run") :], calls)


def assert_called_in_order(names: list[str], calls: list[CodeType]) -> None:
    left = iter(calls)
    for name in names:
        assert resolve(name).__code__ in left, f"{name} is not called, or not after those before it"
