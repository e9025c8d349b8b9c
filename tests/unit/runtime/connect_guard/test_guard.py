"""Which devices may connect: decided by the published index alone, for any behaviour of S3."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import Extension, crl_distribution_points
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.connect_guard import OnUnknown
from iot_jitr_runtime.connect_guard.guard import ConnectFinding
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation.store import issuer_key, key
from tests.support.connect_guard import GuardHarness, connect_event, connect_of
from tests.support.crls import BROKEN_POINTS, HOLD, KEY_COMPROMISE, Entry, idp
from tests.support.faults import Crash, Fault, counted, injected
from tests.support.indexes import CA_ID

CA, FOREIGN = DevelopmentCa.create("Factory CA"), DevelopmentCa.create("Another CA")
NAMESAKE = DevelopmentCa.create("Factory CA")
"""Another key under the name of our CA."""
OTHER_ID = CaCertificateId("cb" * 32)
BOTH = list(OnUnknown)


def device(serial: int, ca: DevelopmentCa = CA, *extensions: Extension) -> Certificate:
    return ca.issue(DeviceSpec("device", serial_number=serial, extensions=extensions)).certificate


GOOD, LISTED = device(1), device(2)


@pytest.fixture
def harness(s3: Any, tmp_path: Path) -> GuardHarness:
    return GuardHarness(s3, tmp_path, CA)


# with a usable index


@pytest.mark.parametrize("on_unknown", BOTH)
@pytest.mark.parametrize(
    ("leaf", "ca", "reason", "finding"),
    [
        pytest.param(LISTED, CA, None, ConnectFinding.REVOKED, id="listed"),
        pytest.param(LISTED, CA, KEY_COMPROMISE, ConnectFinding.REVOKED, id="compromised"),
        pytest.param(LISTED, CA, HOLD, ConnectFinding.REVOKED, id="on hold"),
        pytest.param(GOOD, CA, None, ConnectFinding.GOOD, id="not listed"),
        pytest.param(device(2, FOREIGN), FOREIGN, None, ConnectFinding.NOT_OURS, id="of another CA"),
        pytest.param(device(2, NAMESAKE), NAMESAKE, None, ConnectFinding.NOT_OURS, id="of our CA's name"),
    ],
)
def test_with_a_usable_index_only_listed_devices_of_our_ca_are_refused(  # noqa: PLR0917
    harness: GuardHarness,
    on_unknown: OnUnknown,
    leaf: Certificate,
    ca: DevelopmentCa,
    reason: Any,
    finding: ConnectFinding,
) -> None:
    harness.publish(Entry(2, reason))

    decision = harness.guard(on_unknown).decide(connect_of(leaf, ca.certificate))

    assert (decision.admitted, decision.finding) == (finding is not ConnectFinding.REVOKED, finding)


@pytest.mark.parametrize("lifted", [False, True], ids=["listed", "hold lifted"])
def test_a_newer_index_is_used_after_one_refresh_interval(harness: GuardHarness, *, lifted: bool) -> None:
    harness.publish(*([Entry(2, HOLD)] if lifted else []))
    guard = harness.guard(OnUnknown.REFUSE)
    before = guard.decide(connect_of(LISTED))
    harness.publish(*([] if lifted else [Entry(2)]))
    harness.clock.pass_time(seconds=1)

    assert (before.admitted, guard.decide(connect_of(LISTED)).admitted) == (not lifted, lifted)


def test_after_a_start_connects_make_no_request_for_one_refresh_interval(harness: GuardHarness) -> None:
    harness.publish(Entry(2))
    guard = harness.guard(OnUnknown.REFUSE)

    with counted(harness.s3) as at_start:
        guard.prepare()
    with counted(harness.s3) as later:
        for _ in range(20):
            guard.decide(connect_of(GOOD))

    assert (at_start, later) == (["GetObject", "GetObject"], [])


# the chain and its principal


def test_an_unknown_principal_does_not_bypass_the_list(harness: GuardHarness) -> None:
    harness.publish(Entry(2))
    guard = harness.guard(OnUnknown.ADMIT)

    listed = guard.decide(connect_event(CA.certificate.pem, LISTED.pem, principal="anything"))
    hidden = guard.decide(connect_event(GOOD.pem, LISTED.pem, principal="anything"))
    good = guard.decide(connect_event(GOOD.pem, CA.certificate.pem, principal="anything"))

    assert (listed.admitted, hidden.admitted, good.admitted) == (False, False, True)


@pytest.mark.parametrize("on_unknown", BOTH)
@pytest.mark.parametrize("chain", [[], ["!!"], ["QUJD"]], ids=["empty", "no base64", "no certificate"])
def test_an_event_that_cannot_be_read_is_refused(
    harness: GuardHarness, on_unknown: OnUnknown, chain: list[str]
) -> None:
    harness.publish()

    decision = harness.guard(on_unknown).decide(connect_event(*chain, principal="0" * 64))

    assert (decision.admitted, decision.finding) == (False, ConnectFinding.UNREADABLE)
    assert harness.guard(on_unknown).decide({}).finding is ConnectFinding.UNREADABLE


def test_extensions_that_are_needed_and_cannot_be_read_are_refused(harness: GuardHarness) -> None:
    harness.publish(extensions=[idp("http://crl.example/1.crl")])

    decision = harness.guard(OnUnknown.ADMIT).decide(connect_of(device(1, CA, BROKEN_POINTS)))

    assert (decision.admitted, decision.finding) == (False, ConnectFinding.UNREADABLE)


def test_a_certificate_of_our_name_whose_signature_cannot_be_verified_is_refused(
    harness: GuardHarness,
) -> None:
    harness.publish()
    known, unknown = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d04030f")
    unverifiable = Certificate.load(GOOD.der.replace(known, unknown))

    decision = harness.guard(OnUnknown.ADMIT).decide(connect_of(unverifiable))

    assert (decision.admitted, decision.finding) == (False, ConnectFinding.UNREADABLE)


# without a usable index


def is_unknown(decision: Any, on_unknown: OnUnknown) -> bool:
    return (decision.admitted, decision.finding) == (on_unknown is OnUnknown.ADMIT, ConnectFinding.UNKNOWN)


def stale(harness: GuardHarness) -> None:
    harness.publish(Entry(2))
    harness.clock.pass_time(days=2)


def of_another_partition(harness: GuardHarness) -> None:
    harness.publish(extensions=[idp("http://crl.example/2.crl")])


def damaged(name: str) -> Callable[[GuardHarness], None]:
    def damage(harness: GuardHarness) -> None:
        harness.publish(Entry(2))
        harness.s3.put_object(Bucket=harness.store.bucket, Key=name, Body=b"damaged")

    return damage


UNUSABLE: dict[str, Callable[[GuardHarness], None]] = {
    "no CA certificate": lambda _: None,
    "no index": GuardHarness.store_issuer,
    "stale": stale,
    "of another partition": of_another_partition,
    "damaged CA certificate": damaged(issuer_key(CA_ID)),
    "damaged index": damaged(key(CA_ID)),
}


@pytest.mark.parametrize("on_unknown", BOTH)
@pytest.mark.parametrize("prepare", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_without_a_usable_index_the_configuration_decides(
    harness: GuardHarness, on_unknown: OnUnknown, prepare: Callable[[GuardHarness], None]
) -> None:
    guard = harness.guard(on_unknown)
    prepare(harness)

    pointing = device(1, CA, crl_distribution_points("http://crl.example/1.crl"))
    assert is_unknown(guard.decide(connect_of(pointing)), on_unknown)


def test_a_device_of_another_ca_is_recognised_by_the_ca_certificate_alone(harness: GuardHarness) -> None:
    event = connect_of(device(1, FOREIGN))
    assert harness.guard(OnUnknown.REFUSE).decide(event).finding is ConnectFinding.UNKNOWN
    harness.store_issuer()
    assert harness.guard(OnUnknown.REFUSE).decide(event).finding is ConnectFinding.NOT_OURS


def test_a_device_on_a_stale_index_stays_refused(harness: GuardHarness) -> None:
    stale(harness)

    assert harness.guard(OnUnknown.ADMIT).decide(connect_of(LISTED)).finding is ConnectFinding.REVOKED


def test_a_ca_without_a_certificate_does_not_affect_the_devices_of_another_one(harness: GuardHarness) -> None:
    harness.publish(Entry(2))
    guard = harness.guard(OnUnknown.REFUSE, OTHER_ID, CA_ID)

    assert guard.decide(connect_of(GOOD)).admitted
    assert not guard.decide(connect_of(LISTED)).admitted


def test_a_new_index_is_found_after_one_refresh_interval(harness: GuardHarness) -> None:
    guard = harness.guard(OnUnknown.REFUSE)
    before = guard.decide(connect_of(GOOD))
    harness.publish()
    within = guard.decide(connect_of(GOOD))
    harness.clock.pass_time(seconds=1)

    assert [each.admitted for each in (before, within, guard.decide(connect_of(GOOD)))] == [
        False,
        False,
        True,
    ]


def test_a_clock_that_went_back_ends_the_pause_after_a_failure(harness: GuardHarness) -> None:
    guard = harness.guard(OnUnknown.REFUSE)
    guard.decide(connect_of(GOOD))
    harness.publish()
    harness.clock.pass_time(seconds=-30)

    assert guard.decide(connect_of(GOOD)).admitted


# two registrations of one CA


def test_a_device_is_refused_if_it_is_on_the_list_of_any_ca_with_its_key(harness: GuardHarness) -> None:
    harness.publish()
    harness.publish(Entry(2), ca_id=OTHER_ID)
    guard = harness.guard(OnUnknown.ADMIT, CA_ID, OTHER_ID)

    assert (guard.decide(connect_of(GOOD)).admitted, guard.decide(connect_of(LISTED)).admitted) == (
        True,
        False,
    )


# S3 fails

FAULTS = [Fault.THROTTLE, Fault.SERVER_ERROR, Fault.ACCESS_DENIED, Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER]


@pytest.mark.parametrize("on_unknown", BOTH)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("at_call", [1, 2], ids=["CA certificate", "index"])
def test_after_a_failed_start_no_index_is_usable_until_the_next_refresh(
    harness: GuardHarness, on_unknown: OnUnknown, fault: Fault, at_call: int
) -> None:
    harness.publish(Entry(2))
    guard = harness.guard(on_unknown)

    with injected(harness.s3, "GetObject", fault, at_call=at_call) as struck:
        assert is_unknown(guard.decide(connect_of(LISTED)), on_unknown)
    assert struck() == 1
    harness.clock.pass_time(seconds=1)

    assert (guard.decide(connect_of(LISTED)).admitted, guard.decide(connect_of(GOOD)).admitted) == (
        False,
        True,
    )


@pytest.mark.parametrize("on_unknown", BOTH)
@pytest.mark.parametrize("fault", FAULTS)
def test_during_a_failed_refresh_the_last_index_still_refuses(
    harness: GuardHarness, on_unknown: OnUnknown, fault: Fault
) -> None:
    harness.publish(Entry(2))
    guard = harness.guard(on_unknown)
    guard.prepare()
    harness.clock.pass_time(seconds=1)

    with injected(harness.s3, "GetObject", fault), counted(harness.s3) as calls:
        assert is_unknown(guard.decide(connect_of(GOOD)), on_unknown)
        assert guard.decide(connect_of(LISTED)).finding is ConnectFinding.REVOKED
        assert is_unknown(guard.decide(connect_of(GOOD)), on_unknown)

    assert calls == ["GetObject"], "each connect would wait for S3's time-out"


def test_a_connect_waits_for_one_failing_request_with_several_cas(harness: GuardHarness) -> None:
    guard = harness.guard(OnUnknown.ADMIT, CA_ID, OTHER_ID)
    guard.revocation.store = replace(guard.revocation.store, bucket="there-is-no-such-bucket")

    with counted(harness.s3) as at_start:
        guard.prepare()
    harness.clock.pass_time(seconds=1)
    with counted(harness.s3) as at_connect:
        assert is_unknown(guard.decide(connect_of(GOOD)), OnUnknown.ADMIT)

    assert (at_start, at_connect) == (["GetObject"], ["GetObject"])


def test_a_confirmed_index_is_used_while_the_request_for_another_fails(
    harness: GuardHarness,
) -> None:
    harness.publish(Entry(2))
    harness.publish(Entry(2), ca_id=OTHER_ID)
    guard = harness.guard(OnUnknown.REFUSE, CA_ID, OTHER_ID)
    guard.prepare()
    with injected(harness.s3, "GetObject", Fault.TIMEOUT_BEFORE):
        harness.clock.pass_time(seconds=1)
        assert is_unknown(guard.decide(connect_of(GOOD)), OnUnknown.REFUSE)
    harness.clock.pass_time(seconds=1)
    assert guard.decide(connect_of(GOOD)).admitted
    guard._pause("about another CA", *guard.cas)

    assert guard.decide(connect_of(GOOD)).admitted


@pytest.mark.parametrize("at_call", [1, 2], ids=["CA certificate", "index"])
def test_a_start_continues_after_a_failure(harness: GuardHarness, at_call: int) -> None:
    harness.publish(Entry(2))
    guard = harness.guard(OnUnknown.ADMIT)
    with injected(harness.s3, "GetObject", Fault.TIMEOUT_BEFORE, at_call=at_call) as struck:
        guard.prepare()
    harness.clock.pass_time(seconds=1)

    assert struck() == 1
    assert not guard.decide(connect_of(LISTED)).admitted


@pytest.mark.parametrize("fault", [Fault.CRASH_BEFORE, Fault.CRASH_AFTER])
@pytest.mark.parametrize("at_call", [1, 2])
def test_a_connect_after_a_crash_is_decided_anew(harness: GuardHarness, fault: Fault, at_call: int) -> None:
    harness.publish(Entry(2))
    guard = harness.guard(OnUnknown.ADMIT)
    with injected(harness.s3, "GetObject", fault, at_call=at_call), pytest.raises(Crash):
        guard.decide(connect_of(LISTED))

    assert not guard.decide(connect_of(LISTED)).admitted
