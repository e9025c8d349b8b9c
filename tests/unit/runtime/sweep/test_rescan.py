"""Certificates that are backfilled after their serial number was listed: a rescan is requested."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.reconciler.backfill import Backfill, Backfilled
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.sweep.targets import MassRevocationLimit
from tests.support.crls import HOLD, KEY_COMPROMISE
from tests.support.faults import Fault, counted, injected
from tests.support.sweep_harness import SETTLE, SweepHarness


def unknown_certificates(harness: SweepHarness, count: int = 1) -> list[CertificateId]:
    """ACTIVE certificates that another caller has activated; the ledger has none of them."""
    devices = [harness.register(f"unknown-{number}") for number in range(count)]
    for device in devices:
        harness.aws.iot.update_certificate(certificateId=device, newStatus="ACTIVE")
    return devices


def add(harness: SweepHarness, device: CertificateId) -> Backfilled:
    """Backfill a certificate that is in AWS IoT's list and not in the ledger, as the reconciler does."""
    revocation = IndexedRevocation(harness.store, clock=harness.clock)
    return Backfill(harness.aws.iot, harness.ledger, revocation, harness.clock).add(harness.ca, device)


def sweep_later(harness: SweepHarness, **parts: Any) -> Any:
    harness.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    return harness.sweep(**parts)


@pytest.mark.parametrize(
    ("reason", "status", "state"),
    [(KEY_COMPROMISE, "REVOKED", State.REVOKED), (HOLD, "INACTIVE", State.SUSPENDED)],
)
def test_a_certificate_listed_earlier_is_revoked_after_its_backfill(
    harness: SweepHarness, reason: Any, status: str, state: State
) -> None:
    [device] = unknown_certificates(harness)
    harness.publish({device: reason})
    harness.settle()

    assert add(harness, device) is Backfilled.LISTED
    harness.sweep()
    assert harness.status(device) == "ACTIVE", "not before the entry can be found for sure"
    sweep_later(harness)

    assert (harness.status(device), harness.row(device).state) == (status, state)
    with counted(harness.aws.iot) as calls:
        sweep_later(harness)
    assert calls == [], "the request has been met"


def test_a_failed_rescan_request_adds_no_row(
    harness: SweepHarness,
) -> None:
    [device] = unknown_certificates(harness)
    harness.publish({device: KEY_COMPROMISE})

    with injected(harness.aws.dynamodb, "UpdateItem", Fault.THROTTLE), pytest.raises(ClientError):
        add(harness, device)

    assert harness.ledger.row(device) is None


def test_a_rescan_requested_during_a_run_is_done_by_a_later_run(harness: SweepHarness) -> None:
    first, second = unknown_certificates(harness, 2)
    harness.publish({first: KEY_COMPROMISE, second: KEY_COMPROMISE})
    harness.settle()
    add(harness, first)

    def backfill_another(**_: Any) -> None:
        harness.aws.iot.meta.events.unregister("before-call.iot.UpdateCertificate", backfill_another)
        add(harness, second)

    harness.aws.iot.meta.events.register_first("before-call.iot.UpdateCertificate", backfill_another)
    sweep_later(harness)
    assert (harness.status(first), harness.status(second)) == ("REVOKED", "ACTIVE")
    sweep_later(harness)

    assert harness.status(second) == "REVOKED"


def test_the_mass_revocation_limit_applies_to_backfilled_certificates(harness: SweepHarness) -> None:
    devices = unknown_certificates(harness, 2)
    harness.publish(dict.fromkeys(devices))
    limit = MassRevocationLimit(share=0.1, minimum=2)
    harness.sweep(limit=limit)
    for device in devices:
        add(harness, device)

    sweep_later(harness, limit=limit)
    assert harness.tripped() is not None
    assert {harness.status(device) for device in devices} == {"ACTIVE"}

    harness.confirm()
    harness.sweep(limit=limit)

    assert {harness.status(device) for device in devices} == {"REVOKED"}
    assert harness.tripped() is None


def test_the_mass_revocation_limit_applies_to_late_activations(harness: SweepHarness) -> None:
    harness.activate_devices()
    late = [harness.register(f"late-{number}") for number in range(2)]
    harness.publish(dict.fromkeys(late))
    limit = MassRevocationLimit(share=0.1, minimum=2)
    harness.sweep(limit=limit)
    for device in late:
        harness.activate(device)

    sweep_later(harness, limit=limit)
    assert harness.tripped() is not None
    assert {harness.status(device) for device in late} == {"ACTIVE"}

    harness.confirm()
    harness.sweep(limit=limit)
    assert {harness.status(device) for device in late} == {"REVOKED"}


def test_a_dry_run_keeps_them_active_until_it_ends(harness: SweepHarness) -> None:
    [device] = unknown_certificates(harness)
    harness.publish({device: KEY_COMPROMISE})
    harness.settle()
    add(harness, device)

    sweep_later(harness, dry_run=True)
    assert harness.status(device) == "ACTIVE"
    harness.sweep()

    assert harness.status(device) == "REVOKED"
