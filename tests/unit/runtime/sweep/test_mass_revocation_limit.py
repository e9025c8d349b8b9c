"""A CRL that would revoke too much of the fleet waits for a confirmation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.sweep.state import NotTrippedError
from iot_jitr_runtime.sweep.sweep import LIMIT_TRIPPED
from iot_jitr_runtime.sweep.targets import MassRevocationLimit
from tests.support.crls import HOLD
from tests.support.faults import Fault, counted, injected
from tests.support.sweep_harness import Recorder, SweepHarness


def reported(seen: Recorder) -> list[tuple[int, int]]:
    """The numbers of devices and of the fleet in each report of a tripped limit."""
    return [(each["devices"], each["fleet"]) for each in seen.facts(LIMIT_TRIPPED)]


def test_a_crl_above_the_limit_waits_for_a_confirmation(harness: SweepHarness) -> None:
    devices = harness.activate_devices(4)
    harness.publish(dict.fromkeys(devices[:2]))
    limit = MassRevocationLimit(share=0.25, minimum=2)

    assert reported(harness.sweep(limit=limit)) == [(2, 4)]
    assert {harness.status(device) for device in devices} == {"ACTIVE"}
    assert reported(harness.sweep(limit=limit)) == [(2, 4)], "the alarm stays active"

    harness.confirm()
    harness.sweep(limit=limit)

    assert [harness.status(device) for device in devices] == ["REVOKED", "REVOKED", "ACTIVE", "ACTIVE"]
    assert harness.tripped() is None


def test_an_index_that_tripped_the_limit_still_applies_to_activations(harness: SweepHarness) -> None:
    devices = harness.activate_devices(2)
    newcomer = harness.register("newcomer")
    harness.publish(dict.fromkeys([*devices, newcomer]))
    harness.sweep(limit=MassRevocationLimit(share=0.1, minimum=1))

    harness.clock.pass_time(minutes=1)
    harness.activate(newcomer)

    assert harness.aws.decisions[0].verdict.reason is Reason.REVOKED


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_historic_revocations_on_the_first_crl_do_not_count(harness: SweepHarness, status: str) -> None:
    """Five of certificates that another caller has deactivated, one of a device that is ACTIVE."""
    revoked, _ = harness.activate_devices(2)
    historic = harness.known_from_elsewhere(5, status)
    harness.publish(dict.fromkeys([*historic, revoked]))

    assert reported(harness.sweep(limit=MassRevocationLimit(share=0.5, minimum=2))) == []
    assert {harness.status(each) for each in [*historic, revoked]} == {"REVOKED"}


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_devices_of_this_pipeline_that_an_operator_has_deactivated_do_not_count(
    harness: SweepHarness, status: str
) -> None:
    *deactivated, revoked, _ = harness.activate_devices(5)
    for device in deactivated:
        harness.aws.iot.update_certificate(certificateId=device, newStatus=status)
    harness.publish(dict.fromkeys([*deactivated, revoked]))

    assert reported(harness.sweep(limit=MassRevocationLimit(share=0.5, minimum=2))) == []

    assert {harness.status(each) for each in [*deactivated, revoked]} == {"REVOKED"}
    assert harness.ledger.fleet.size(harness.ca) == 1


def test_devices_whose_status_cannot_be_read_count(harness: SweepHarness) -> None:
    devices = harness.activate_devices(2)
    harness.publish(dict.fromkeys(devices))

    with injected(harness.aws.iot, "DescribeCertificate", Fault.THROTTLE):
        seen = harness.sweep(limit=MassRevocationLimit(share=0.5, minimum=2))

    assert reported(seen) == [(2, 2)]


def test_above_a_limit_the_count_of_the_ledger_is_used(
    harness: SweepHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iot_jitr_runtime.sweep.sweep.CHECKED_AT_MOST", 2)
    devices = harness.activate_devices(4)
    harness.publish(dict.fromkeys(devices))

    with counted(harness.aws.iot) as calls:
        assert reported(harness.sweep(limit=MassRevocationLimit(share=0.5, minimum=2))) == [(4, 4)]

    assert calls == ["DescribeCertificate"] * 2


def test_while_many_devices_wait_the_count_of_the_ledger_is_used(harness: SweepHarness) -> None:
    devices = harness.activate_devices(6)
    harness.publish(dict.fromkeys(devices[:4]))
    storm = harness.aws.rate_limiter(10)
    storm.reserve(10_000)

    with counted(harness.aws.iot) as calls:
        seen = harness.sweep(limit=MassRevocationLimit(share=0.5, minimum=2), rate_limiter=storm)

    assert reported(seen) == [(4, 6)]
    assert calls == ["DescribeCertificate"], "one at the background share, which has no second slot in time"


def test_few_new_serials_are_revoked_without_a_count_first(harness: SweepHarness) -> None:
    devices = harness.activate_devices(2)
    harness.publish(dict.fromkeys(devices))

    with counted(harness.aws.iot) as calls:
        harness.sweep(limit=MassRevocationLimit(share=0.1, minimum=3))

    assert calls == ["DescribeCertificate", "UpdateCertificate"] * 2


def test_devices_activated_by_another_caller_count_as_revoked_and_as_fleet(harness: SweepHarness) -> None:
    harness.publish()
    devices = harness.known_from_elsewhere(4)
    harness.publish(dict.fromkeys(devices[:2]))

    assert reported(harness.sweep(limit=MassRevocationLimit(share=0.25, minimum=2))) == [(2, 4)]


def test_a_crl_below_the_limit_needs_no_confirmation(harness: SweepHarness) -> None:
    devices = harness.activate_devices(4)
    harness.publish({devices[0]: None})

    assert reported(harness.sweep(limit=MassRevocationLimit(share=0.25, minimum=1))) == []
    assert harness.status(devices[0]) == "REVOKED"


def test_a_corrected_crl_resets_the_tripped_limit(harness: SweepHarness) -> None:
    devices = harness.activate_devices(3)
    limit = MassRevocationLimit(share=0.5, minimum=2)
    harness.publish(dict.fromkeys(devices))
    harness.sweep(limit=limit)
    harness.publish({devices[0]: None})

    assert reported(harness.sweep(limit=limit)) == []
    assert [harness.status(device) for device in devices] == ["REVOKED", "ACTIVE", "ACTIVE"]
    assert harness.tripped() is None


def test_a_confirmation_applies_only_to_its_index_version(harness: SweepHarness) -> None:
    devices = harness.activate_devices(3)
    limit = MassRevocationLimit(share=0.1, minimum=1)
    harness.publish({devices[0]: None})
    harness.sweep(limit=limit)
    looked_at = harness.tripped()
    assert looked_at is not None
    harness.publish(dict.fromkeys(devices))
    harness.sweep(limit=limit)

    with pytest.raises(NotTrippedError):
        harness.states.confirm(harness.ca, looked_at.index.version)
    harness.sweep(limit=limit)
    assert {harness.status(device) for device in devices} == {"ACTIVE"}


def test_a_confirmed_index_is_swept_to_its_end_before_a_newer_one(harness: SweepHarness) -> None:
    devices = harness.activate_devices(3)
    limit = MassRevocationLimit(share=0.1, minimum=1)
    harness.publish({devices[0]: None})
    harness.sweep(limit=limit)
    harness.confirm()
    harness.publish(dict.fromkeys(devices))

    harness.sweep(limit=limit)
    assert [harness.status(device) for device in devices] == ["REVOKED", "ACTIVE", "ACTIVE"]
    assert len(reported(harness.sweep(limit=limit))) == 1


def test_without_a_tripped_limit_a_confirmation_is_an_error(harness: SweepHarness) -> None:
    with pytest.raises(NotTrippedError):
        harness.states.confirm(harness.ca, "whatever")


def test_holds_are_released_while_a_mass_revocation_waits(harness: SweepHarness) -> None:
    devices = harness.activate_devices(3)
    limit = MassRevocationLimit(share=0.5, minimum=2)
    harness.publish({devices[0]: HOLD})
    harness.sweep(limit=limit)
    harness.publish({devices[1]: None, devices[2]: None})

    harness.sweep(limit=limit)

    assert [harness.status(device) for device in devices] == ["ACTIVE", "ACTIVE", "ACTIVE"]


@pytest.mark.parametrize(
    ("devices", "fleet", "allowed"),
    [
        (49, 49, True),
        (50, 499, False),
        (50, 500, True),
        (1_000, 10_000, True),
        (1_001, 10_000, False),
        (50, 0, False),
    ],
)
def test_the_limit_is_a_share_of_the_fleet_from_a_minimum(devices: int, fleet: int, *, allowed: bool) -> None:
    assert MassRevocationLimit(share=0.1, minimum=50).allows(devices, fleet) is allowed


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_at_a_share_of_1_there_is_no_limit(devices: int, fleet: int) -> None:
    assert MassRevocationLimit(share=1, minimum=1).allows(devices, fleet)
