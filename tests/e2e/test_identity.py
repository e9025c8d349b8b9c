"""Device policies, admission and things on the local cloud, with IAM and IoT policies enforced.

Two clouds besides the shared one: one with a policy for each device, things that may be renewed and an allow
list; one with a shared policy and shadow, things that may not, and an admission function (`asking_cloud`).
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import NameOID

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.ledger.rows import State
from iot_jitr_runtime.ledger.tasks import TaskResult
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.policy.deletion import delete_own_policy
from iot_jitr_runtime.rate_limiter import RateLimiter
from iot_jitr_runtime.things.retirement import Retirement
from tests.support.cloud import TIME_LIMIT, Cloud, deployed_cloud
from tests.support.device_certificates import certificate_of
from tests.support.mqtt_session import MqttSession, RefusedByBrokerError, session
from tests.support.things import retire
from tests.support.verify_command import ca_files, not_passed, nothing_left_in, verify_with_least_permissions


@pytest.fixture(scope="module")
def listed_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    settings = {
        "policy": {"kind": "per_device"},
        "admission": {"type": "allow_list", "key": "common_name"},
        "things": {
            "renewal": "allow",
            "grace_period": "0 hours",
            "attributes": {"serial": "{{serial_number}}"},
        },
    }
    with deployed_cloud(tmp_path_factory.mktemp("listed"), settings) as cloud:
        yield cloud


@contextmanager
def connected(cloud: Cloud, identity: DeviceIdentity, client_id: str) -> Iterator[MqttSession]:
    endpoint = cloud.lab.broker()
    with session(cloud.credentials(identity), endpoint, client_id) as opened:
        yield opened


def holders(cloud: Cloud, thing: str) -> set[str]:
    principals = cloud.client("iot").list_thing_principals(thingName=thing)["principals"]
    return {principal.rpartition("/")[2] for principal in principals}


def assert_it_keeps_to_its_own(cloud: Cloud, device: DeviceIdentity, neighbour: str) -> None:
    name = device.certificate.common_names[0]
    with connected(cloud, device, name) as own:
        assert own.may_subscribe(f"devices/{name}/#")
        assert own.may_publish(f"devices/{name}/state", b"42")
        assert own.wait_for_message(f"devices/{name}/state") == b"42"
        assert not own.may_publish(f"devices/{neighbour}/state")
        assert not own.may_subscribe(f"devices/{neighbour}/#")
        assert not own.may_subscribe("devices/+/state")
        assert not own.may_subscribe("#")
        assert not own.may_publish(f"devices/{name}")
        assert not own.may_publish("elsewhere")
    for stolen in (neighbour, f"{name}2", "anything"):
        with pytest.raises(RefusedByBrokerError), connected(cloud, device, stolen):
            pass


# the shared policy


def test_the_shared_policy_allows_only_the_devices_own_topics_and_client_id(cloud: Cloud) -> None:
    device, neighbour = cloud.admit_device("shared-7"), cloud.admit_device("shared-72")

    assert_it_keeps_to_its_own(cloud, device, "shared-72")
    assert_it_keeps_to_its_own(cloud, neighbour, "shared-7")


HOSTILE = {
    "wildcard": ["hostile-*"],
    "mqtt wildcards": ["+"],
    "another device's topics": ["shared-7/8"],
    "quote": ['a","Resource":"*'],
    "policy variable": ["${iot:ClientId}"],
    "placeholder": ["{{serial_number}}"],
    "a letter that looks like another": ["sh\u0430red-7"],
    "65 characters": ["x" * 65],
    "empty": [""],
    "none": [],
    "two": ["shared-7", "shared-8"],
}


@pytest.mark.filterwarnings("ignore:Attribute's length must be")
@pytest.mark.parametrize("names", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_common_name_is_refused_and_its_certificate_stays_pending(
    cloud: Cloud, names: list[str]
) -> None:
    subject = [(NameOID.COMMON_NAME, name) for name in names] + [(NameOID.ORGANIZATION_NAME, "Acme")]
    serial_number = abs(hash(tuple(names))) + 2**64
    certificate = certificate_of(subject, serial_number=serial_number, ca=cloud.ca)
    certificate_id = cloud.plant_certificate(certificate, cloud.ca.certificate)

    cloud.send_event(certificate_id)

    row = cloud.wait_for_state(certificate_id, State.REFUSED)
    assert row.reason is Reason.INVALID_COMMON_NAME
    assert cloud.status(certificate_id) == "PENDING_ACTIVATION"
    assert cloud.policies_of(certificate_id) == []


def test_a_common_name_of_64_characters_is_accepted(cloud: Cloud) -> None:
    name = "x" * 64

    assert_it_keeps_to_its_own(cloud, cloud.admit_device(name), "x" * 63)


# a policy for each device, an allow list, things that may be renewed


def test_a_policy_for_each_device_allows_only_its_own_topics_and_client_id(listed_cloud: Cloud) -> None:
    for name in ("own-7", "own-72"):
        listed_cloud.list_device(name)
    device, neighbour = listed_cloud.admit_device("own-7"), listed_cloud.admit_device("own-72")

    assert_it_keeps_to_its_own(listed_cloud, device, "own-72")
    assert_it_keeps_to_its_own(listed_cloud, neighbour, "own-7")
    certificate_id = device.certificate.fingerprint
    (policy,) = listed_cloud.policies_of(certificate_id)
    assert re.fullmatch(rf"jitr-[0-9a-f]{{8}}-.+-{certificate_id}", policy)


def test_a_device_is_refused_until_it_is_listed(listed_cloud: Cloud) -> None:
    identity = listed_cloud.ca.issue(DeviceSpec("late-7"))
    certificate_id = identity.certificate.fingerprint
    listed_cloud.connect_refused(identity)
    row = listed_cloud.wait_for_state(certificate_id, State.REFUSED)
    assert row.reason is Reason.NOT_LISTED
    assert listed_cloud.status(certificate_id) == "PENDING_ACTIVATION"

    listed_cloud.list_device("late-7")
    # A refusal holds for a minute: let it end.
    listed_cloud.end_decision_ttl(certificate_id, after=0)
    result = listed_cloud.connect(identity)

    assert result.ending == "published"
    assert listed_cloud.status(certificate_id) == "ACTIVE"


def test_verify_accepts_a_pipeline_with_an_allow_list_and_leaves_nothing(
    listed_cloud: Cloud, tmp_path: Path
) -> None:
    with nothing_left_in(listed_cloud):
        code, report = verify_with_least_permissions(
            listed_cloud, *ca_files(listed_cloud, tmp_path), "--timeout", TIME_LIMIT
        )
        assert not_passed(report) == {
            "revoked": "skipped",
            "session_closed": "skipped",
            "revoked_refused": "skipped",
            "guard_refuses": "skipped",
        }, report
        assert (code, report["left_behind"]) == (ExitCode.OK, [])


def test_the_policy_of_a_revoked_device_is_deleted(listed_cloud: Cloud) -> None:
    listed_cloud.list_device("gone-7")
    certificate_id = listed_cloud.admit_device("gone-7").certificate.fingerprint
    iot = listed_cloud.client("iot")
    (policy,) = listed_cloud.policies_of(certificate_id)

    delete_own_policy(iot, certificate_id, listed_cloud.arn(certificate_id), policy)

    assert listed_cloud.policies_of(certificate_id) == []
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.get_policy(policyName=policy)


def test_a_renewed_certificate_replaces_the_older_one(listed_cloud: Cloud) -> None:
    cloud = listed_cloud
    cloud.list_device("renewed-7")
    now = datetime.now(UTC)
    validity = Validity(now - timedelta(days=300), now + timedelta(days=10))
    old = cloud.ca.issue(DeviceSpec("renewed-7", validity=validity))
    assert cloud.connect(old).ending == "published"
    new = cloud.ca.issue(DeviceSpec("renewed-7"))

    assert cloud.connect(new).ending == "published"

    old_id, new_id = old.certificate.fingerprint, new.certificate.fingerprint
    cloud.wait_for_state(new_id, State.ACTIVATED)
    assert holders(cloud, "renewed-7") == {old_id, new_id}
    assert (cloud.status(old_id), cloud.status(new_id)) == ("ACTIVE", "ACTIVE")
    limiter = RateLimiter(cloud.ledger.items, 10)
    retirement = Retirement(cloud.client("iot"), cloud.ledger, timedelta(0), limiter)
    assert retire(retirement) == {old_id: TaskResult.DONE}
    assert (cloud.status(old_id), cloud.status(new_id)) == ("INACTIVE", "ACTIVE")
    assert holders(cloud, "renewed-7") == {new_id}
    with pytest.raises(RefusedByBrokerError), connected(cloud, old, "renewed-7"):
        pass
    with connected(cloud, new, "renewed-7") as device:
        assert device.may_publish("devices/renewed-7/state")


def test_an_older_certificate_does_not_displace_a_newer_one(listed_cloud: Cloud) -> None:
    cloud = listed_cloud
    cloud.list_device("cloned-7")
    device = cloud.admit_device("cloned-7")
    now = datetime.now(UTC)
    validity = Validity(now - timedelta(days=300), now + timedelta(days=10))
    older = cloud.ca.issue(DeviceSpec("cloned-7", validity=validity))

    cloud.connect_refused(older)

    row = cloud.wait_for_state(older.certificate.fingerprint, State.REFUSED)
    assert row.reason is Reason.THING_TAKEN
    assert holders(cloud, "cloned-7") == {device.certificate.fingerprint}


# an admission function, things that may not be renewed, shadows


def test_a_device_that_the_function_admits_is_active_with_its_attributes_and_shadow(
    asking_cloud: Cloud,
) -> None:
    device = asking_cloud.admit_device("admit-7")

    iot = asking_cloud.client("iot")
    certificate_id = device.certificate.fingerprint
    assert iot.describe_thing(thingName="admit-7")["attributes"] == {"certificate": certificate_id}
    assert iot.list_things_in_thing_group(thingGroupName="fleet")["things"].count("admit-7") == 1
    assert_it_keeps_to_its_own(asking_cloud, device, "admit-72")
    with connected(asking_cloud, device, "admit-7") as own:
        assert own.may_publish("$aws/things/admit-7/shadow/update", b'{"state": {"reported": {"on": true}}}')
        assert own.may_subscribe("$aws/things/admit-7/jobs/notify")
        assert not own.may_publish("$aws/things/admit-72/shadow/update", b"{}")
        assert not own.may_subscribe("$aws/things/admit-72/jobs/notify")


def test_a_device_that_the_function_refuses_is_recorded_with_its_reason_and_deactivated_as_configured(
    asking_cloud: Cloud,
) -> None:
    identity = asking_cloud.ca.issue(DeviceSpec("refuse-7"))
    certificate_id = identity.certificate.fingerprint

    asking_cloud.connect_refused(identity)

    row = asking_cloud.wait_for_state(certificate_id, State.REFUSED)
    assert (row.reason, row.detail) == (Reason.REFUSED_BY_FUNCTION, "nobody ordered refuse-7")
    asking_cloud.wait_for_status(certificate_id, "INACTIVE")


@pytest.mark.parametrize("name", ["error-7", "slow-7"])
def test_a_failing_or_slow_function_defers_the_device(asking_cloud: Cloud, name: str) -> None:
    identity = asking_cloud.ca.issue(DeviceSpec(name))
    certificate_id = identity.certificate.fingerprint

    asking_cloud.connect_refused(identity)

    row = asking_cloud.wait_for_state(certificate_id, State.DEFERRED)
    assert row.reason is Reason.ADMISSION_FAILED
    assert asking_cloud.status(certificate_id) == "PENDING_ACTIVATION"


def test_a_thing_that_has_a_certificate_is_not_taken_over(asking_cloud: Cloud) -> None:
    first = asking_cloud.admit_device("admit-8")
    second = asking_cloud.ca.issue(DeviceSpec("admit-8"))

    asking_cloud.connect_refused(second)

    row = asking_cloud.wait_for_state(second.certificate.fingerprint, State.REFUSED)
    assert row.reason is Reason.THING_TAKEN
    assert asking_cloud.status(second.certificate.fingerprint) == "PENDING_ACTIVATION"
    assert holders(asking_cloud, "admit-8") == {first.certificate.fingerprint}
