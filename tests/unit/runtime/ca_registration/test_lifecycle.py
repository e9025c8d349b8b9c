"""Create and delete: what state each leaves a CA in."""

import pytest

from iot_jitr_runtime.ca_registration.ownership import UNREGISTERED, AdoptionError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaProperties, CaStatus, OnDelete
from iot_jitr_runtime.ca_registration.registry import RegistryError
from iot_jitr_runtime.ca_registration.signers import SecretSigner
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from iot_jitr_runtime.ownership import Owner, Ownership
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import CaAccount, CaRegistryEmulation
from tests.support.ca_resource import CaResource
from tests.support.ca_states import CA, DISABLED, OFF, ON, sni_only
from tests.support.endless import endless_ca

EXPIRED_CA = CaSpec("Old CA", starts_in_days=-20, ends_in_days=-10).build()


class TestCreate:
    def test_registers_with_auto_registration_and_ownership_tags(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = resource.create(sni_only())

        assert registry.state(ca_id) == ON
        assert registry.tags_of(ca_id) == {
            "team": "iot",
            "jitr:stack": "fleet",
            "jitr:logical-id": "CaFactory",
            "jitr:former-state": "unregistered",
            "jitr:claim": "held",
        }

    def test_answers_with_every_attribute(self, resource: CaResource, registry: CaRegistryEmulation) -> None:
        ca_id = resource.create(sni_only())

        assert resource.attributes == {
            "CaCertificateId": ca_id,
            "CaCertificateArn": registry.cas[ca_id]["certificateArn"],
            "Status": "ACTIVE",
            "Mode": "SNI_ONLY",
            "AutoRegistrationStatus": "ENABLE",
            "NotAfter": f"{CA.not_after:%Y-%m-%dT%H:%M:%SZ}",
        }

    def test_registers_a_ca_without_an_end(
        self, account: CaAccount, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca = endless_ca()
        account.client("secretsmanager").create_secret(Name="ca-key", SecretString=pem_of(ca.key))

        ca_id = resource.create(CaProperties(ca.certificate.pem, SecretSigner("ca-key")))

        assert registry.state(ca_id) == ON
        assert resource.attributes["NotAfter"] == "9999-12-31T23:59:59Z"

    @pytest.mark.parametrize("status", CaStatus)
    @pytest.mark.parametrize("auto_registration", AutoRegistration)
    def test_registers_in_the_state_that_is_wanted(
        self,
        resource: CaResource,
        registry: CaRegistryEmulation,
        status: CaStatus,
        auto_registration: AutoRegistration,
    ) -> None:
        ca_id = resource.create(sni_only(status=status, auto_registration=auto_registration))

        assert registry.state(ca_id) == (status, auto_registration)

    def test_repeated_gives_the_same_answer_and_state(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        first = resource.call("Create", sni_only())
        state = registry.snapshot()

        assert resource.call("Create", sni_only()) == first
        assert registry.snapshot() == state

    def test_takes_over_its_own_registration_of_a_ca_that_has_expired_since(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = registry.add(EXPIRED_CA, certificateMode="SNI_ONLY")
        owner = Owner("fleet", "CaFactory")
        registry.tags[registry.cas[ca_id]["certificateArn"]] = Ownership(owner, UNREGISTERED).to_tags()

        assert resource.create(sni_only(certificate_pem=EXPIRED_CA.pem)) == ca_id
        assert registry.state(ca_id) == ON

    @pytest.mark.parametrize(
        "tags", [{}, Ownership(Owner("other", "Ca"), UNREGISTERED).to_tags(), {"jitr:stack": "fleet"}]
    )
    def test_checks_the_certificate_of_a_registration_that_is_not_its_own(
        self, resource: CaResource, registry: CaRegistryEmulation, tags: dict[str, str]
    ) -> None:
        ca_id = registry.add(EXPIRED_CA, certificateMode="SNI_ONLY")
        registry.tags[registry.cas[ca_id]["certificateArn"]] = tags
        before = registry.snapshot()

        with pytest.raises(CaCertificateError) as caught:
            resource.create(sni_only(certificate_pem=EXPIRED_CA.pem))

        assert caught.value.fault is CaFault.EXPIRED
        assert registry.snapshot() == before

    def test_at_the_quota_says_so(self, resource: CaResource, registry: CaRegistryEmulation) -> None:
        registry.quota = 0

        with pytest.raises(RegistryError, match=r"quota is reached.*jitr ca list"):
            resource.create(sni_only())

    def test_of_a_ca_that_another_account_holds_says_so(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        registry.elsewhere.add(CA.der)

        with pytest.raises(AdoptionError, match="not in this account"):
            resource.create(sni_only())


class TestDelete:
    @pytest.mark.parametrize(
        ("on_delete", "left"),
        [(OnDelete.DISABLE, DISABLED), (OnDelete.DEACTIVATE, OFF), (OnDelete.RETAIN, ON)],
    )
    def test_keeps_the_ca_in_the_documented_state(
        self,
        resource: CaResource,
        registry: CaRegistryEmulation,
        on_delete: OnDelete,
        left: tuple[str, str],
    ) -> None:
        ca_id = resource.create(sni_only(on_delete=on_delete))

        resource.delete()

        assert registry.state(ca_id) == left
        assert registry.tags_of(ca_id)["jitr:claim"] == "released"

    @pytest.mark.parametrize("status", CaStatus)
    def test_deletes_the_ca_active_or_not(
        self, resource: CaResource, registry: CaRegistryEmulation, status: CaStatus
    ) -> None:
        resource.create(sni_only(on_delete=OnDelete.DELETE, status=status))

        resource.delete()

        assert registry.cas == {}

    @pytest.mark.parametrize("on_delete", OnDelete)
    def test_repeated_changes_nothing_more(
        self, resource: CaResource, registry: CaRegistryEmulation, on_delete: OnDelete
    ) -> None:
        resource.create(sni_only(on_delete=on_delete))
        resource.delete()
        after_first = registry.snapshot()

        resource.delete()

        assert registry.snapshot() == after_first

    @pytest.mark.parametrize("on_delete", OnDelete)
    def test_of_a_ca_that_is_gone_succeeds(
        self, resource: CaResource, registry: CaRegistryEmulation, on_delete: OnDelete
    ) -> None:
        ca_id = resource.create(sni_only(on_delete=on_delete))
        del registry.cas[ca_id]

        resource.delete()

        assert registry.cas == {}

    @pytest.mark.parametrize(
        "tags",
        [
            {},
            {"jitr:stack": "other"},
            Ownership(Owner("fleet", "CaFactory"), "ON").to_tags(),
            Ownership(Owner("other", "CaFactory"), UNREGISTERED).to_tags(),
        ],
    )
    def test_leaves_a_ca_as_it_is_whose_tags_do_not_name_this_resource(
        self, resource: CaResource, registry: CaRegistryEmulation, tags: dict[str, str]
    ) -> None:
        ca_id = resource.create(sni_only(on_delete=OnDelete.DELETE))
        registry.tags[registry.cas[ca_id]["certificateArn"]] = tags

        resource.delete()

        assert registry.state(ca_id) == ON
