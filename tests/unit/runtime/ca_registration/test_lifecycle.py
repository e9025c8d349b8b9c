"""Create and delete: the resulting state of a CA."""

import pytest

from iot_jitr_runtime.ca_registration.ownership import UNREGISTERED, AdoptionError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaProperties, CaStatus, OnDelete
from iot_jitr_runtime.ca_registration.registry import RegistryError
from iot_jitr_runtime.ca_registration.signers import SecretSigner
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from iot_jitr_runtime.ownership import Owner, Ownership
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import CaAccount, EmulatedIot
from tests.support.ca_resource import CA, DISABLED, OFF, ON, CaResource, sni_only
from tests.support.endless import endless_ca

EXPIRED_CA = CaSpec("Old CA", starts_in_days=-20, ends_in_days=-10).build()
OURS = Ownership(Owner("fleet", "CaFactory"), UNREGISTERED).to_tags()
THEIRS = Ownership(Owner("other", "CaFactory"), UNREGISTERED).to_tags()


def test_creation_registers_the_ca_with_ownership_tags_and_returns_every_attribute(
    resource: CaResource, iot: EmulatedIot
) -> None:
    ca_id = resource.create(sni_only())

    assert iot.tags_of(ca_id) == {
        "team": "iot",
        "jitr:stack": "fleet",
        "jitr:logical-id": "CaFactory",
        "jitr:former-state": "unregistered",
        "jitr:claim": "held",
    }
    assert resource.attributes == {
        "CaCertificateId": ca_id,
        "CaCertificateArn": iot.cas[ca_id]["certificateArn"],
        "Status": "ACTIVE",
        "Mode": "SNI_ONLY",
        "AutoRegistrationStatus": "ENABLE",
        "NotAfter": f"{CA.not_after:%Y-%m-%dT%H:%M:%SZ}",
    }


def test_a_ca_without_an_end_is_registered(account: CaAccount, resource: CaResource) -> None:
    ca = endless_ca()
    account.client("secretsmanager").create_secret(Name="ca-key", SecretString=pem_of(ca.key))

    ca_id = resource.create(CaProperties(ca.certificate.pem, SecretSigner("ca-key")))

    assert account.iot.state(ca_id) == ON
    assert resource.attributes["NotAfter"] == "9999-12-31T23:59:59Z"


@pytest.mark.parametrize("status", CaStatus)
@pytest.mark.parametrize("auto_registration", AutoRegistration)
def test_the_ca_is_registered_in_the_desired_state(
    resource: CaResource, iot: EmulatedIot, status: CaStatus, auto_registration: AutoRegistration
) -> None:
    ca_id = resource.create(sni_only(desired_status=status, auto_registration=auto_registration))

    assert iot.state(ca_id) == (status, auto_registration)


def test_creation_accepts_its_own_registration_of_an_expired_ca(
    resource: CaResource, iot: EmulatedIot
) -> None:
    ca_id = iot.add(EXPIRED_CA, OURS, certificateMode="SNI_ONLY")

    assert resource.create(sni_only(ca_certificate_pem=EXPIRED_CA.pem)) == ca_id
    assert iot.state(ca_id) == ON


@pytest.mark.parametrize("tags", [{}, THEIRS, {"jitr:stack": "fleet"}], ids=["none", "theirs", "incomplete"])
def test_a_foreign_registration_of_an_expired_ca_is_refused(
    resource: CaResource, iot: EmulatedIot, tags: dict[str, str]
) -> None:
    iot.add(EXPIRED_CA, tags, certificateMode="SNI_ONLY")
    before = iot.snapshot()

    with pytest.raises(CaCertificateError) as caught:
        resource.create(sni_only(ca_certificate_pem=EXPIRED_CA.pem))

    assert caught.value.fault is CaFault.EXPIRED
    assert iot.snapshot() == before


def test_creation_fails_at_the_quota(resource: CaResource, iot: EmulatedIot) -> None:
    iot.quota = 0

    with pytest.raises(RegistryError, match="LimitExceededException"):
        resource.create(sni_only())


def test_creation_fails_for_a_ca_of_another_account(resource: CaResource, iot: EmulatedIot) -> None:
    iot.elsewhere.add(CA.der)

    with pytest.raises(AdoptionError, match="not in this account"):
        resource.create(sni_only())


@pytest.mark.parametrize(
    ("on_delete", "left"),
    [(OnDelete.DISABLE, DISABLED), (OnDelete.DEACTIVATE, OFF), (OnDelete.RETAIN, ON)],
)
def test_deletion_keeps_the_ca_in_the_documented_state(
    resource: CaResource, iot: EmulatedIot, on_delete: OnDelete, left: tuple[str, str]
) -> None:
    ca_id = resource.create(sni_only(on_delete=on_delete))

    resource.delete()

    assert iot.state(ca_id) == left
    assert iot.tags_of(ca_id)["jitr:claim"] == "released"


@pytest.mark.parametrize("status", CaStatus)
def test_deletion_deletes_the_ca_active_or_not(
    resource: CaResource, iot: EmulatedIot, status: CaStatus
) -> None:
    resource.create(sni_only(on_delete=OnDelete.DELETE, desired_status=status))

    resource.delete()

    assert iot.cas == {}


@pytest.mark.parametrize("on_delete", OnDelete)
def test_the_deletion_of_a_ca_that_is_gone_succeeds(
    resource: CaResource, iot: EmulatedIot, on_delete: OnDelete
) -> None:
    ca_id = resource.create(sni_only(on_delete=on_delete))
    del iot.cas[ca_id]

    resource.delete()

    assert iot.cas == {}


@pytest.mark.parametrize(
    "tags",
    [{}, {"jitr:stack": "other"}, OURS | {"jitr:former-state": "ON"}, THEIRS],
    ids=["none", "incomplete", "unreadable", "theirs"],
)
def test_deletion_changes_no_ca_whose_tags_do_not_name_this_resource(
    resource: CaResource, iot: EmulatedIot, tags: dict[str, str]
) -> None:
    ca_id = resource.create(sni_only(on_delete=OnDelete.DELETE))
    iot.set_tags(ca_id, tags)

    resource.delete()

    assert iot.state(ca_id) == ON
