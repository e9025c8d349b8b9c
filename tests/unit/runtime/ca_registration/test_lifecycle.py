"""Create, update, delete: what state each leaves a CA in, whoever registered it."""

from dataclasses import replace
from typing import Any

import pytest

from iot_jitr_runtime.ca_registration.adoption import (
    AlreadyThereError,
    HeldByAnotherError,
    ModeChangeError,
    OtherCertificateError,
    ProvisioningTemplateError,
)
from iot_jitr_runtime.ca_registration.api_errors import AlreadyRegisteredError, CaLimitReachedError
from iot_jitr_runtime.ca_registration.lifecycle import InAnotherAccountError
from iot_jitr_runtime.ca_registration.ownership import KEYS
from iot_jitr_runtime.ca_registration.properties import (
    AutoRegistration,
    CaProperties,
    CaStatus,
    Mode,
    OnDelete,
    OnExisting,
)
from iot_jitr_runtime.ca_registration.sources import NoSource
from tests.support.ca_builder import CaSpec
from tests.support.ca_registry import CaAccount, CaRegistryEmulation
from tests.support.ca_resource import CaResource

ON = ("ACTIVE", "ENABLE")
DISABLED = ("ACTIVE", "DISABLE")
OFF = ("INACTIVE", "DISABLE")
CA = CaSpec().build()
NEXT_CA = CaSpec("Next CA").build()


def sni_only(**changes: Any) -> CaProperties:
    """The simplest registration there is: nobody signs."""
    return replace(
        CaProperties("fleet/Jitr/CaFactory", CA.pem, NoSource(), mode=Mode.SNI_ONLY, tags={"team": "iot"}),
        **changes,
    )


@pytest.fixture(params=["ACTIVE/ENABLE", "ACTIVE/DISABLE", "INACTIVE/ENABLE", "INACTIVE/DISABLE"])
def existing(request: pytest.FixtureRequest, registry: CaRegistryEmulation) -> tuple[str, tuple[str, str]]:
    """A CA that somebody else registered, with its id and state."""
    status, auto_registration = request.param.split("/")
    ca_id = registry.add(
        CA, status=status, autoRegistrationStatus=auto_registration, certificateMode="SNI_ONLY"
    )
    return ca_id, (status, auto_registration)


class TestCreate:
    def test_registers_with_auto_registration_and_says_whose_it_is(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = resource.create(sni_only())

        assert registry.state(ca_id) == ON
        assert registry.tags_of(ca_id) == {
            "team": "iot",
            "jitr:stack": "fleet",
            "jitr:path": "fleet/Jitr/CaFactory",
            "jitr:origin": "registered",
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

    def test_at_the_quota_says_so(self, resource: CaResource, registry: CaRegistryEmulation) -> None:
        registry.quota = 0

        with pytest.raises(CaLimitReachedError, match=r"quota is reached.*jitr ca list"):
            resource.create(sni_only())

    def test_of_a_ca_that_another_account_holds_says_so(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        registry.elsewhere.add(CA.der)

        with pytest.raises(InAnotherAccountError, match="SNI_ONLY"):
            resource.create(sni_only())


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

    def test_turns_auto_registration_on_and_remembers_the_former_state(
        self,
        resource: CaResource,
        registry: CaRegistryEmulation,
        existing: tuple[str, tuple[str, str]],
    ) -> None:
        ca_id, former = existing

        assert resource.create(sni_only()) == ca_id

        assert registry.state(ca_id) == ON
        assert registry.tags_of(ca_id)["jitr:origin"] == "adopted"
        assert registry.tags_of(ca_id)["jitr:former-state"] == "/".join(former)

    @pytest.mark.parametrize("on_delete", [OnDelete.DISABLE, OnDelete.DEACTIVATE, OnDelete.DELETE])
    def test_deletion_gives_the_former_state_back_and_never_deletes(
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

    def test_retained_keeps_working_and_is_adopted_still_when_it_is_taken_up_again(
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

        with pytest.raises(AlreadyThereError, match=f"{ca_id}.*on_existing"):
            resource.create(sni_only(on_existing=OnExisting.FAIL))

        assert registry.snapshot() == before

    def test_of_a_ca_with_a_provisioning_template_is_refused(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        registry.add(CA, certificateMode="SNI_ONLY", registrationConfig={"templateBody": "{}"})
        before = registry.snapshot()

        with pytest.raises(ProvisioningTemplateError, match="past every check"):
            resource.create(sni_only())

        assert registry.snapshot() == before

    def test_of_a_ca_in_the_other_mode_is_refused(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        registry.add(CA, certificateMode="DEFAULT")

        with pytest.raises(ModeChangeError, match="set mode to DEFAULT to adopt it"):
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

        with pytest.raises(OtherCertificateError, match=NEXT_CA.serial_number):
            resource.create(sni_only())

    def test_of_a_ca_that_another_construct_looks_after_is_refused(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        resource.create(sni_only())
        before = registry.snapshot()

        with pytest.raises(
            HeldByAnotherError, match=r"stack 'fleet', construct 'fleet/Jitr/CaFactory'.*twice"
        ):
            resource.call("Create", sni_only(construct_path="fleet/Jitr/CaOther"))

        assert registry.snapshot() == before

    def test_of_a_ca_that_another_stack_looks_after_is_refused(
        self, account: CaAccount, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        resource.create(sni_only())

        with pytest.raises(HeldByAnotherError, match="stack 'fleet'"):
            CaResource.of(account.session, stack="other").create(sni_only())

        assert registry.state(resource.physical_id) == ON

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
    def test_a_ca_kept_by_an_earlier_deployment_is_taken_up_as_ours(
        self, resource: CaResource, registry: CaRegistryEmulation, kept_by: OnDelete
    ) -> None:
        ca_id = resource.create(sni_only(on_delete=kept_by))
        resource.delete()

        assert resource.create(sni_only(on_delete=OnDelete.DELETE, on_existing=OnExisting.FAIL)) == ca_id

        assert registry.state(ca_id) == ON
        assert registry.tags_of(ca_id)["jitr:origin"] == "registered"
        resource.delete()
        assert registry.cas == {}


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
    def test_with_a_new_certificate_registers_it_before_the_old_one_goes_its_own_way(
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

    def test_that_is_rolled_back_takes_the_old_certificate_up_again(
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

    def test_of_the_mode_is_refused_with_the_way_to_do_it(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        ca_id = resource.create(sni_only())
        before = registry.snapshot()

        with pytest.raises(ModeChangeError, match=rf"two deployments: \(1\).*{ca_id}.*\(2\).*mode DEFAULT"):
            resource.change(mode=Mode.DEFAULT)

        assert registry.snapshot() == before

    def test_of_the_mode_works_in_two_deployments(
        self, resource: CaResource, registry: CaRegistryEmulation
    ) -> None:
        resource.create(sni_only(on_delete=OnDelete.DELETE))
        resource.delete()
        registry.add(NEXT_CA)

        ca_id = CaResource(resource.function).create(sni_only())

        assert registry.state(ca_id) == ON

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

        with pytest.raises(ProvisioningTemplateError):
            resource.change(auto_registration=AutoRegistration.DISABLE)


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
        "tags", [{}, {"jitr:stack": "other"}, {"jitr:origin": "adopted", "jitr:claim": "held"}]
    )
    def test_leaves_a_ca_alone_that_does_not_say_it_is_ours(
        self, resource: CaResource, registry: CaRegistryEmulation, tags: dict[str, str]
    ) -> None:
        ca_id = resource.create(sni_only(on_delete=OnDelete.DELETE))
        registry.tags[registry.cas[ca_id]["certificateArn"]] = tags

        resource.delete()

        assert registry.state(ca_id) == ON
