"""Update: in place, by replacement, refused."""

import pytest

from iot_jitr_runtime.ca_registration.ownership import AdoptionError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaStatus, Mode, OnDelete
from iot_jitr_runtime.ca_registration.signers import PresignedSigner, SecretSigner
from iot_jitr_runtime.ca_registration.verification import make_verification_certificate
from iot_jitr_runtime.ownership import KEYS
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount, CaRegistryEmulation
from tests.support.ca_resource import STACK_ID, CaResource
from tests.support.ca_states import CA, DISABLED, NEXT_CA, OFF, ON, sni_only


class TestUpdate:
    def test_changes_status_auto_registration_and_tags_in_place(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = resource.create(sni_only(tags={"team": "iot", "old": "1"}))

        same_id = resource.change(
            status=CaStatus.INACTIVE,
            auto_registration=AutoRegistration.DISABLE,
            tags={"team": "fleet", "new": "2"},
        )

        assert same_id == ca_id
        assert registry.state(ca_id) == OFF
        user_tags = {key: value for key, value in registry.tags_of(ca_id).items() if key not in KEYS}
        assert user_tags == {"team": "fleet", "new": "2"}
        assert resource.attributes["Status"] == "INACTIVE"
        assert resource.attributes["AutoRegistrationStatus"] == "DISABLE"

    def test_of_the_removal_policy_changes_nothing_until_the_deletion(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        resource.create(sni_only(on_delete=OnDelete.DISABLE))
        before = registry.snapshot()

        resource.change(on_delete=OnDelete.DELETE)
        assert registry.snapshot() == before

        resource.delete()
        assert registry.cas == {}

    def test_with_the_same_certificate_written_differently_is_in_place(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = resource.create(sni_only())

        assert resource.change(certificate_pem=f"subject=CN = Test CA\n{CA.pem}\n") == ca_id
        assert len(registry.cas) == 1

    @pytest.mark.parametrize(
        ("on_delete", "left"),
        [
            (OnDelete.DISABLE, DISABLED),
            (OnDelete.DEACTIVATE, OFF),
            (OnDelete.DELETE, None),
            (OnDelete.RETAIN, ON),
        ],
    )
    def test_with_a_new_certificate_registers_it_before_the_old_one_is_deleted(
        self,
        resource: CaResource,
        registry: CaRegistryEmulation,
        on_delete: OnDelete,
        left: tuple[str, str] | None,
    ) -> None:
        old_id = resource.create(sni_only(on_delete=on_delete))
        new = sni_only(certificate_pem=NEXT_CA.pem, on_delete=OnDelete.RETAIN)

        answer = resource.call("Update", new, PhysicalResourceId=old_id, Old=sni_only(on_delete=on_delete))
        assert registry.state(old_id) == ON
        assert registry.state(answer["PhysicalResourceId"]) == ON

        new_id = resource.update(new)
        assert new_id == answer["PhysicalResourceId"] != old_id
        assert registry.state(new_id) == ON
        assert (registry.state(old_id) if old_id in registry.cas else None) == left

    def test_that_is_rolled_back_takes_the_old_certificate_over_again(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        old_id = resource.create(sni_only(on_delete=OnDelete.DELETE))
        new = sni_only(certificate_pem=NEXT_CA.pem, on_delete=OnDelete.DELETE)
        new_id = resource.call("Update", new, PhysicalResourceId=old_id, Old=resource.properties)[
            "PhysicalResourceId"
        ]

        back = resource.call("Update", sni_only(), PhysicalResourceId=new_id, Old=new)
        resource.call("Delete", new, PhysicalResourceId=new_id)

        assert back["PhysicalResourceId"] == old_id
        assert list(registry.cas) == [old_id]
        assert registry.state(old_id) == ON

    def test_that_is_rolled_back_needs_no_key_of_the_old_ca(
        self, account: CaAccount, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        spec = CaSpec()
        secrets = account.client("secretsmanager")
        secrets.create_secret(Name="ca-key", SecretString=pem_of(spec.key))
        old = sni_only(certificate_pem=spec.build().pem, mode=Mode.DEFAULT, signer=SecretSigner("ca-key"))
        old_id = resource.create(old)
        new = sni_only(certificate_pem=NEXT_CA.pem)
        new_id = resource.call("Update", new, PhysicalResourceId=old_id, Old=old)["PhysicalResourceId"]
        secrets.delete_secret(SecretId="ca-key", ForceDeleteWithoutRecovery=True)

        back = resource.call("Update", old, PhysicalResourceId=new_id, Old=new)

        assert back["PhysicalResourceId"] == old_id
        assert registry.state(old_id) == ON

    def test_of_the_mode_is_refused_with_the_way_to_do_it(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = resource.create(sni_only())
        before = registry.snapshot()

        with pytest.raises(AdoptionError, match=rf"two deployments.*{ca_id}"):
            resource.change(mode=Mode.DEFAULT)

        assert registry.snapshot() == before

    def test_of_the_mode_works_in_two_deployments(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        spec = CaSpec()
        ca = spec.build()
        resource.create(sni_only(certificate_pem=ca.pem, on_delete=OnDelete.DELETE))
        verification = PresignedSigner(make_verification_certificate(ca, spec.key, REGISTRATION_CODE))

        resource.delete()
        ca_id = resource.create(sni_only(certificate_pem=ca.pem, mode=Mode.DEFAULT, signer=verification))

        assert registry.state(ca_id) == ON
        assert registry.cas[ca_id]["certificateMode"] == "DEFAULT"

    def test_from_the_properties_of_another_version_is_in_place(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = resource.create(sni_only())
        event = {
            "RequestType": "Update",
            "StackId": STACK_ID.format("fleet"),
            "LogicalResourceId": "CaFactory",
            "PhysicalResourceId": ca_id,
            "ResourceProperties": sni_only(auto_registration=AutoRegistration.DISABLE).to_cloudformation(),
            "OldResourceProperties": {"Certificate": "as it was called before"},
        }

        assert resource.function(event)["PhysicalResourceId"] == ca_id
        assert registry.state(ca_id) == DISABLED

    def test_of_a_ca_that_somebody_deleted_registers_it_again(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = resource.create(sni_only())
        del registry.cas[ca_id]

        resource.change(auto_registration=AutoRegistration.DISABLE)

        assert registry.state(resource.physical_id) == DISABLED

    def test_of_a_ca_that_was_given_a_provisioning_template_since_is_refused(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = resource.create(sni_only())
        registry.cas[ca_id]["registrationConfig"] = {"templateBody": "{}"}

        with pytest.raises(AdoptionError):
            resource.change(auto_registration=AutoRegistration.DISABLE)
