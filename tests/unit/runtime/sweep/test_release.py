"""Releases: a device whose hold is lifted becomes ACTIVE after all checks are repeated."""

import pytest

from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import DecisionError, DeferredError, Reason, RefusedError
from iot_jitr_runtime.sweep.enforce import ReleaseResult
from tests.support.crls import HOLD
from tests.support.faults import counted
from tests.support.sweep_harness import SweepHarness


class Admission:
    """Ends with these errors, then admits every device."""

    def __init__(self, *errors: DecisionError) -> None:
        self.errors = list(errors)

    def admit(self, device: object) -> dict[str, str]:
        del device
        if self.errors:
            raise self.errors.pop(0)
        return {}


@pytest.fixture
def lifted(harness: SweepHarness) -> CertificateId:
    """A device that is suspended, and that the index in force does not list any more."""
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    assert harness.status(device) == "INACTIVE"
    harness.publish()
    return device


@pytest.mark.parametrize("error", [RefusedError(Reason.NOT_LISTED), DeferredError(Reason.ADMISSION_FAILED)])
def test_a_release_repeats_the_admission_and_is_tried_again(
    harness: SweepHarness, lifted: CertificateId, error: DecisionError
) -> None:
    harness.admission = Admission(error)

    assert harness.sweep().releases == [(lifted, ReleaseResult.NOT_RELEASED, error.reason)]
    assert (harness.status(lifted), harness.row(lifted).state) == ("INACTIVE", State.SUSPENDED)
    assert harness.sweep().releases == [], "not before some time has passed"

    harness.clock.pass_time(minutes=6)
    harness.sweep()
    assert harness.status(lifted) == "ACTIVE"


def test_an_expired_certificate_is_not_released_and_not_tried_again(
    harness: SweepHarness, lifted: CertificateId
) -> None:
    """CAs remove expired certificates from their lists, which looks like the end of a hold."""
    harness.clock.pass_time(days=400)
    harness.publish()

    assert harness.sweep().releases == [(lifted, ReleaseResult.NOT_RELEASED, Reason.EXPIRED)]

    harness.clock.pass_time(minutes=6)
    with counted(harness.aws.iot) as calls:
        harness.sweep()
        harness.publish()
        harness.sweep()
    assert calls == []
    assert harness.status(lifted) == "INACTIVE"
    assert harness.row(lifted).state is State.SUSPENDED
    assert harness.row(lifted).detail.startswith("expired")


def test_a_stale_index_releases_nothing(harness: SweepHarness, lifted: CertificateId) -> None:
    harness.clock.pass_time(days=3)

    assert harness.sweep().releases == [(lifted, ReleaseResult.NOT_RELEASED, Reason.CRL_STALE)]
    assert harness.status(lifted) == "INACTIVE"


def test_a_row_that_is_no_longer_suspended_is_skipped(harness: SweepHarness, lifted: CertificateId) -> None:
    harness.ledger.items.update(Update(lifted, {"state": State.RETIRED}))

    seen = harness.sweep()

    assert seen.releases == [(lifted, ReleaseResult.DECIDED_ELSEWHERE, None)]
    assert (harness.status(lifted), harness.row(lifted).state) == ("INACTIVE", State.RETIRED)
    assert harness.on_hold() == []


@pytest.mark.parametrize(
    ("status", "state"), [("REVOKED", State.KNOWN), ("ACTIVE", State.ACTIVATED)], ids=["revoked", "active"]
)
def test_a_change_by_an_operator_during_the_hold_is_kept(
    harness: SweepHarness, lifted: CertificateId, status: str, state: State
) -> None:
    harness.aws.iot.update_certificate(certificateId=lifted, newStatus=status)

    harness.sweep()

    assert (harness.status(lifted), harness.row(lifted).state) == (status, state)
    assert harness.on_hold() == []
