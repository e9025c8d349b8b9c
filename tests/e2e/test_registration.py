"""Registration events: the real stack, IAM and IoT policies enforced, TLS with client certificates."""

import threading

import pytest

from iot_jitr_cli.connect import Cause, ConnectResult, Step
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.ledger.rows import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import Cloud


@pytest.mark.parametrize("kind", [KeyKind.EC_P256, KeyKind.EC_P384, KeyKind.RSA_2048])
def test_a_device_is_refused_on_first_connect_then_activated_and_publishes(
    cloud: Cloud, kind: KeyKind
) -> None:
    identity = cloud.ca.issue(DeviceSpec(f"first-{kind}", kind))
    certificate_id = identity.certificate.fingerprint

    result = cloud.connect(identity)

    refusals = [event.cause for event in result.events if event.step is Step.REFUSED]
    assert refusals
    assert set(refusals) == {Cause.CLOSED_WITHOUT_CONNACK}
    assert [event.step for event in result.events][-2:] in (
        [Step.PUBLISHED, Step.RECEIVED],
        [Step.RECEIVED, Step.PUBLISHED],
    )
    assert cloud.status(certificate_id) == "ACTIVE"
    assert cloud.policies_of(certificate_id) == [cloud.outputs[Output.DEVICE_POLICY_NAME]]
    row = cloud.wait_for_state(certificate_id, State.ACTIVATED)
    assert (row.common_name, row.serial_number) == (f"first-{kind}", identity.certificate.serial_number)


def test_ten_devices_at_once_are_all_activated(cloud: Cloud) -> None:
    identities = [cloud.ca.issue(DeviceSpec(f"ten-{number}")) for number in range(10)]
    results: dict[str, ConnectResult] = {}

    def come(number: int) -> None:
        results[f"ten-{number}"] = cloud.connect(identities[number])

    threads = [threading.Thread(target=come, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {name: result.ending for name, result in results.items()} == dict.fromkeys(results, "published")
    assert len(results) == 10
    assert {cloud.status(identity.certificate.fingerprint) for identity in identities} == {"ACTIVE"}


def test_an_activation_takes_three_iot_calls_and_duplicates_of_its_event_take_none(cloud: Cloud) -> None:
    certificate_id = cloud.plant(cloud.ca.issue(DeviceSpec("duplicated")))
    cloud.wait_until_drained()
    before = cloud.iot_calls_of_activator()

    cloud.send_event(certificate_id)
    cloud.wait_for_state(certificate_id, State.ACTIVATED)
    # Some seconds are allowed for clocks; on a busy machine those that follow could come after them.
    cloud.end_decision_ttl(certificate_id, after=3600)
    for _ in range(20):
        cloud.send_event(certificate_id)
    cloud.wait_until_drained()

    # A worker that has just started also reads the CA certificate, once.
    calls = cloud.iot_calls_of_activator()[len(before) :]
    assert [call for call in calls if call != "GET /cacertificate"] == [
        "GET /certificates",
        "PUT /target-policies",
        "PUT /certificates",
    ]
    assert cloud.calls_of_activator()[-1].operation == "BatchGetItem"
    assert cloud.status(certificate_id) == "ACTIVE"


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_a_replayed_event_does_not_activate_a_certificate_that_an_operator_deactivated(
    cloud: Cloud, status: str
) -> None:
    identity = cloud.admit_device(f"shut-out-{status.lower()}")
    certificate_id = identity.certificate.fingerprint
    cloud.client("iot").update_certificate(certificateId=certificate_id, newStatus=status)
    cloud.end_decision_ttl(certificate_id, after=0)
    before = cloud.iot_calls_of_activator()

    cloud.send_event(certificate_id)
    cloud.wait_until_drained()
    calls = cloud.iot_calls_of_activator()[len(before) :]

    assert "GET /certificates" in calls
    assert not [call for call in calls if call.startswith("PUT")]
    assert cloud.status(certificate_id) == status
    cloud.connect_refused(identity)


def test_a_certificate_of_an_unregistered_ca_is_refused(cloud: Cloud) -> None:
    identity = DevelopmentCa.create("foreign CA").issue(DeviceSpec("foreign"))

    result = cloud.connect_and_probe(identity)

    assert (result.ending, result.last_cause) == ("refused", Cause.CERTIFICATE_REJECTED)
    assert not cloud.is_registered(identity.certificate.fingerprint)


def test_a_certificate_with_the_cas_name_but_another_signature_is_refused(cloud: Cloud) -> None:
    impostor = DevelopmentCa.create("end-to-end CA")
    identity = impostor.issue(DeviceSpec("impostor"))

    cloud.connect_refused(identity)

    assert not cloud.is_registered(identity.certificate.fingerprint)


def test_an_expired_certificate_is_refused_by_the_broker_and_by_the_activator(
    cloud: Cloud,
) -> None:
    identity = cloud.ca.issue(DeviceSpec("expired", validity=Validity.expired()))

    result = cloud.connect_and_probe(identity)
    certificate_id = cloud.plant(identity)
    cloud.send_event(certificate_id)
    row = cloud.wait_for_state(certificate_id, State.REFUSED)

    assert (result.ending, result.last_cause) == ("refused", Cause.CERTIFICATE_REJECTED)
    assert row.reason is Reason.EXPIRED
    assert cloud.status(certificate_id) == "PENDING_ACTIVATION"
    assert cloud.policies_of(certificate_id) == []


def test_a_message_that_is_no_event_is_dead_lettered_with_its_reason(cloud: Cloud) -> None:
    cloud.send("this is no event")
    cloud.wait_until_drained()

    letters = [letter for letter in cloud.dead_letters() if "this is no event" in letter["Body"]]

    assert len(letters) == 1
    assert Reason.MALFORMED_EVENT.value in str(letters[0])
