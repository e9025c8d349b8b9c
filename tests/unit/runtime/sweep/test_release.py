"""Releases: a hold that is lifted lets the device in again, after all checks are repeated."""

from contextlib import suppress

import pytest

from iot_jitr_runtime.ledger import KEY, State
from iot_jitr_runtime.outcomes import DecisionError, Reason
from iot_jitr_runtime.sweep.enforce import ReleaseResult
from tests.support.crls import HOLD
from tests.support.faults import Crash, Fault, counted, injected
from tests.support.town import Town


class Admission:
    def __init__(self, *reasons: Exception) -> None:
        self.reasons = list(reasons)

    def admit(self, device: object) -> dict[str, str]:
        del device
        if self.reasons:
            raise self.reasons.pop(0)
        return {}


@pytest.mark.parametrize("reason", [Reason.NOT_LISTED, Reason.ADMISSION_FAILED])
def test_a_release_needs_the_admission_again_and_is_tried_again(town: Town, reason: Reason) -> None:
    from iot_jitr_runtime.outcomes import DeferredError, RefusedError

    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    error: DecisionError = (RefusedError if reason is Reason.NOT_LISTED else DeferredError)(reason, "no")
    town.admission = Admission(error)
    town.publish()

    [(_, result, why)] = town.sweep().releases
    assert (result, why) == (ReleaseResult.NOT_RELEASED, reason)
    assert (town.status(device), town.row(device).state) == ("INACTIVE", State.SUSPENDED)
    assert town.sweep().releases == [], "not before some time has passed"

    town.clock.pass_time(minutes=6)
    town.sweep()
    assert town.status(device) == "ACTIVE"


def test_an_expired_certificate_is_not_released(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.clock.pass_time(days=400)
    town.publish()

    [(_, result, why)] = town.sweep().releases

    assert (result, why) == (ReleaseResult.NOT_RELEASED, Reason.EXPIRED)
    assert town.status(device) == "INACTIVE"


def test_a_certificate_that_expired_on_hold_is_not_looked_at_for_ever(town: Town) -> None:
    """CAs take expired certificates off their lists, which looks like the end of a hold."""
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.clock.pass_time(days=400)
    town.publish()
    town.sweep()

    town.clock.pass_time(minutes=6)
    with counted(town.aws.iot) as calls:
        town.sweep()
        town.publish()
        town.sweep()

    assert calls == []
    assert town.row(device).state is State.SUSPENDED
    assert town.row(device).detail.startswith("expired")


def test_a_stale_index_releases_nobody(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.publish()
    town.clock.pass_time(days=3)

    [(_, result, why)] = town.sweep().releases

    assert (result, why) == (ReleaseResult.NOT_RELEASED, Reason.CRL_STALE)
    assert town.status(device) == "INACTIVE"


def test_a_release_cut_off_after_the_change_is_recorded(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.publish()
    with injected(town.aws.iot, "UpdateCertificate", Fault.CRASH_AFTER), suppress(Crash):
        town.sweep()
    assert (town.status(device), town.row(device).state) == ("ACTIVE", State.SUSPENDED)

    town.clock.pass_time(minutes=6)
    town.sweep()

    assert town.row(device).state is State.ACTIVATED
    assert town.ledger.fleet.size(town.ca) == 1


def test_a_row_that_is_not_suspended_any_more_is_left_alone(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: HOLD})
    town.sweep()
    town.aws.dynamodb.update_item(
        TableName=town.aws.table,
        Key={KEY: {"S": device}},
        UpdateExpression="SET #state = :retired",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":retired": {"S": State.RETIRED}},
    )
    town.publish()

    seen = town.sweep()

    assert seen.releases == [(device, ReleaseResult.DECIDED_ELSEWHERE, None)]
    assert (town.status(device), town.row(device).state) == ("INACTIVE", State.RETIRED)
    assert town.on_hold() == []
