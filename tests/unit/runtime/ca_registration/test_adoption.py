"""CAs that are registered already: by somebody else, by another stack, by this one earlier."""

import pytest

from iot_jitr_runtime.ca_registration.ownership import AdoptionError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, OnDelete, OnExisting
from iot_jitr_runtime.ca_registration.registry import AlreadyRegisteredError
from iot_jitr_runtime.ownership import UnreadableOwnershipError
from tests.support.ca_registry import CaAccount, CaRegistryEmulation
from tests.support.ca_resource import CaResource
from tests.support.ca_states import CA, DISABLED, NEXT_CA, OFF, ON, sni_only


@pytest.fixture(params=["ACTIVE/ENABLE", "ACTIVE/DISABLE", "INACTIVE/ENABLE", "INACTIVE/DISABLE"])
def existing(request: pytest.FixtureRequest, registry: CaRegistryEmulation) -> tuple[str, tuple[str, str]]:
    """A CA that somebody else registered, with its id and state."""
    status, auto_registration = request.param.split("/")
    ca_id = registry.add(
        CA, status=status, autoRegistrationStatus=auto_registration, certificateMode="SNI_ONLY"
    )
    return ca_id, (status, auto_registration)


class TestAdopt:
    def test_finds_the_ca_where_the_conflict_does_not_name_it(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        registry.tells_id = False
        registry.add(NEXT_CA)
        ca_id = registry.add(CA, certificateMode="SNI_ONLY")

        assert resource.create(sni_only()) == ca_id
        assert registry.state(ca_id) == ON

    def test_of_a_ca_that_cannot_be_found_says_so(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        registry.tells_id = False
        registry.elsewhere.add(CA.der)

        with pytest.raises(AlreadyRegisteredError, match="already registered"):
            resource.create(sni_only())

    def test_turns_auto_registration_on_and_records_the_former_state(
        self,
        resource: CaResource,
        registry: CaRegistryEmulation,
        existing: tuple[str, tuple[str, str]],
    ) -> None:
        ca_id, former = existing

        assert resource.create(sni_only()) == ca_id

        assert registry.state(ca_id) == ON
        assert registry.tags_of(ca_id)["jitr:former-state"] == "/".join(former)

    @pytest.mark.parametrize("on_delete", [OnDelete.DISABLE, OnDelete.DEACTIVATE, OnDelete.DELETE])
    def test_deletion_restores_the_former_state_and_never_deletes(
        self,
        resource: CaResource,
        registry: CaRegistryEmulation,
        existing: tuple[str, tuple[str, str]],
        on_delete: OnDelete,
    ) -> None:
        ca_id, former = existing
        registry.tags[registry.cas[ca_id]["certificateArn"]] = {"owner": "factory"}
        resource.create(sni_only(on_delete=on_delete))

        resource.delete()

        assert registry.state(ca_id) == former
        assert registry.tags_of(ca_id) == {"owner": "factory"}

    def test_of_a_retained_ca_restores_the_first_former_state_in_the_end(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = registry.add(CA, certificateMode="SNI_ONLY")
        resource.create(sni_only(on_delete=OnDelete.RETAIN))
        resource.delete()
        assert registry.state(ca_id) == ON

        resource.create(sni_only(on_delete=OnDelete.DELETE))
        resource.delete()

        assert registry.state(ca_id) == DISABLED

    def test_updates_do_not_forget_the_former_state(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = registry.add(CA, certificateMode="SNI_ONLY", status="INACTIVE")
        resource.create(sni_only())
        resource.change(auto_registration=AutoRegistration.DISABLE)
        resource.change(auto_registration=AutoRegistration.ENABLE)

        resource.delete()

        assert registry.state(ca_id) == OFF

    def test_is_refused_where_on_existing_says_fail(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = registry.add(CA, certificateMode="SNI_ONLY")
        before = registry.snapshot()

        with pytest.raises(AdoptionError, match=f"{ca_id}.*on_existing"):
            resource.create(sni_only(on_existing=OnExisting.FAIL))

        assert registry.snapshot() == before

    def test_of_a_ca_with_a_provisioning_template_is_refused(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        registry.add(CA, certificateMode="SNI_ONLY", registrationConfig={"templateBody": "{}"})
        before = registry.snapshot()

        with pytest.raises(AdoptionError, match="past every check"):
            resource.create(sni_only())

        assert registry.snapshot() == before

    def test_of_a_ca_in_the_other_mode_is_refused(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        registry.add(CA, certificateMode="DEFAULT")

        with pytest.raises(AdoptionError, match="set mode to DEFAULT to adopt it"):
            resource.create(sni_only())

    def test_of_another_certificate_than_the_one_given_is_refused(
        self, resource: CaResource, registry: CaRegistryEmulation, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ca_id = registry.add(CA, certificateMode="SNI_ONLY")
        monkeypatch.setitem(registry.cas[ca_id], "certificatePem", CA.pem)
        resource.create(sni_only())
        # AWS names a registered certificate of the same CA in the conflict; the emulation, the given one.
        registry.cas[ca_id]["certificatePem"] = NEXT_CA.pem
        registry.elsewhere.add(CA.der)
        registry.cas[CA.fingerprint] = registry.cas[ca_id]

        with pytest.raises(AdoptionError, match=NEXT_CA.serial_number):
            resource.create(sni_only())

    def test_of_a_ca_that_another_resource_manages_is_refused(
        self, account: CaAccount, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        resource.create(sni_only())
        before = registry.snapshot()

        with pytest.raises(AdoptionError, match="managed by stack 'fleet', resource 'CaFactory'"):
            CaResource.of(account.session, logical_id="CaOther").create(sni_only())

        assert registry.snapshot() == before

    def test_of_a_ca_that_another_stack_manages_is_refused(
        self, account: CaAccount, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        resource.create(sni_only())

        with pytest.raises(AdoptionError, match="stack 'fleet'"):
            CaResource.of(account.session, stack="other").create(sni_only())

        assert registry.state(resource.physical_id) == ON

    @pytest.mark.parametrize(
        ("tag", "value"),
        [("jitr:former-state", "ON"), ("jitr:former-state", "ACTIVE/MAYBE"), ("jitr:claim", "")],
    )
    def test_of_a_ca_whose_ownership_tags_somebody_changed_is_refused(
        self, resource: CaResource, registry: CaRegistryEmulation, tag: str, value: str
    ) -> None:
        ca_id = resource.create(sni_only())
        registry.tags_of(ca_id)[tag] = value
        before = registry.snapshot()

        with pytest.raises(UnreadableOwnershipError):
            resource.change(auto_registration=AutoRegistration.DISABLE)

        assert registry.snapshot() == before

    def test_of_a_ca_that_a_deleted_stack_has_kept_is_allowed(
        self, account: CaAccount, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        resource.create(sni_only())
        resource.delete()

        other = CaResource.of(account.session, stack="other")
        other.create(sni_only(on_delete=OnDelete.DELETE))
        assert registry.state(other.physical_id) == ON
        other.delete()

        assert registry.state(other.physical_id) == DISABLED


class TestOurOwn:
    @pytest.mark.parametrize("kept_by", [OnDelete.DISABLE, OnDelete.DEACTIVATE, OnDelete.RETAIN])
    def test_a_ca_kept_by_an_earlier_deployment_is_still_ours(
        self, resource: CaResource, registry: CaRegistryEmulation, kept_by: OnDelete
    ) -> None:
        ca_id = resource.create(sni_only(on_delete=kept_by))
        resource.delete()

        assert resource.create(sni_only(on_delete=OnDelete.DELETE, on_existing=OnExisting.FAIL)) == ca_id

        assert registry.state(ca_id) == ON
        assert registry.tags_of(ca_id)["jitr:former-state"] == "unregistered"
        resource.delete()
        assert registry.cas == {}
