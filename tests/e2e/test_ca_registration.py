"""Every kind of CA, through real `cdk deploy`s: its devices are admitted, and it ends as documented."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from iot_jitr_cli.console import CliError
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.ca_registration.properties import (
    AutoRegistration,
    CaStatus,
    Mode,
    OnDelete,
    OnExisting,
)
from iot_jitr_runtime.ca_registration.signers import SecretSigner
from tests.support.ca_builder import CaSpec, pem_of, rsa_key
from tests.support.ca_cloud import PASSPHRASE, CaCloud, FunctionFailedError, ca_cloud
from tests.support.ca_resource import DISABLED, LEFT, OFF, ON
from tests.support.mqtt_session import session
from tests.support.secrecy import needles, traces

pytestmark = pytest.mark.timeout(900)  # several deployments, of which each may take minutes on a busy machine

HELD = ("Secret", "Kms", "Offline", "SniOnly", "Adopted")


@pytest.fixture(scope="module")
def cas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaCloud]:
    """One deployment with a CA of each kind, and two that are going to be taken out of it."""
    with ca_cloud(tmp_path_factory.mktemp("cas")) as cas:
        cas.with_secret("Secret")
        cas.with_kms("Kms")
        cas.with_offline_key("Offline")
        cas.with_sni_only("SniOnly", tags={"team": "iot"})
        cas.with_registered("Adopted")
        cas.with_secret("Old", on_delete="delete")
        cas.with_registered("Borrowed")
        cas.deploy(*HELD, "Old", "Borrowed")
        yield cas


def assert_nothing_leaked(cas: CaCloud) -> None:
    """No private key in any template, log, event, tag or function configuration so far."""
    looked_for = needles(cas.private_keys, [PASSPHRASE])
    seen = dict(traces(cas.lab))
    assert any("template of" in where for where in seen)
    assert any("CaRegistration" in where for where in seen if where.startswith("log group"))
    leaks = [(where, needle[:12]) for where, text in seen.items() for needle in looked_for if needle in text]
    assert leaks == []


@pytest.mark.parametrize("name", HELD)
def test_a_device_of_each_ca_is_admitted(cas: CaCloud, name: str) -> None:
    devices = cas.devices_of(name)

    identity = devices.admit_device(f"first-of-{name}")

    assert devices.status(identity.certificate.fingerprint) == "ACTIVE"


@pytest.mark.parametrize(
    ("name", "mode", "former_state"),
    [
        ("Secret", "DEFAULT", "unregistered"),
        ("Kms", "DEFAULT", "unregistered"),
        ("Offline", "DEFAULT", "unregistered"),
        ("SniOnly", "SNI_ONLY", "unregistered"),
        ("Adopted", "SNI_ONLY", "ACTIVE/DISABLE"),
    ],
)
def test_each_ca_registers_devices_and_names_its_owner(
    cas: CaCloud, name: str, mode: str, former_state: str
) -> None:
    ca_id = cas.ca_id(name)

    assert cas.state(ca_id) == ON
    tags = cas.tags(ca_id)
    assert tags["jitr:stack"] == "iot-jitr"
    assert tags["jitr:logical-id"].startswith(f"JitrCa{name}")
    assert tags["jitr:former-state"] == former_state
    assert cas.lab.deployed is not None
    outputs = cas.lab.deployed.outputs
    assert {key: outputs[f"{name}Ca{key}"] for key in ("CertificateId", "Status", "Mode")} == {
        "CertificateId": ca_id,
        "Status": "ACTIVE",
        "Mode": mode,
    }
    assert outputs[f"{name}CaAutoRegistrationStatus"] == "ENABLE"
    assert outputs[f"{name}CaNotAfter"].startswith(f"{cas.authorities[name].certificate.not_after:%Y-%m-%d}")


def test_tags_of_the_configuration_and_of_former_owners_are_kept(cas: CaCloud) -> None:
    assert cas.tags(cas.ca_id("SniOnly"))["team"] == "iot"
    adopted = cas.tags(cas.ca_id("Adopted"))
    assert (adopted["owner"], adopted["jitr:former-state"]) == ("another", "ACTIVE/DISABLE")


def test_during_a_rotation_devices_of_the_old_and_the_new_ca_connect(
    cas: CaCloud,
) -> None:
    cas.with_secret("New", on_delete="delete")
    old, new = cas.devices_of("Old"), cas.devices_of("New")
    veteran = old.admit_device("veteran")
    topic = "devices/veteran/status"
    old_id, borrowed_id = cas.ca_id("Old"), cas.ca_id("Borrowed")

    with session(old.credentials(veteran), cas.lab.broker(), "veteran") as connected:
        cas.deploy(*HELD, "Old", "Borrowed", "New", Old={"auto_registration": False})
        assert connected.may_publish(topic)
        new.admit_device("rookie")
        assert connected.may_publish(topic)
        assert cas.state(old_id) == DISABLED

        latecomer = old.ca.issue(DeviceSpec("latecomer"))
        old.connect_refused(latecomer)
        assert not old.is_registered(latecomer.certificate.fingerprint)

        cas.deploy(*HELD, "New")
        assert connected.may_publish(topic)

    assert not cas.is_there(old_id)
    assert cas.state(borrowed_id) == DISABLED
    assert cas.tags(borrowed_id) == {"owner": "another"}
    assert old.status(veteran.certificate.fingerprint) == "ACTIVE"
    assert_nothing_leaked(cas)


def test_a_replacing_ca_certificate_works_before_the_old_one_is_deleted(cas: CaCloud) -> None:
    resource = cas.resource("replacing")
    old = cas.sni_only(on_delete=OnDelete.DELETE)
    old_id = resource.create(old)
    new = cas.sni_only(on_delete=OnDelete.DELETE)

    answer = resource.call("Update", new, PhysicalResourceId=old_id, Old=old)
    new_id = answer["PhysicalResourceId"]
    both = (cas.state(old_id), cas.state(new_id))
    resource.update(new)

    assert both == (ON, ON)
    assert not cas.is_there(old_id)
    assert cas.state(new_id) == ON
    resource.delete()
    assert not cas.is_there(new_id)


def test_an_update_in_place_changes_state_and_tags(cas: CaCloud) -> None:
    resource = cas.resource("updating")
    ca_id = resource.create(cas.sni_only(ca_tags={"team": "iot", "old": "1"}, on_delete=OnDelete.DISABLE))

    resource.change(
        desired_status=CaStatus.INACTIVE,
        auto_registration=AutoRegistration.DISABLE,
        ca_tags={"team": "fleet"},
        on_delete=OnDelete.DELETE,
    )

    assert resource.physical_id == ca_id
    assert cas.state(ca_id) == OFF
    tags = cas.tags(ca_id)
    assert tags["team"] == "fleet"
    assert "old" not in tags
    resource.delete()
    assert not cas.is_there(ca_id)


@pytest.mark.parametrize(("on_delete", "left"), LEFT.items())
def test_each_delete_policy_leaves_the_documented_state_also_when_repeated(
    cas: CaCloud, on_delete: OnDelete, left: tuple[str, str] | None
) -> None:
    resource = cas.resource(f"deleting-{on_delete}")
    ca_id = resource.create(cas.sni_only(on_delete=on_delete))

    for _ in range(2):
        resource.delete()
        assert (cas.state(ca_id) if cas.is_there(ca_id) else None) == left


def test_a_retained_ca_is_adopted_by_its_own_stack(cas: CaCloud) -> None:
    resource = cas.resource("returning")
    properties = cas.sni_only(on_delete=OnDelete.DEACTIVATE, on_existing=OnExisting.FAIL)
    ca_id = resource.create(properties)
    resource.delete()

    assert resource.create(properties) == ca_id

    assert cas.state(ca_id) == ON
    assert cas.tags(ca_id)["jitr:former-state"] == "unregistered"


def test_the_function_may_read_no_other_secret(cas: CaCloud) -> None:
    cas.lab.put_secret("somebody-else/key", "x")

    with pytest.raises(FunctionFailedError, match="cannot read the secret 'somebody-else/key': AccessDenied"):
        cas.resource("curious").create(
            cas.sni_only(mode=Mode.DEFAULT, signer=SecretSigner("somebody-else/key"))
        )


def test_a_failed_deployment_reports_its_reason_and_leaves_nothing(cas: CaCloud) -> None:
    cas.with_secret("Broken")
    stranger = DevelopmentCa.create("Stranger CA")
    cas.private_keys.append(stranger.key)
    cas.add_ca("Broken", stranger, signer=cas.configurations["Broken"]["signer"])
    before = {each["certificateId"] for each in cas.iot.list_ca_certificates()["certificates"]}

    with pytest.raises(CliError, match=r"secret 'Broken/ca-key' is not the key of the CA"):
        cas.deploy(*HELD, "Broken")

    after = {each["certificateId"] for each in cas.iot.list_ca_certificates()["certificates"]}
    assert after == before
    assert {cas.state(cas.ca_id(name)) for name in HELD} == {ON}
    assert_nothing_leaked(cas)


def test_no_private_key_is_in_templates_logs_or_events(cas: CaCloud) -> None:
    assert_nothing_leaked(cas)


@pytest.mark.parametrize("key", [CaSpec().key, rsa_key()], ids=["EC", "RSA"])
def test_the_search_would_find_a_key_in_any_form(key: Any) -> None:
    numbers = key.private_numbers()
    secret = numbers.private_value if isinstance(key, ec.EllipticCurvePrivateKey) else numbers.d
    written = [
        pem_of(key),
        json.dumps(pem_of(key)),
        pem_of(key)[40:],
        f"{secret}",
        f"{secret:x}",
        repr(secret),
    ]

    assert all(any(needle in text for needle in needles([key])) for text in written)
    assert not any(needle in CaSpec(key=key).build().pem for needle in needles([key]))
