"""Every way to hold a CA, through real `cdk deploy`s: devices come in, and each CA ends as documented."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from iot_jitr_cli.connect import Endpoint
from iot_jitr_cli.lab.lab import MQTT_HOST, DeployError
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.ca_registration.properties import (
    AutoRegistration,
    CaStatus,
    Mode,
    OnDelete,
    OnExisting,
)
from iot_jitr_runtime.ca_registration.sources import SecretSource
from tests.support.ca_builder import CaSpec, pem_of, rsa_key
from tests.support.ca_cloud import PASSPHRASE, CaCloud, FunctionFailedError, ca_cloud
from tests.support.live_session import live_session
from tests.support.secrecy import needles, traces

ON = ("ACTIVE", "ENABLE")
DISABLED = ("ACTIVE", "DISABLE")
OFF = ("INACTIVE", "DISABLE")
HELD = ("Secret", "Kms", "Offline", "SniOnly", "Adopted")
BRIEFLY = 4.0
"""Seconds to knock for a device that must stay out."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaCloud]:
    """One deployment with a CA of each kind, and two that are going to be taken out of it."""
    with ca_cloud(tmp_path_factory.mktemp("cas")) as cloud:
        cloud.with_secret("Secret")
        cloud.with_kms("Kms")
        cloud.with_offline_key("Offline")
        cloud.with_sni_only("SniOnly", tags={"team": "iot"})
        cloud.with_registered("Adopted")
        cloud.with_secret("Old", on_delete="delete")
        cloud.with_registered("Borrowed")
        cloud.deploy(*HELD, "Old", "Borrowed")
        yield cloud


def assert_nothing_leaked(cloud: CaCloud) -> None:
    """No private key in any template, log, event, tag or function configuration so far."""
    looked_for = needles(cloud.private_keys, [PASSPHRASE])
    seen = dict(traces(cloud.lab))
    assert any("template of" in where for where in seen)
    assert any("CaRegistration" in where for where in seen if where.startswith("log group"))
    leaks = [(where, needle[:12]) for where, text in seen.items() for needle in looked_for if needle in text]
    assert leaks == []


@pytest.mark.parametrize("name", HELD)
def test_a_device_of_each_ca_gets_in(cloud: CaCloud, name: str) -> None:
    devices = cloud.devices_of(name)

    identity = devices.bring_in(f"first-of-{name}")

    assert devices.status(identity.certificate.fingerprint) == "ACTIVE"


@pytest.mark.parametrize(
    ("name", "mode", "origin"),
    [
        ("Secret", "DEFAULT", "registered"),
        ("Kms", "DEFAULT", "registered"),
        ("Offline", "DEFAULT", "registered"),
        ("SniOnly", "SNI_ONLY", "registered"),
        ("Adopted", "SNI_ONLY", "adopted"),
    ],
)
def test_each_ca_registers_devices_and_says_whose_it_is(
    cloud: CaCloud, name: str, mode: str, origin: str
) -> None:
    ca_id = cloud.ca_id(name)

    assert cloud.state(ca_id) == ON
    tags = cloud.tags(ca_id)
    assert (tags["jitr:stack"], tags["jitr:path"]) == ("iot-jitr", f"Jitr/Jitr/Ca{name}")
    assert tags["jitr:origin"] == origin
    assert cloud.lab.deployment is not None
    outputs = cloud.lab.deployment.outputs
    assert {key: outputs[f"{name}Ca{key}"] for key in ("CertificateId", "Status", "Mode")} == {
        "CertificateId": ca_id,
        "Status": "ACTIVE",
        "Mode": mode,
    }
    assert outputs[f"{name}CaAutoRegistrationStatus"] == "ENABLE"
    assert outputs[f"{name}CaNotAfter"].startswith(f"{cloud.cas[name].certificate.not_after:%Y-%m-%d}")


def test_tags_of_the_configuration_and_of_former_owners_are_kept(cloud: CaCloud) -> None:
    assert cloud.tags(cloud.ca_id("SniOnly"))["team"] == "iot"
    adopted = cloud.tags(cloud.ca_id("Adopted"))
    assert (adopted["owner"], adopted["jitr:former-state"]) == ("somebody", "ACTIVE/DISABLE")


def test_rotation_keeps_the_devices_of_the_old_ca_connected_while_those_of_the_new_one_come_in(
    cloud: CaCloud,
) -> None:
    cloud.with_secret("New", on_delete="delete")
    old, new = cloud.devices_of("Old"), cloud.devices_of("New")
    veteran = old.bring_in("veteran")
    endpoint = Endpoint(MQTT_HOST, cloud.lab.endpoint.mqtt_port, cloud.lab.files.broker_ca)
    old_id, borrowed_id = cloud.ca_id("Old"), cloud.ca_id("Borrowed")

    with live_session(old.credentials(veteran), endpoint) as session:
        cloud.deploy(*HELD, "Old", "Borrowed", "New", Old={"auto_registration": False})
        assert session.publishes()
        new.bring_in("rookie")
        assert session.publishes()
        assert cloud.state(old_id) == DISABLED

        latecomer = old.ca.issue(DeviceSpec("latecomer"))
        assert old.connect(latecomer, timeout=BRIEFLY).ending != "published"
        assert not old.is_registered(latecomer.certificate.fingerprint)

        cloud.deploy(*HELD, "New")
        assert session.publishes()

    assert not cloud.is_there(old_id)
    assert cloud.state(borrowed_id) == DISABLED
    assert cloud.tags(borrowed_id) == {"owner": "somebody"}
    assert old.status(veteran.certificate.fingerprint) == "ACTIVE"
    assert_nothing_leaked(cloud)


def test_a_replaced_certificate_works_before_the_old_one_goes(cloud: CaCloud) -> None:
    resource = cloud.resource("replacing")
    old = cloud.sni_only(on_delete=OnDelete.DELETE)
    old_id = resource.create(old)
    new = cloud.sni_only(on_delete=OnDelete.DELETE)

    answer = resource.call("Update", new, PhysicalResourceId=old_id, Old=old)
    new_id = answer["PhysicalResourceId"]
    both = (cloud.state(old_id), cloud.state(new_id))
    resource.update(new)

    assert both == (ON, ON)
    assert not cloud.is_there(old_id)
    assert cloud.state(new_id) == ON
    resource.delete()
    assert not cloud.is_there(new_id)


def test_an_update_in_place_changes_state_and_tags(cloud: CaCloud) -> None:
    resource = cloud.resource("updating")
    ca_id = resource.create(cloud.sni_only(tags={"team": "iot", "old": "1"}, on_delete=OnDelete.DISABLE))

    resource.change(
        status=CaStatus.INACTIVE,
        auto_registration=AutoRegistration.DISABLE,
        tags={"team": "fleet"},
        on_delete=OnDelete.DELETE,
    )

    assert resource.physical_id == ca_id
    assert cloud.state(ca_id) == OFF
    tags = cloud.tags(ca_id)
    assert tags["team"] == "fleet"
    assert "old" not in tags
    resource.delete()
    assert not cloud.is_there(ca_id)


@pytest.mark.parametrize(
    ("on_delete", "left"),
    [
        (OnDelete.DISABLE, DISABLED),
        (OnDelete.DEACTIVATE, OFF),
        (OnDelete.DELETE, None),
        (OnDelete.RETAIN, ON),
    ],
)
def test_each_delete_policy_leaves_the_documented_state_twice_over(
    cloud: CaCloud, on_delete: OnDelete, left: tuple[str, str] | None
) -> None:
    resource = cloud.resource(f"deleting-{on_delete}")
    ca_id = resource.create(cloud.sni_only(on_delete=on_delete))

    for _ in range(2):
        resource.delete()
        assert (cloud.state(ca_id) if cloud.is_there(ca_id) else None) == left


def test_a_kept_ca_is_taken_up_again_by_its_own_stack(cloud: CaCloud) -> None:
    resource = cloud.resource("returning")
    properties = cloud.sni_only(on_delete=OnDelete.DEACTIVATE, on_existing=OnExisting.FAIL)
    ca_id = resource.create(properties)
    resource.delete()

    assert resource.create(properties) == ca_id

    assert cloud.state(ca_id) == ON
    assert cloud.tags(ca_id)["jitr:origin"] == "registered"


def test_a_mode_change_is_refused_with_the_way_to_do_it(cloud: CaCloud) -> None:
    resource = cloud.resource("changing-mode")
    ca_id = resource.create(cloud.sni_only())

    with pytest.raises(FunctionFailedError, match=r"It takes two deployments: \(1\).*\(2\)"):
        resource.change(mode=Mode.DEFAULT)

    assert cloud.state(ca_id) == ON


def test_a_ca_with_a_provisioning_template_is_not_adopted(cloud: CaCloud) -> None:
    ca = CaSpec().build()
    ca_id = cloud.iot.register_ca_certificate(
        caCertificate=ca.pem,
        certificateMode="SNI_ONLY",
        setAsActive=True,
        registrationConfig={"templateBody": "{}", "roleArn": "arn:aws:iam::000000000000:role/jitp"},
    )["certificateId"]

    with pytest.raises(FunctionFailedError, match="past every check"):
        cloud.resource("adopting").create(cloud.sni_only(certificate_pem=ca.pem))

    assert cloud.state(ca_id) == DISABLED


def test_the_function_may_read_no_other_secret(cloud: CaCloud) -> None:
    cloud.lab.put_secret("somebody-else/key", "x")

    with pytest.raises(FunctionFailedError, match="cannot read the secret 'somebody-else/key': AccessDenied"):
        cloud.resource("curious").create(
            cloud.sni_only(mode=Mode.DEFAULT, source=SecretSource("somebody-else/key"))
        )


def test_a_failed_deployment_tells_why_and_leaves_nothing_behind(cloud: CaCloud) -> None:
    cloud.with_secret("Broken")
    stranger = DevelopmentCa.create("Stranger CA")
    cloud.private_keys.append(stranger.key)
    cloud.add_ca("Broken", stranger, signer=cloud.configurations["Broken"]["signer"])
    before = {each["certificateId"] for each in cloud.iot.list_ca_certificates()["certificates"]}

    with pytest.raises(DeployError, match=r"secret 'Broken/ca-key' is not the key of the CA"):
        cloud.deploy(*HELD, "Broken")

    after = {each["certificateId"] for each in cloud.iot.list_ca_certificates()["certificates"]}
    assert after == before
    assert {cloud.state(cloud.ca_id(name)) for name in HELD} == {ON}
    assert_nothing_leaked(cloud)


def test_no_private_key_is_in_templates_logs_or_events(cloud: CaCloud) -> None:
    assert_nothing_leaked(cloud)


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
