"""Update: in place, by replacement, refused."""

import pytest

from iot_jitr_runtime.ca_registration.ownership import AdoptionError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaStatus, Mode, OnDelete
from iot_jitr_runtime.ca_registration.signers import PresignedSigner, SecretSigner
from iot_jitr_runtime.ca_registration.verification import make_verification_certificate
from iot_jitr_runtime.ownership import KEYS
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount, EmulatedIot
from tests.support.ca_resource import CA, DISABLED, LEFT, NEXT_CA, OFF, ON, CaResource, sni_only


def test_status_auto_registration_and_tags_change_in_place(resource: CaResource, iot: EmulatedIot) -> None:
    ca_id = resource.create(sni_only(ca_tags={"team": "iot", "old": "1"}))

    same_id = resource.change(
        desired_status=CaStatus.INACTIVE,
        auto_registration=AutoRegistration.DISABLE,
        ca_tags={"team": "fleet", "new": "2"},
    )

    assert same_id == ca_id
    assert iot.state(ca_id) == OFF
    user_tags = {key: value for key, value in iot.tags_of(ca_id).items() if key not in KEYS}
    assert user_tags == {"team": "fleet", "new": "2"}
    assert resource.attributes["Status"] == "INACTIVE"
    assert resource.attributes["AutoRegistrationStatus"] == "DISABLE"


def test_a_change_of_on_delete_has_its_effect_at_the_deletion(resource: CaResource, iot: EmulatedIot) -> None:
    resource.create(sni_only(on_delete=OnDelete.DISABLE))
    before = iot.snapshot()

    resource.change(on_delete=OnDelete.DELETE)
    assert iot.snapshot() == before

    resource.delete()
    assert iot.cas == {}


def test_the_same_certificate_with_other_text_is_an_update_in_place(
    resource: CaResource, iot: EmulatedIot
) -> None:
    ca_id = resource.create(sni_only())

    assert resource.change(ca_certificate_pem=f"subject=CN = Test CA\n{CA.pem}\n") == ca_id
    assert len(iot.cas) == 1


@pytest.mark.parametrize(("on_delete", "left"), LEFT.items())
def test_a_new_certificate_is_registered_before_the_old_one_is_deleted(
    resource: CaResource, iot: EmulatedIot, on_delete: OnDelete, left: tuple[str, str] | None
) -> None:
    old_id = resource.create(sni_only(on_delete=on_delete))
    new = sni_only(ca_certificate_pem=NEXT_CA.pem, on_delete=OnDelete.RETAIN)

    answer = resource.call("Update", new, PhysicalResourceId=old_id, Old=sni_only(on_delete=on_delete))
    assert iot.state(old_id) == ON
    assert iot.state(answer["PhysicalResourceId"]) == ON

    new_id = resource.update(new)
    assert new_id == answer["PhysicalResourceId"] != old_id
    assert iot.state(new_id) == ON
    assert (iot.state(old_id) if old_id in iot.cas else None) == left


def test_a_roll_back_uses_the_registration_of_the_old_certificate_without_its_key(
    account: CaAccount, resource: CaResource
) -> None:
    spec = CaSpec()
    secrets = account.client("secretsmanager")
    secrets.create_secret(Name="ca-key", SecretString=pem_of(spec.key))
    old = sni_only(
        ca_certificate_pem=spec.build().pem,
        mode=Mode.DEFAULT,
        signer=SecretSigner("ca-key"),
        on_delete=OnDelete.DELETE,
    )
    old_id = resource.create(old)
    new = sni_only(ca_certificate_pem=NEXT_CA.pem, on_delete=OnDelete.DELETE)
    new_id = resource.call("Update", new, PhysicalResourceId=old_id, Old=old)["PhysicalResourceId"]
    secrets.delete_secret(SecretId="ca-key", ForceDeleteWithoutRecovery=True)

    back = resource.call("Update", old, PhysicalResourceId=new_id, Old=new)
    resource.call("Delete", new, PhysicalResourceId=new_id)

    assert back["PhysicalResourceId"] == old_id
    assert list(account.iot.cas) == [old_id]
    assert account.iot.state(old_id) == ON


def test_a_change_of_the_mode_is_refused(resource: CaResource, iot: EmulatedIot) -> None:
    ca_id = resource.create(sni_only())
    before = iot.snapshot()

    with pytest.raises(AdoptionError, match=rf"two deployments.*{ca_id}"):
        resource.change(mode=Mode.DEFAULT)

    assert iot.snapshot() == before


def test_the_mode_changes_in_two_deployments(resource: CaResource, iot: EmulatedIot) -> None:
    spec = CaSpec()
    ca = spec.build()
    resource.create(sni_only(ca_certificate_pem=ca.pem, on_delete=OnDelete.DELETE))
    verification = PresignedSigner(make_verification_certificate(ca, spec.key, REGISTRATION_CODE))

    resource.delete()
    ca_id = resource.create(sni_only(ca_certificate_pem=ca.pem, mode=Mode.DEFAULT, signer=verification))

    assert iot.state(ca_id) == ON
    assert iot.cas[ca_id]["certificateMode"] == "DEFAULT"


def test_an_update_from_the_properties_of_another_version_is_in_place(
    resource: CaResource, iot: EmulatedIot
) -> None:
    ca_id = resource.create(sni_only())

    answer = resource.call(
        "Update",
        sni_only(auto_registration=AutoRegistration.DISABLE),
        PhysicalResourceId=ca_id,
        OldResourceProperties={"Certificate": "as it was called before"},
    )

    assert answer["PhysicalResourceId"] == ca_id
    assert iot.state(ca_id) == DISABLED


def test_the_update_of_a_ca_that_was_deleted_registers_it_again(
    resource: CaResource, iot: EmulatedIot
) -> None:
    ca_id = resource.create(sni_only())
    del iot.cas[ca_id]

    resource.change(auto_registration=AutoRegistration.DISABLE)

    assert iot.state(resource.physical_id) == DISABLED


def test_the_update_of_a_ca_that_has_a_provisioning_template_since_is_refused(
    resource: CaResource, iot: EmulatedIot
) -> None:
    ca_id = resource.create(sni_only())
    iot.cas[ca_id]["registrationConfig"] = {"templateBody": "{}"}

    with pytest.raises(AdoptionError):
        resource.change(auto_registration=AutoRegistration.DISABLE)
