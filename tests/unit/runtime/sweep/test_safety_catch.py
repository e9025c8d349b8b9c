"""A CRL that would put out too much of the fleet waits for a person."""

import pytest

from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.sweep.catch import SafetyCatch
from iot_jitr_runtime.sweep.states import NothingHeldError
from tests.support.crls import HOLD
from tests.support.town import Town


def test_a_crl_that_would_put_out_too_many_waits_for_a_person(town: Town) -> None:
    devices = town.bring_in(4)
    town.publish(dict.fromkeys(devices[:2]))
    catch = SafetyCatch(share=0.25, minimum=2)

    seen = town.sweep(catch=catch)

    assert [(held.devices, held.fleet) for held in seen.held_] == [(2, 4)]
    assert {town.status(device) for device in devices} == {"ACTIVE"}
    assert len(town.sweep(catch=catch).held_) == 1, "the alarm goes on"

    town.confirm()
    town.sweep(catch=catch)

    assert [town.status(device) for device in devices] == ["REVOKED", "REVOKED", "ACTIVE", "ACTIVE"]
    assert town.state().held is None


def test_the_index_that_is_held_back_governs_activations_all_the_same(town: Town) -> None:
    devices = town.bring_in(2)
    newcomer = town.register("newcomer")
    town.publish(dict.fromkeys([*devices, newcomer]))
    town.sweep(catch=SafetyCatch(share=0.1, minimum=1))

    town.clock.pass_time(minutes=1)
    town.activate(newcomer)

    assert town.aws.decisions[0].verdict.reason is Reason.REVOKED


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_historic_revocations_on_the_first_crl_hold_nothing_back(town: Town, status: str) -> None:
    """Of certificates that somebody else has taken out of service, and of one device that is ACTIVE."""
    revoked, _ = town.bring_in(2)
    historic = [town.register(f"historic-{number}") for number in range(5)]
    for certificate in historic:
        town.aws.iot.update_certificate(certificateId=certificate, newStatus=status)
        town.activate(certificate)
        assert town.row(certificate).state is State.KNOWN
    town.publish(dict.fromkeys([*historic, revoked]))

    seen = town.sweep(catch=SafetyCatch(share=0.5, minimum=2))

    assert seen.held_ == []
    assert {town.status(each) for each in [*historic, revoked]} == {"REVOKED"}


def test_devices_that_somebody_else_has_activated_count_on_both_sides(town: Town) -> None:
    town.publish()
    devices = [town.register(f"known-{number}") for number in range(4)]
    for device in devices:
        town.aws.iot.update_certificate(certificateId=device, newStatus="ACTIVE")
        town.activate(device)
        assert town.row(device).state is State.KNOWN
    town.publish(dict.fromkeys(devices[:2]))

    [held] = town.sweep(catch=SafetyCatch(share=0.25, minimum=2)).held_

    assert (held.devices, held.fleet) == (2, 4)


def test_a_crl_below_the_catch_goes_through(town: Town) -> None:
    devices = town.bring_in(4)
    town.publish({devices[0]: None})

    assert town.sweep(catch=SafetyCatch(share=0.25, minimum=1)).held_ == []
    assert town.status(devices[0]) == "REVOKED"


def test_a_crl_that_takes_the_mistake_back_ends_the_hold(town: Town) -> None:
    devices = town.bring_in(3)
    catch = SafetyCatch(share=0.5, minimum=2)
    town.publish(dict.fromkeys(devices))
    town.sweep(catch=catch)
    town.publish({devices[0]: None})

    assert town.sweep(catch=catch).held_ == []
    assert [town.status(device) for device in devices] == ["REVOKED", "ACTIVE", "ACTIVE"]
    assert town.state().held is None


def test_a_confirmation_counts_only_for_what_the_person_has_looked_at(town: Town) -> None:
    devices = town.bring_in(3)
    catch = SafetyCatch(share=0.1, minimum=1)
    town.publish({devices[0]: None})
    town.sweep(catch=catch)
    looked_at = town.state().held
    assert looked_at is not None
    town.publish(dict.fromkeys(devices))
    town.sweep(catch=catch)

    with pytest.raises(NothingHeldError):
        town.states.confirm(town.ca, looked_at.index.version)
    town.sweep(catch=catch)
    assert {town.status(device) for device in devices} == {"ACTIVE"}


def test_a_confirmed_index_is_swept_to_its_end_before_a_newer_one(town: Town) -> None:
    devices = town.bring_in(3)
    catch = SafetyCatch(share=0.1, minimum=1)
    town.publish({devices[0]: None})
    town.sweep(catch=catch)
    town.confirm()
    town.publish(dict.fromkeys(devices))

    town.sweep(catch=catch)
    assert [town.status(device) for device in devices] == ["REVOKED", "ACTIVE", "ACTIVE"]
    assert len(town.sweep(catch=catch).held_) == 1


def test_where_nothing_is_held_nothing_can_be_confirmed(town: Town) -> None:
    with pytest.raises(NothingHeldError):
        town.states.confirm(town.ca, "whatever")


def test_holds_are_lifted_while_a_mass_revocation_waits(town: Town) -> None:
    devices = town.bring_in(3)
    catch = SafetyCatch(share=0.5, minimum=2)
    town.publish({devices[0]: HOLD})
    town.sweep(catch=catch)
    town.publish({devices[1]: None, devices[2]: None})

    town.sweep(catch=catch)

    assert [town.status(device) for device in devices] == ["ACTIVE", "ACTIVE", "ACTIVE"]
