"""Revocation on the local cloud: CRLs uploaded to S3, devices refused, revoked, suspended and released."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from iot_jitr_cli.connect import OpenSession, open_session
from iot_jitr_cli.main import jitr
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.revocation_list import HOLD
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output
from iot_jitr_runtime.sweep.sweep import LIMIT_TRIPPED
from tests.support.cloud import TIME_LIMIT, Cloud
from tests.support.crl_upload import KEY_COMPROMISE
from tests.support.revoking import LIMIT, Revoking

if TYPE_CHECKING:
    from cryptography import x509


def why(revoking: Revoking, identity: DeviceIdentity) -> Reason | None:
    """What the ledger says about a device that is not in."""
    row = revoking.cloud.row(identity.certificate.fingerprint)
    return row.reason if row is not None and row.state in {State.REFUSED, State.REVOKED} else None


def test_a_revoked_device_is_never_activated(revoking: Revoking) -> None:
    identity = revoking.cloud.ca.issue(DeviceSpec("stolen-from-the-warehouse"))
    revoking.revoke(identity)
    revoking.publish()

    revoking.cloud.connect_refused(identity)

    # The sweep of the same index may have run meanwhile and made it REVOKED.
    assert wait_until(lambda: why(revoking, identity) is Reason.REVOKED, limit=TIME_LIMIT, interval=0.1)
    assert revoking.cloud.status(identity.certificate.fingerprint) in {"PENDING_ACTIVATION", "REVOKED"}
    assert revoking.cloud.policies_of(identity.certificate.fingerprint) == []
    revoking.cloud.connect_refused(identity)


def test_a_device_activated_before_its_crl_is_published_is_revoked_after_it(
    revoking: Revoking,
) -> None:
    """The other side of the refresh interval: the sweep finds what was activated on the former index."""
    identity = revoking.cloud.admit_device("stolen-and-faster")
    revoking.revoke(identity)
    revoking.publish()

    revoking.wait_for_status(identity, "REVOKED")
    revoking.cloud.connect_refused(identity)


def test_an_unlisted_device_is_activated(revoking: Revoking) -> None:
    identity = revoking.cloud.admit_device("not-listed")

    row = revoking.cloud.wait_for_state(identity.certificate.fingerprint, State.ACTIVATED)
    assert row.index_version


@contextmanager
def staying(cloud: Cloud, identity: DeviceIdentity) -> Iterator[OpenSession]:
    """A device that is connected."""
    name = identity.certificate.common_names[0]
    endpoint = cloud.lab.broker()
    with open_session(cloud.credentials(identity), endpoint, name, TIME_LIMIT) as session:
        assert session is not None
        yield session


@pytest.mark.parametrize("reason", [KEY_COMPROMISE, HOLD], ids=lambda reason: reason.name)
def test_the_open_sessions_of_listed_devices_are_closed_and_no_others(
    revoking: Revoking, reason: "x509.ReasonFlags"
) -> None:
    """The local cloud itself leaves a session open whatever becomes of its certificate."""
    devices = [revoking.cloud.admit_device(f"connected-{reason.name}-{number}") for number in range(LIMIT)]
    *listed, other = devices
    with ExitStack() as stack:
        sessions = {each: stack.enter_context(staying(revoking.cloud, each)) for each in devices}
        revoking.revoke(*listed, reason=reason)
        revoking.publish()

        for each in listed:
            assert sessions[each].wait_until_closed(TIME_LIMIT)
            assert revoking.cloud.status(each.certificate.fingerprint) != "ACTIVE"
        assert not sessions[other].is_closed()
        assert revoking.cloud.connect(other).ending == "published"
    connection = revoking.cloud.client("iot-data").get_connection(
        clientId=listed[0].certificate.common_names[0]
    )
    assert (connection["connected"], connection["disconnectReason"]) == (False, "API_INITIATED_DISCONNECT")


def test_an_active_device_is_revoked_after_a_new_crl_is_uploaded(revoking: Revoking) -> None:
    identity, other = (revoking.cloud.admit_device(name) for name in ("lost-in-the-field", "still-there"))
    revoking.revoke(identity)

    revoking.publish()

    revoking.wait_for_status(identity, "REVOKED")
    revoking.cloud.connect_refused(identity)
    assert revoking.cloud.connect(other).ending == "published"


def test_a_device_on_hold_is_suspended_until_it_is_released(revoking: Revoking) -> None:
    identity = revoking.cloud.admit_device("borrowed")
    revoking.revoke(identity, reason=HOLD)
    revoking.publish()
    revoking.wait_for_status(identity, "INACTIVE")
    revoking.cloud.connect_refused(identity)

    revoking.revocations.release(identity.certificate.x509.serial_number)
    revoking.publish()
    revoking.wait_for_status(identity, "ACTIVE")

    assert revoking.cloud.connect(identity).ending == "published"


def test_a_device_deferred_by_a_stale_crl_is_activated_without_another_connect(
    revoking: Revoking,
) -> None:
    revoking.publish_stale()
    identity = revoking.cloud.ca.issue(DeviceSpec("came-while-stale"))
    certificate_id = identity.certificate.fingerprint
    revoking.cloud.connect_refused(identity)
    row = revoking.cloud.wait_for_state(certificate_id, State.DEFERRED)
    assert row.reason is Reason.CRL_STALE
    assert revoking.cloud.status(certificate_id) == "PENDING_ACTIVATION"

    revoking.publish()

    revoking.wait_for_status(identity, "ACTIVE")


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", bytes(100_000)])
def test_a_bad_upload_changes_nothing(revoking: Revoking, content: bytes) -> None:
    identity = revoking.cloud.admit_device(f"beside-bad-upload-{len(content)}")
    before = revoking.index_version()
    reported = revoking.cloud.logged(Output.CRL_PUBLISHER_LOG_GROUP, "malformed")

    revoking.upload(content)
    revoking.cloud.wait_for_log(Output.CRL_PUBLISHER_LOG_GROUP, "malformed", beside=reported)

    assert revoking.index_version() == before
    assert revoking.cloud.connect(identity).ending == "published"
    revoking.publish()


@pytest.fixture
def command(revoking: Revoking, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Any]]:
    """`jitr crl confirm`, as an operator of this cloud."""
    for name, value in revoking.cloud.lab.ministack.credentials.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, Any]:
        result = CliRunner().invoke(jitr, ["crl", "confirm", "Lab", "--json", *arguments])
        return result.exit_code, json.loads(result.stdout or "null")

    return run


def test_a_mass_revocation_waits_for_a_person(
    revoking: Revoking, command: Callable[..., tuple[int, Any]]
) -> None:
    fleet = [revoking.cloud.admit_device(f"one-of-many-{number}") for number in range(LIMIT)]
    newcomer = revoking.cloud.ca.issue(DeviceSpec("new-and-listed"))
    revoking.revoke(*fleet, newcomer)
    revoking.publish()
    revoking.cloud.wait_for_log(Output.SWEEP_LOG_GROUP, LIMIT_TRIPPED)

    assert {revoking.cloud.status(each.certificate.fingerprint) for each in fleet} == {"ACTIVE"}
    # The new index governs activations all the same.
    revoking.cloud.connect_refused(newcomer)
    assert wait_until(lambda: why(revoking, newcomer) is Reason.REVOKED, limit=TIME_LIMIT, interval=0.1)
    code, report = command("--dry-run")
    assert code == 0
    assert {each["certificate_id"] for each in report["devices"]} == {
        each.certificate.fingerprint for each in fleet
    }
    assert command("--yes")[0] == 0
    # What its schedule does every minute.
    revoking.cloud.invoke(revoking.cloud.outputs[Output.SWEEP_FUNCTION])

    for each in fleet:
        revoking.wait_for_status(each, "REVOKED")
    assert command("--yes") == (1, {"tripped": None})
