"""The race between activator and sweep: a device activated by the former index is found."""

from typing import Any

import pytest

from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.sweep.enforce import RevocationResult
from tests.support.crls import HOLD, KEY_COMPROMISE
from tests.support.faults import Fault, Step, cut_off, meanwhile
from tests.support.sweep_harness import SETTLE, SweepHarness


def test_a_device_that_is_activated_on_the_former_index_is_found(harness: SweepHarness) -> None:
    """The interleaving: checked on the old index, published, swept, and only then activated."""
    harness.publish()
    device = harness.register()

    def publish_and_sweep() -> None:
        harness.publish({device: KEY_COMPROMISE})
        # The row exists already, so the pass finds it, with the activator's claim on it.
        assert harness.sweep().deferred == [(device, Reason.CLAIMED_ELSEWHERE)]

    with meanwhile(harness.aws.iot, "UpdateCertificate", publish_and_sweep):
        harness.activate(device)
    assert (harness.status(device), harness.row(device).state) == ("ACTIVE", State.ACTIVATED)

    harness.sweep()

    assert harness.status(device) == "REVOKED"


@pytest.mark.parametrize(
    ("reason", "result", "status"),
    [
        (KEY_COMPROMISE, RevocationResult.REVOKED, "REVOKED"),
        (HOLD, RevocationResult.SUSPENDED, "INACTIVE"),
    ],
)
def test_a_device_activated_by_a_cached_former_index_is_found(
    harness: SweepHarness, reason: Any, result: RevocationResult, status: str
) -> None:
    harness.activate_devices()
    late = harness.register("late")
    harness.publish({late: reason})
    assert harness.sweep().revocations == []

    harness.clock.pass_time(seconds=50)
    harness.activate(late)
    assert harness.status(late) == "ACTIVE", "its copy of the index is less than a minute old"
    harness.sweep()
    assert harness.status(late) == "ACTIVE", "not yet: an activator may still have the former index"

    harness.clock.pass_time(seconds=SETTLE.total_seconds())
    seen = harness.sweep()

    assert seen.revocations == [(late, result)]
    assert harness.status(late) == status


def test_indexes_that_follow_one_another_fast_do_not_delay_the_next_pass(harness: SweepHarness) -> None:
    harness.activate_devices()
    late = harness.register("late")
    harness.publish({late: None})
    harness.sweep()
    harness.activate(late)

    for _ in range(6):
        harness.clock.pass_time(seconds=25)
        harness.publish({late: None})
        harness.sweep()

    assert harness.status(late) == "REVOKED"


@pytest.mark.parametrize(
    "step",
    [
        ("dynamodb", "UpdateItem", 3),
        ("iot", "AttachPolicy", 1),
        ("iot", "UpdateCertificate", 1),
        ("dynamodb", "TransactWriteItems", 1),
    ],
    ids=["record_activating", "attach", "update", "record_activated"],
)
def test_an_activation_cut_off_anywhere_is_found(harness: SweepHarness, step: Step) -> None:
    harness.activate_devices()
    late = harness.register("late")
    with cut_off(harness.clients, step, Fault.CRASH_AFTER):
        harness.activate(late)
    harness.publish({late: KEY_COMPROMISE})
    harness.sweep()

    harness.sweep_after_the_settle_time()
    harness.sweep()
    harness.activator = harness.new_activator()
    harness.activate(late)

    assert harness.status(late) == "REVOKED"
