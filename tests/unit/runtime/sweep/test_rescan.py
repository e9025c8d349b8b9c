"""Certificates that enter the ledger after their serial number was listed: a rescan is requested."""

from datetime import timedelta
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
from tests.support.town import SETTLE, Town


def strangers(town: Town, count: int = 1) -> list[CertificateId]:
    """Certificates in service that somebody else let in; the ledger does not know them."""
    devices = [town.register(f"stranger-{number}") for number in range(count)]
    for device in devices:
        town.aws.iot.update_certificate(certificateId=device, newStatus="ACTIVE")
    return devices


def add(town: Town, device: CertificateId) -> Backfilled:
    """Do what the reconciler does with a certificate in AWS IoT's list that the ledger does not know."""
    backfill = Backfill(
        iot=town.aws.iot,
        dynamodb=town.aws.dynamodb,
        table=town.aws.table,
        rate_limiter=town.aws.rate_limiter(),
        revocation=IndexedRevocation(town.store, clock=town.clock),
        sweep=town.states,
        clock=town.clock,
    )
    return backfill.add(town.ca, device, until=town.clock() + timedelta(minutes=1))


def sweep_later(town: Town, **parts: Any) -> Any:
    town.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    return town.sweep(**parts)


@pytest.mark.parametrize(
    ("reason", "status", "state"),
    [(KEY_COMPROMISE, "REVOKED", State.REVOKED), (HOLD, "INACTIVE", State.SUSPENDED)],
)
def test_one_that_has_been_listed_for_long_is_revoked_once_it_is_entered(
    town: Town, reason: Any, status: str, state: State
) -> None:
    [device] = strangers(town)
    town.publish({device: reason})
    town.settle()

    assert add(town, device) is Backfilled.LISTED
    town.sweep()
    assert town.status(device) == "ACTIVE", "not before the entry can be found for sure"
    sweep_later(town)

    assert (town.status(device), town.row(device).state) == (status, state)
    with counted(town.aws.iot) as calls:
        sweep_later(town)
    assert calls == [], "the request has been met"


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_one_that_is_not_in_use_by_now_is_only_entered(town: Town, status: str) -> None:
    [device] = strangers(town)
    town.publish({device: KEY_COMPROMISE})
    town.settle()
    town.aws.iot.update_certificate(certificateId=device, newStatus=status)

    assert add(town, device) is Backfilled.KNOWN

    sweep_later(town)
    assert town.status(device) == status


def test_without_the_request_nothing_is_entered_so_that_the_next_pass_finds_it_again(town: Town) -> None:
    [device] = strangers(town)
    town.publish({device: KEY_COMPROMISE})

    with injected(town.aws.dynamodb, "UpdateItem", Fault.THROTTLE, at_call=2), pytest.raises(ClientError):
        add(town, device)

    assert town.ledger.row(device) is None


def test_a_request_during_a_run_is_met_by_a_later_one(town: Town) -> None:
    first, second = strangers(town, 2)
    town.publish({first: KEY_COMPROMISE, second: KEY_COMPROMISE})
    town.settle()
    add(town, first)

    def enter_another(**_: Any) -> None:
        town.aws.iot.meta.events.unregister("before-call.iot.UpdateCertificate", enter_another)
        add(town, second)

    town.aws.iot.meta.events.register_first("before-call.iot.UpdateCertificate", enter_another)
    sweep_later(town)
    assert (town.status(first), town.status(second)) == ("REVOKED", "ACTIVE")
    sweep_later(town)

    assert town.status(second) == "REVOKED"


def test_the_mass_revocation_limit_applies_to_them(town: Town) -> None:
    devices = strangers(town, 2)
    town.publish(dict.fromkeys(devices))
    limit = MassRevocationLimit(share=0.1, minimum=2)
    town.sweep(limit=limit)
    for device in devices:
        add(town, device)

    sweep_later(town, limit=limit)
    assert town.tripped() is not None
    assert {town.status(device) for device in devices} == {"ACTIVE"}

    town.confirm()
    town.sweep(limit=limit)

    assert {town.status(device) for device in devices} == {"REVOKED"}
    assert town.tripped() is None


def test_the_mass_revocation_limit_applies_to_late_activations(town: Town) -> None:
    town.bring_in()
    late = [town.register(f"late-{number}") for number in range(2)]
    town.publish(dict.fromkeys(late))
    limit = MassRevocationLimit(share=0.1, minimum=2)
    town.sweep(limit=limit)
    for device in late:
        town.activate(device)

    sweep_later(town, limit=limit)
    assert town.tripped() is not None
    assert {town.status(device) for device in late} == {"ACTIVE"}

    town.confirm()
    town.sweep(limit=limit)
    assert {town.status(device) for device in late} == {"REVOKED"}


def test_in_a_dry_run_they_stay_in_and_go_when_it_ends(town: Town) -> None:
    [device] = strangers(town)
    town.publish({device: KEY_COMPROMISE})
    town.settle()
    add(town, device)

    sweep_later(town, dry_run=True)
    assert town.status(device) == "ACTIVE"
    town.sweep()

    assert town.status(device) == "REVOKED"
