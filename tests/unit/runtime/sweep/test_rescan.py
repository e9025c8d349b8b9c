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
from tests.support.faults import Fault, counted, injected, meanwhile
from tests.support.sweep_harness import SweepHarness


def add(harness: SweepHarness, device: CertificateId) -> Backfilled:
    """Backfill a certificate that is in AWS IoT's list and not in the ledger, as the reconciler does."""
    revocation = IndexedRevocation(harness.store, clock=harness.clock)
    return Backfill(harness.aws.iot, harness.ledger, revocation, harness.clock).add(harness.ca, device)


@pytest.mark.parametrize(
    ("reason", "status", "state"),
    [(KEY_COMPROMISE, "REVOKED", State.REVOKED), (HOLD, "INACTIVE", State.SUSPENDED)],
)
def test_a_certificate_listed_earlier_is_revoked_after_its_backfill(
    harness: SweepHarness, reason: Any, status: str, state: State
) -> None:
    [device] = harness.register_elsewhere()
    harness.publish({device: reason})
    harness.settle()

    assert add(harness, device) is Backfilled.LISTED
    harness.sweep()
    assert harness.status(device) == "ACTIVE", "not before the entry can be found for sure"
    harness.sweep_after_the_settle_time()

    assert (harness.status(device), harness.row(device).state) == (status, state)
    with counted(harness.aws.iot) as calls:
        harness.sweep_after_the_settle_time()
    assert calls == [], "the request has been met"


def test_a_failed_rescan_request_adds_no_row(harness: SweepHarness) -> None:
    [device] = harness.register_elsewhere()
    harness.publish({device: KEY_COMPROMISE})

    with injected(harness.aws.dynamodb, "UpdateItem", Fault.THROTTLE), pytest.raises(ClientError):
        add(harness, device)

    assert harness.ledger.row(device) is None


def test_a_rescan_requested_during_a_run_is_done_by_a_later_run(harness: SweepHarness) -> None:
    first, second = harness.register_elsewhere(2)
    harness.publish({first: KEY_COMPROMISE, second: KEY_COMPROMISE})
    harness.settle()
    add(harness, first)

    with meanwhile(harness.aws.iot, "UpdateCertificate", lambda: add(harness, second)):
        harness.sweep_after_the_settle_time()
    assert (harness.status(first), harness.status(second)) == ("REVOKED", "ACTIVE")
    harness.sweep_after_the_settle_time()

    assert harness.status(second) == "REVOKED"


@pytest.mark.parametrize("backfilled", [True, False], ids=["backfilled", "activated"])
def test_the_mass_revocation_limit_applies_to_certificates_that_are_added_late(
    harness: SweepHarness, *, backfilled: bool
) -> None:
    harness.activate_devices()
    names = ("late-1", "late-2")
    devices = harness.register_elsewhere(2) if backfilled else [harness.register(name) for name in names]
    harness.publish(dict.fromkeys(devices))
    limit = MassRevocationLimit(share=0.1, minimum=2)
    harness.sweep(limit=limit)
    for device in devices:
        add(harness, device) if backfilled else harness.activate(device)

    harness.sweep_after_the_settle_time(limit=limit)
    assert harness.tripped() is not None
    assert {harness.status(device) for device in devices} == {"ACTIVE"}

    harness.confirm()
    harness.sweep(limit=limit)

    assert {harness.status(device) for device in devices} == {"REVOKED"}
    assert harness.tripped() is None


def test_a_dry_run_keeps_them_active_until_it_ends(harness: SweepHarness) -> None:
    [device] = harness.register_elsewhere()
    harness.publish({device: KEY_COMPROMISE})
    harness.settle()
    add(harness, device)

    harness.sweep_after_the_settle_time(dry_run=True)
    assert harness.status(device) == "ACTIVE"
    harness.sweep()

    assert harness.status(device) == "REVOKED"
