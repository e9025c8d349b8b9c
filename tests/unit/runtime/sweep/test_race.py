"""The race between activator and sweep: who is activated on the former index is found all the same."""

from contextlib import suppress
from typing import Any

import pytest

from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.sweep.enforce import RevocationResult
from tests.support.crls import HOLD, KEY_COMPROMISE
from tests.support.faults import Crash, Fault, injected
from tests.support.town import SETTLE, Town


def test_a_device_that_is_activated_on_the_former_index_is_found(town: Town) -> None:
    """The interleaving: checked on the old index, published, swept, and only then activated."""
    town.publish()
    device = town.register()

    def publish_and_sweep(**_: Any) -> None:
        town.aws.iot.meta.events.unregister("before-call.iot.UpdateCertificate", publish_and_sweep)
        town.publish({device: KEY_COMPROMISE})
        # The row is there already, so the pass finds it, with the activator's claim on it.
        assert town.sweep().deferred == [(device, Reason.CLAIMED_ELSEWHERE)]

    town.aws.iot.meta.events.register_first("before-call.iot.UpdateCertificate", publish_and_sweep)
    town.activate(device)
    assert (town.status(device), town.row(device).state) == ("ACTIVE", State.ACTIVATED)

    town.sweep()

    assert town.status(device) == "REVOKED"


def test_a_device_that_comes_while_the_activator_still_holds_the_former_index_is_found(town: Town) -> None:
    town.bring_in()
    late = town.register("late")
    town.publish({late: KEY_COMPROMISE})
    assert town.sweep().revocations == []

    town.clock.pass_time(seconds=50)
    town.activate(late)
    assert town.status(late) == "ACTIVE", "its copy of the index is less than a minute old"
    town.sweep()
    assert town.status(late) == "ACTIVE", "not yet: the index may still be unknown to somebody"

    town.clock.pass_time(seconds=SETTLE.total_seconds())
    seen = town.sweep()

    assert seen.revocations == [(late, RevocationResult.REVOKED)]
    assert town.status(late) == "REVOKED"


def test_a_hold_that_the_activator_did_not_see_is_found(town: Town) -> None:
    town.bring_in()
    late = town.register("late")
    town.publish({late: HOLD})
    town.sweep()
    town.activate(late)

    town.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    town.sweep()

    assert (town.status(late), town.row(late).state) == ("INACTIVE", State.SUSPENDED)


def test_indexes_that_follow_one_another_fast_do_not_delay_the_next_pass(town: Town) -> None:
    town.bring_in()
    late = town.register("late")
    town.publish({late: None})
    town.sweep()
    town.activate(late)

    for _ in range(6):
        town.clock.pass_time(seconds=25)
        town.publish({late: None})
        town.sweep()

    assert town.status(late) == "REVOKED"


@pytest.mark.parametrize("crash_at", ["record_activating", "attach", "update", "record_activated"])
def test_an_activation_cut_off_anywhere_is_found(town: Town, crash_at: str) -> None:
    town.bring_in()
    late = town.register("late")
    step = {
        "record_activating": (town.aws.dynamodb, "UpdateItem", Fault.CRASH_AFTER, 3),
        "attach": (town.aws.iot, "AttachPolicy", Fault.CRASH_AFTER, 1),
        "update": (town.aws.iot, "UpdateCertificate", Fault.CRASH_AFTER, 1),
        "record_activated": (town.aws.dynamodb, "TransactWriteItems", Fault.CRASH_AFTER, 1),
    }[crash_at]
    client, operation, fault, at_call = step
    with injected(client, operation, fault, at_call=at_call) as struck, suppress(Crash):
        town.activate(late)
    assert struck()
    town.publish({late: KEY_COMPROMISE})
    town.sweep()

    town.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    town.sweep()
    town.sweep()
    town.activator = town.new_activator()
    town.activate(late)

    assert town.status(late) == "REVOKED"
