"""The revocation check of activations: by a fresh local copy of the index only."""

import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import Extension, crl_distribution_points
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.outcomes import DecisionError, Reason
from iot_jitr_runtime.revocation.checker import REFRESH, IndexedRevocation
from iot_jitr_runtime.revocation.model import RevocationReason
from iot_jitr_runtime.revocation.store import key
from tests.support.crls import BROKEN_POINTS, HOLD, KEY_COMPROMISE, Entry, idp
from tests.support.faults import Fault, counted, injected
from tests.support.indexes import CA_ID, IndexBucket

CA = DevelopmentCa.create()
URL = "http://crl.example/1.crl"
HOUR = timedelta(hours=1)


def device(serial: int, *extensions: Extension) -> Certificate:
    return CA.issue(DeviceSpec("device", serial_number=serial, extensions=extensions)).certificate


class Harness(IndexBucket):
    """A bucket to publish into, and a checker that reads from it."""

    def __init__(self, s3: Any, folder: Path) -> None:
        super().__init__(s3, folder, CA)
        self.checker = IndexedRevocation(self.store, clock=self.clock)

    def check(self, serial: int = 1, *extensions: Extension) -> str | None:
        return self.checker.check(CA_ID, device(serial, *extensions))

    def refused(self, serial: int = 1, *extensions: Extension) -> Reason:
        return self.refusal(serial, *extensions).reason

    def refusal(self, serial: int = 1, *extensions: Extension) -> DecisionError:
        with pytest.raises(DecisionError) as caught:
            self.check(serial, *extensions)
        return caught.value


@pytest.fixture
def harness(s3: Any, tmp_path: Path) -> Harness:
    return Harness(s3, tmp_path)


def test_a_good_certificate_passes_on_a_named_version(harness: Harness) -> None:
    published = harness.publish(Entry(2))

    assert harness.check(1) == published.version


POINTING, ELSEWHERE = crl_distribution_points(URL), crl_distribution_points("http://crl.example/2.crl")


@pytest.mark.parametrize(
    ("serial", "extension", "days", "reason", "detail"),
    [
        (1, POINTING, 0, Reason.REVOKED, "serial 1 is on CRL number 1 with reason keyCompromise"),
        (2, POINTING, 0, Reason.ON_HOLD, "serial 2 is on CRL number 1 with reason certificateHold"),
        (3, ELSEWHERE, 0, Reason.CRL_PARTITION_MISSING, "no CRL covers"),
        (
            3,
            BROKEN_POINTS,
            0,
            Reason.UNPARSABLE_CERTIFICATE,
            "the certificate's extensions cannot be read",
        ),
        (3, POINTING, 2, Reason.CRL_STALE, "stale since"),
        (1, POINTING, 2, Reason.CRL_STALE, "stale since"),
    ],
)
def test_a_certificate_that_is_not_good_is_refused_or_deferred(
    harness: Harness, serial: int, extension: Extension, *, days: int, reason: Reason, detail: str
) -> None:
    harness.publish(Entry(1, KEY_COMPROMISE), Entry(2, HOLD), extensions=[idp(URL)])
    harness.clock.pass_time(days=days)

    refusal = harness.refusal(serial, extension)

    assert refusal.reason is reason
    assert detail in str(refusal)


def test_without_an_index_it_is_deferred(harness: Harness) -> None:
    refusal = harness.refusal()

    assert refusal.reason is Reason.CRL_MISSING
    assert "no revocation index" in str(refusal)


def test_a_fresh_index_ends_the_deferral(harness: Harness) -> None:
    harness.publish()
    harness.clock.pass_time(days=2)
    assert harness.refused() is Reason.CRL_STALE

    published = harness.publish()
    harness.clock.pass_time(seconds=60)

    assert harness.check() == published.version


def test_a_ca_configured_without_a_crl_needs_no_request(harness: Harness) -> None:
    checker = IndexedRevocation(harness.store, without_crl={CA_ID})
    with counted(harness.s3) as calls:
        assert checker.check(CA_ID, device(1)) is None
    assert calls == []


def test_an_unchanged_index_is_kept_without_being_read_again(harness: Harness) -> None:
    published = harness.publish()
    with counted(harness.s3) as calls:
        for _ in range(3):
            assert harness.check() == published.version
            harness.clock.pass_time(seconds=59)
            assert harness.check() == published.version
            harness.clock.pass_time(minutes=2)
    assert calls == ["GetObject"] * 3
    assert len(list(Path(harness.checker._folder.name).iterdir())) == 1


def test_a_new_index_is_used_within_a_minute(harness: Harness) -> None:
    harness.publish()
    harness.check(1)
    harness.publish(Entry(1))

    harness.clock.pass_time(seconds=REFRESH.total_seconds())

    assert harness.refused(1) is Reason.REVOKED


def test_only_the_copy_in_use_is_kept(harness: Harness) -> None:
    for _ in range(4):
        harness.publish()
        harness.check()
        harness.clock.pass_time(minutes=1)
    assert len(list(Path(harness.checker._folder.name).iterdir())) == 1


def test_after_a_backward_clock_step_the_index_is_requested_again(harness: Harness) -> None:
    harness.publish()
    harness.check()
    harness.clock.pass_time(seconds=-30)
    with counted(harness.s3) as calls:
        harness.check()
    assert calls == ["GetObject"]


@pytest.mark.parametrize("fault", [Fault.THROTTLE, Fault.SERVER_ERROR, Fault.ACCESS_DENIED])
def test_a_failed_confirmation_of_the_index_propagates(harness: Harness, fault: Fault) -> None:
    harness.publish()
    harness.check()
    harness.clock.pass_time(minutes=1)

    with injected(harness.s3, "GetObject", fault), pytest.raises(ClientError):
        harness.check()
    assert harness.check()


@pytest.mark.parametrize("content", [None, b"", b"<html></html>", bytes(10_000)])
def test_a_deleted_or_damaged_index_defers(harness: Harness, content: bytes | None) -> None:
    harness.publish()
    harness.check()
    place = {"Bucket": harness.store.bucket, "Key": key(CA_ID)}
    if content is None:
        harness.s3.delete_object(**place)
    else:
        harness.s3.put_object(**place, Body=content)
    harness.clock.pass_time(minutes=1)

    for _ in range(2):
        assert harness.refused() is Reason.CRL_MISSING


DAMAGE = {
    "a time that does not exist": "UPDATE crl SET next_update = 1e30",
    "a time beyond all others": "UPDATE crl SET this_update = 9223372036854775807",
    "a time in words": "UPDATE crl SET next_update = 'soon'",
    "no time": "UPDATE crl SET next_update = x''",
    "no number": "UPDATE crl SET number = 'x'",
    "an unreadable scope": "UPDATE crl SET scope = 'everything'",
    "another scope": "UPDATE crl SET scope = '{}'",
    "a scope of numbers": "UPDATE crl SET scope = '[1, 2]'",
    "a scope without end": f"UPDATE crl SET scope = '{'[' * 100_000}'",
    "a maximum age without end": "INSERT INTO about VALUES ('max_age', '9999999999999999999999')",
    "a maximum age in words": "INSERT INTO about VALUES ('max_age', 'a day')",
    "a reason that does not exist": "UPDATE revoked SET reason = 7",
    "a reason in words": "UPDATE revoked SET reason = 'lost'",
    "no version": "DELETE FROM about WHERE name = 'version'",
    "no CRL": "DELETE FROM crl",
    "no table": "DROP TABLE revoked",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_index_never_refuses_or_accepts_a_certificate(harness: Harness, damage: str) -> None:
    former = harness.publish(Entry(1))
    path = harness.folder / "1"
    with sqlite3.connect(path) as database:
        database.execute(damage)
    harness.store.publish(CA_ID, path, "damaged", instead_of=former, usable_until=harness.clock() + HOUR)

    assert harness.refused(1) in {Reason.CRL_MISSING, Reason.CRL_PARTITION_MISSING}


def test_the_index_of_another_ca_is_not_used_and_not_kept_on_disk(harness: Harness) -> None:
    """It is downloaded at every check, so the kept copies would soon fill the function's disk."""
    harness.publish(named=CaCertificateId("another"))

    for _ in range(3):
        refusal = harness.refusal()
        assert refusal.reason is Reason.CRL_MISSING
        assert f"the index is of CA another, not {CA_ID}" in str(refusal)
        assert list(Path(harness.checker._folder.name).iterdir()) == []


def test_a_damaged_local_copy_is_downloaded_again(harness: Harness) -> None:
    published = harness.publish(*[Entry(serial) for serial in range(1, 2000)])
    assert harness.check(5000) == published.version
    [copy] = Path(harness.checker._folder.name).iterdir()
    copy.write_bytes(copy.read_bytes()[:4096])

    assert harness.refused(1500) is Reason.CRL_MISSING
    assert harness.refused(1500) is Reason.REVOKED


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["publish good", "publish revoked", "delete", "damage", "fail", "20 s", "70 s", "2 days"]
        ),
        max_size=12,
    )
)
def test_no_check_passes_by_an_index_replaced_longer_ago_than_the_refresh(
    harness: Harness, events: list[str]
) -> None:
    harness.checker = IndexedRevocation(harness.store, clock=harness.clock)
    in_force: list[tuple[Any, str | None]] = [(harness.clock(), None)]
    harness.s3.delete_object(Bucket=harness.store.bucket, Key=key(CA_ID))
    for event in events:
        fault = Fault.SERVER_ERROR if event == "fail" else None
        match event:
            case "publish good":
                in_force.append((harness.clock(), harness.publish().version))
            case "publish revoked":
                harness.publish(Entry(1))
                in_force.append((harness.clock(), None))
            case "delete":
                harness.s3.delete_object(Bucket=harness.store.bucket, Key=key(CA_ID))
                in_force.append((harness.clock(), None))
            case "damage":
                harness.s3.put_object(Bucket=harness.store.bucket, Key=key(CA_ID), Body=b"damaged")
                in_force.append((harness.clock(), None))
            case "20 s" | "70 s":
                harness.clock.pass_time(seconds=int(event[:2]))
            case "2 days":
                harness.clock.pass_time(days=2)
        try:
            if fault:
                with injected(harness.s3, "GetObject", fault):
                    version = harness.check(1)
            else:
                version = harness.check(1)
        except (DecisionError, ClientError):
            continue
        ends = [since for since, _ in in_force[1:]] + [harness.clock() + REFRESH]
        acceptable = {
            each for (_, each), end in zip(in_force, ends, strict=True) if harness.clock() - end < REFRESH
        }
        assert version is not None
        assert version in acceptable


def test_the_last_known_reason_is_available_at_any_age_of_the_copy(harness: Harness) -> None:
    known = harness.checker.last_known_reason
    harness.publish(Entry(1, KEY_COMPROMISE), Entry(2))
    assert known(CA_ID, device(1)) is None, "there is no copy yet"
    harness.checker.load(CA_ID)

    harness.clock.pass_time(days=400)

    assert known(CA_ID, device(1)) is RevocationReason.KEY_COMPROMISE
    assert known(CA_ID, device(3)) is None
    assert known(CaCertificateId("b" * 64), device(1)) is None


def test_a_damaged_copy_lists_no_certificate(harness: Harness) -> None:
    harness.publish(*[Entry(serial) for serial in range(1, 2000)])
    harness.checker.load(CA_ID)
    [copy] = Path(harness.checker._folder.name).iterdir()
    copy.write_bytes(copy.read_bytes()[:4096])

    assert harness.checker.last_known_reason(CA_ID, device(1500)) is None


def test_a_loaded_index_decides_without_a_request(harness: Harness) -> None:
    harness.checker.load(CA_ID)
    assert not harness.checker.is_fresh(CA_ID)
    harness.publish(Entry(1))

    harness.checker.load(CA_ID)

    assert harness.checker.is_fresh(CA_ID)
    with counted(harness.s3) as calls:
        assert harness.refused(1) is Reason.REVOKED
    assert calls == []


def test_prepare_refreshes_the_indexes_in_use(harness: Harness) -> None:
    harness.publish(Entry(2))
    harness.check(1)
    harness.publish(Entry(1))
    harness.clock.pass_time(seconds=REFRESH.total_seconds())

    harness.checker.prepare()

    with counted(harness.s3) as calls:
        assert harness.refused(1) is Reason.REVOKED
    assert calls == []
