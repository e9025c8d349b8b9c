"""CAs that are registered already: by another owner, by another stack, by this one earlier."""

from typing import Any

import pytest

from iot_jitr_runtime.ca_registration.ownership import AdoptionError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaProperties, OnDelete, OnExisting
from iot_jitr_runtime.ca_registration.registry import AlreadyRegisteredError
from iot_jitr_runtime.ca_registration.signers import SecretSigner
from iot_jitr_runtime.ownership import UnreadableOwnershipError
from tests.support.ca_registry import CaAccount, EmulatedIot
from tests.support.ca_resource import CA, DISABLED, NEXT_CA, OFF, ON, CaResource, sni_only

STATES = [(status, auto) for status in ("ACTIVE", "INACTIVE") for auto in ("ENABLE", "DISABLE")]


def registered(iot: EmulatedIot, state: tuple[str, str] = DISABLED, **record: Any) -> str:
    """Register the CA as another owner did."""
    status, auto_registration = state
    mode = {"certificateMode": "SNI_ONLY"}
    return iot.add(CA, status=status, autoRegistrationStatus=auto_registration, **(mode | record))


@pytest.mark.parametrize("former", STATES, ids="/".join)
def test_adoption_turns_the_ca_on_and_records_its_former_state(
    resource: CaResource, iot: EmulatedIot, former: tuple[str, str]
) -> None:
    ca_id = registered(iot, former)

    assert resource.create(sni_only()) == ca_id

    assert iot.state(ca_id) == ON
    assert iot.tags_of(ca_id)["jitr:former-state"] == "/".join(former)


@pytest.mark.parametrize("former", STATES, ids="/".join)
@pytest.mark.parametrize("on_delete", [OnDelete.DISABLE, OnDelete.DEACTIVATE, OnDelete.DELETE])
def test_the_deletion_of_an_adopted_ca_restores_its_former_state(
    resource: CaResource, iot: EmulatedIot, former: tuple[str, str], on_delete: OnDelete
) -> None:
    ca_id = registered(iot, former, tags={"owner": "factory"})
    resource.create(sni_only(on_delete=on_delete))

    resource.delete()

    assert iot.state(ca_id) == former
    assert iot.tags_of(ca_id) == {"owner": "factory"}


def test_adoption_needs_no_signer_that_works(resource: CaResource, iot: EmulatedIot) -> None:
    ca_id = registered(iot, certificateMode="DEFAULT")

    assert resource.create(CaProperties(CA.pem, SecretSigner("deleted"))) == ca_id

    assert iot.state(ca_id) == ON


def test_adoption_is_refused_for_its_own_reason_if_the_signer_does_not_work_either(
    resource: CaResource, iot: EmulatedIot
) -> None:
    registered(iot, certificateMode="DEFAULT")
    before = iot.snapshot()

    with pytest.raises(AdoptionError, match="on_existing"):
        resource.create(CaProperties(CA.pem, SecretSigner("deleted"), on_existing=OnExisting.FAIL))

    assert iot.snapshot() == before


def test_the_first_former_state_is_restored_after_a_retention(resource: CaResource, iot: EmulatedIot) -> None:
    ca_id = registered(iot)
    resource.create(sni_only(on_delete=OnDelete.RETAIN))
    resource.delete()
    assert iot.state(ca_id) == ON

    resource.create(sni_only(on_delete=OnDelete.DELETE))
    resource.delete()

    assert iot.state(ca_id) == DISABLED


def test_the_former_state_is_restored_after_updates(resource: CaResource, iot: EmulatedIot) -> None:
    ca_id = registered(iot, OFF)
    resource.create(sni_only())
    resource.change(auto_registration=AutoRegistration.DISABLE)
    resource.change(auto_registration=AutoRegistration.ENABLE)

    resource.delete()

    assert iot.state(ca_id) == OFF


def test_the_ca_is_found_if_the_conflict_does_not_name_it(resource: CaResource, iot: EmulatedIot) -> None:
    iot.conflict_has_id = False
    iot.add(NEXT_CA)
    ca_id = registered(iot)

    assert resource.create(sni_only()) == ca_id
    assert iot.state(ca_id) == ON


def test_a_ca_that_is_registered_but_cannot_be_found_is_an_error(
    resource: CaResource, iot: EmulatedIot
) -> None:
    iot.conflict_has_id = False
    iot.elsewhere.add(CA.der)

    with pytest.raises(AlreadyRegisteredError):
        resource.create(sni_only())


@pytest.mark.parametrize(
    ("record", "properties", "reason"),
    [
        ({}, sni_only(on_existing=OnExisting.FAIL), "on_existing"),
        ({"registrationConfig": {"templateBody": "{}"}}, sni_only(), "past every check"),
        ({"certificateMode": "DEFAULT"}, sni_only(), "set mode to DEFAULT to adopt it"),
    ],
    ids=["on_existing is fail", "provisioning template", "the other mode"],
)
def test_adoption_is_refused(
    resource: CaResource, iot: EmulatedIot, record: dict[str, Any], properties: CaProperties, reason: str
) -> None:
    ca_id = registered(iot, **record)
    before = iot.snapshot()

    with pytest.raises(AdoptionError, match=reason) as refused:
        resource.create(properties)

    assert ca_id in str(refused.value)
    assert iot.snapshot() == before


def test_adoption_of_another_certificate_of_the_same_ca_is_refused(
    resource: CaResource, iot: EmulatedIot
) -> None:
    ca_id = registered(iot)
    # AWS names a registered certificate of the same CA in the conflict; the emulation, the given one.
    iot.cas[ca_id]["certificatePem"] = NEXT_CA.pem
    iot.elsewhere.add(CA.der)
    iot.cas[CA.fingerprint] = iot.cas[ca_id]

    with pytest.raises(AdoptionError, match=NEXT_CA.serial_number):
        resource.create(sni_only())


@pytest.mark.parametrize(("stack", "logical_id"), [("fleet", "CaOther"), ("other", "CaFactory")])
def test_a_ca_that_another_resource_manages_is_refused(
    account: CaAccount, resource: CaResource, stack: str, logical_id: str
) -> None:
    resource.create(sni_only())
    before = account.iot.snapshot()

    with pytest.raises(AdoptionError, match="managed by stack 'fleet', resource 'CaFactory'"):
        CaResource.of(account.session, stack, logical_id).create(sni_only())

    assert account.iot.snapshot() == before


@pytest.mark.parametrize(
    ("tag", "value"),
    [("jitr:former-state", "ON"), ("jitr:former-state", "ACTIVE/MAYBE"), ("jitr:claim", "")],
)
def test_a_ca_whose_ownership_tags_were_changed_is_refused(
    resource: CaResource, iot: EmulatedIot, tag: str, value: str
) -> None:
    ca_id = resource.create(sni_only())
    iot.tags_of(ca_id)[tag] = value
    before = iot.snapshot()

    with pytest.raises(UnreadableOwnershipError):
        resource.change(auto_registration=AutoRegistration.DISABLE)

    assert iot.snapshot() == before


def test_a_ca_retained_by_a_deleted_stack_is_adopted(account: CaAccount, resource: CaResource) -> None:
    resource.create(sni_only())
    resource.delete()

    other = CaResource.of(account.session, stack="other")
    other.create(sni_only(on_delete=OnDelete.DELETE))
    assert account.iot.state(other.physical_id) == ON
    other.delete()

    assert account.iot.state(other.physical_id) == DISABLED


@pytest.mark.parametrize("kept_by", [OnDelete.DISABLE, OnDelete.DEACTIVATE, OnDelete.RETAIN])
def test_a_ca_retained_by_an_earlier_deployment_needs_no_adoption(
    resource: CaResource, iot: EmulatedIot, kept_by: OnDelete
) -> None:
    ca_id = resource.create(sni_only(on_delete=kept_by))
    resource.delete()

    assert resource.create(sni_only(on_delete=OnDelete.DELETE, on_existing=OnExisting.FAIL)) == ca_id

    assert iot.state(ca_id) == ON
    assert iot.tags_of(ca_id)["jitr:former-state"] == "unregistered"
    resource.delete()
    assert iot.cas == {}
