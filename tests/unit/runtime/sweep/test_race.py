"""The race between activator and sweep: a device activated by the former index is found."""

from contextlib import suppress
from typing import Any

import pytest

from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.sweep.enforce import RevocationResult
from tests.support.crls import HOLD, KEY_COMPROMISE
from tests.support.faults import Crash, Fault, injected
from tests.support.sweep_harness import SETTLE, SweepHarness


def test_a_device_that_is_activated_on_the_former_index_is_found(harness: SweepHarness) -> None:
    """The interleaving: checked on the old index, published, swept, and only then activated."""
    harness.publish()
    device = harness.register()

    def publish_and_sweep(**_: Any) -> None:
        harness.aws.iot.meta.events.unregister("before-call.iot.UpdateCertificate", publish_and_sweep)
        harness.publish({device: KEY_COMPROMISE})
        # The row exists already, so the pass finds it, with the activator's claim on it.
        assert harness.sweep().deferred == [(device, Reason.CLAIMED_ELSEWHERE)]

    harness.aws.iot.meta.events.register_first("before-call.iot.UpdateCertificate", publish_and_sweep)
    harness.activate(device)
    assert (harness.status(device), harness.row(device).state) == ("ACTIVE", State.ACTIVATED)

    harness.sweep()

    assert harness.status(device) == "REVOKED"


def test_a_device_activated_by_a_cached_former_index_is_found(
    harness: SweepHarness,
) -> None:
    harness.activate_devices()
    late = harness.register("late")
    harness.publish({late: KEY_COMPROMISE})
    assert harness.sweep().revocations == []

    harness.clock.pass_time(seconds=50)
    harness.activate(late)
    assert harness.status(late) == "ACTIVE", "its copy of the index is less than a minute old"
    harness.sweep()
    assert harness.status(late) == "ACTIVE", "not yet: an activator may still have the former index"

    harness.clock.pass_time(seconds=SETTLE.total_seconds())
    seen = harness.sweep()

    assert seen.revocations == [(late, RevocationResult.REVOKED)]
    assert harness.status(late) == "REVOKED"


def test_a_device_on_hold_activated_by_the_former_index_is_suspended(harness: SweepHarness) -> None:
    harness.activate_devices()
    late = harness.register("late")
    harness.publish({late: HOLD})
    harness.sweep()
    harness.activate(late)

    harness.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    harness.sweep()

    assert (harness.status(late), harness.row(late).state) == ("INACTIVE", State.SUSPENDED)


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


@pytest.mark.parametrize("crash_at", ["record_activating", "attach", "update", "record_activated"])
def test_an_activation_cut_off_anywhere_is_found(harness: SweepHarness, crash_at: str) -> None:
    harness.activate_devices()
    late = harness.register("late")
    step = {
        "record_activating": (harness.aws.dynamodb, "UpdateItem", Fault.CRASH_AFTER, 3),
        "attach": (harness.aws.iot, "AttachPolicy", Fault.CRASH_AFTER, 1),
        "update": (harness.aws.iot, "UpdateCertificate", Fault.CRASH_AFTER, 1),
        "record_activated": (harness.aws.dynamodb, "TransactWriteItems", Fault.CRASH_AFTER, 1),
    }[crash_at]
    client, operation, fault, at_call = step
    with injected(client, operation, fault, at_call=at_call) as struck, suppress(Crash):
        harness.activate(late)
    assert struck()
    harness.publish({late: KEY_COMPROMISE})
    harness.sweep()

    harness.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    harness.sweep()
    harness.sweep()
    harness.activator = harness.new_activator()
    harness.activate(late)

    assert harness.status(late) == "REVOKED"
