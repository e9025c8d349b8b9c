"""Releases: a device whose hold is lifted becomes ACTIVE after all checks are repeated."""

from contextlib import suppress

import pytest

from iot_jitr_runtime.ledger import KEY, State
from iot_jitr_runtime.outcomes import DecisionError, Reason
from iot_jitr_runtime.sweep.enforce import ReleaseResult
from tests.support.crls import HOLD
from tests.support.faults import Crash, Fault, counted, injected
from tests.support.sweep_harness import SweepHarness


class Admission:
    def __init__(self, *reasons: Exception) -> None:
        self.reasons = list(reasons)

    def admit(self, device: object) -> dict[str, str]:
        del device
        if self.reasons:
            raise self.reasons.pop(0)
        return {}


@pytest.mark.parametrize("reason", [Reason.NOT_LISTED, Reason.ADMISSION_FAILED])
def test_a_release_repeats_the_admission_and_is_tried_again(harness: SweepHarness, reason: Reason) -> None:
    from iot_jitr_runtime.outcomes import DeferredError, RefusedError

    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    error: DecisionError = (RefusedError if reason is Reason.NOT_LISTED else DeferredError)(reason, "no")
    harness.admission = Admission(error)
    harness.publish()

    [(_, result, why)] = harness.sweep().releases
    assert (result, why) == (ReleaseResult.NOT_RELEASED, reason)
    assert (harness.status(device), harness.row(device).state) == ("INACTIVE", State.SUSPENDED)
    assert harness.sweep().releases == [], "not before some time has passed"

    harness.clock.pass_time(minutes=6)
    harness.sweep()
    assert harness.status(device) == "ACTIVE"


def test_an_expired_certificate_is_not_released(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    harness.clock.pass_time(days=400)
    harness.publish()

    [(_, result, why)] = harness.sweep().releases

    assert (result, why) == (ReleaseResult.NOT_RELEASED, Reason.EXPIRED)
    assert harness.status(device) == "INACTIVE"


def test_the_release_of_an_expired_certificate_is_not_tried_again(harness: SweepHarness) -> None:
    """CAs take expired certificates off their lists, which looks like the end of a hold."""
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    harness.clock.pass_time(days=400)
    harness.publish()
    harness.sweep()

    harness.clock.pass_time(minutes=6)
    with counted(harness.aws.iot) as calls:
        harness.sweep()
        harness.publish()
        harness.sweep()

    assert calls == []
    assert harness.row(device).state is State.SUSPENDED
    assert harness.row(device).detail.startswith("expired")


def test_a_stale_index_releases_nothing(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    harness.publish()
    harness.clock.pass_time(days=3)

    [(_, result, why)] = harness.sweep().releases

    assert (result, why) == (ReleaseResult.NOT_RELEASED, Reason.CRL_STALE)
    assert harness.status(device) == "INACTIVE"


def test_a_release_cut_off_after_the_change_is_recorded(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    harness.publish()
    with injected(harness.aws.iot, "UpdateCertificate", Fault.CRASH_AFTER), suppress(Crash):
        harness.sweep()
    assert (harness.status(device), harness.row(device).state) == ("ACTIVE", State.SUSPENDED)

    harness.clock.pass_time(minutes=6)
    harness.sweep()

    assert harness.row(device).state is State.ACTIVATED
    assert harness.ledger.fleet.size(harness.ca) == 1


def test_a_row_that_is_not_suspended_any_more_is_left_alone(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    harness.aws.dynamodb.update_item(
        TableName=harness.aws.table,
        Key={KEY: {"S": device}},
        UpdateExpression="SET #state = :retired",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":retired": {"S": State.RETIRED}},
    )
    harness.publish()

    seen = harness.sweep()

    assert seen.releases == [(device, ReleaseResult.DECIDED_ELSEWHERE, None)]
    assert (harness.status(device), harness.row(device).state) == ("INACTIVE", State.RETIRED)
    assert harness.on_hold() == []
