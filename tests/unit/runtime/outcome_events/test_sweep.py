"""Events of the sweep: revocations, holds and their release, after the ledger has them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from iot_jitr_runtime.ledger.outbox import IN_FLIGHT
from tests.support.account import account
from tests.support.buckets import s3_client
from tests.support.event_bus import EventBus
from tests.support.faults import DECISIVE_FAULTS, Crash, Fault, injected
from tests.support.sweep_harness import SweepHarness

KEY_COMPROMISE = x509.ReasonFlags.key_compromise
HOLD = x509.ReasonFlags.certificate_hold


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[SweepHarness]:
    with account() as opened:
        yield SweepHarness(opened, s3_client(), tmp_path)


@pytest.fixture
def bus(harness: SweepHarness) -> EventBus:
    """A bus for the sweep's outcome events; those of the activator are off."""
    made = EventBus()
    harness.ledger.outbox = made.outbox(harness.aws)
    return made


def test_a_revocation_is_published_with_the_reason_of_the_crl(harness: SweepHarness, bus: EventBus) -> None:
    [lost, kept] = harness.activate_devices(2)
    harness.publish({lost: KEY_COMPROMISE})

    harness.sweep()

    [event] = bus.received()
    detail = event["detail"]
    assert event["detail-type"] == "Certificate Revoked"
    assert (detail["certificateId"], detail["revocationReason"]) == (lost, "keyCompromise")
    assert detail["commonName"] == harness.row(lost).common_name
    assert "reason" not in detail
    assert harness.status(kept) == "ACTIVE"


def test_a_hold_and_its_release_are_published(harness: SweepHarness, bus: EventBus) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: HOLD})
    harness.sweep()
    [suspended] = bus.received()

    harness.publish()
    harness.sweep()
    [released] = bus.received()

    assert suspended["detail-type"] == "Certificate Suspended"
    assert released["detail-type"] == "Certificate Released"
    assert suspended["detail"]["certificateId"] == released["detail"]["certificateId"] == device


def test_a_dry_run_publishes_nothing(harness: SweepHarness, bus: EventBus) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: KEY_COMPROMISE})

    harness.sweep(dry_run=True)

    assert bus.received() == []


@pytest.mark.parametrize("fault", sorted(DECISIVE_FAULTS))
def test_a_revocation_whose_event_is_cut_off_is_published_later(
    harness: SweepHarness, bus: EventBus, fault: Fault
) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: KEY_COMPROMISE})

    with injected(bus.events, "PutEvents", fault) as struck:
        try:
            harness.sweep()
        except Crash:
            assert fault is Fault.CRASH_AFTER
        assert struck() == 1
    assert harness.status(device) == "REVOKED"
    harness.clock.pass_time(seconds=IN_FLIGHT.total_seconds() + 1)
    bus.outbox(harness.aws).publish_owed(harness.clock.deadline(minutes=5))

    published = [(event["detail"]["outcome"], event["detail"]["id"]) for event in bus.received()]
    assert len(set(published)) == 1
    assert published[0][0] == "revoked"
