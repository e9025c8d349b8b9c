"""One custom resource for each CA: its properties, and the errors and warnings of the synthesis."""

from dataclasses import replace
from datetime import timedelta

import aws_cdk as cdk
import pytest

from iot_jitr import (
    CaConfiguration,
    CaStatus,
    JitrConfiguration,
    JitrPipeline,
    JitrStack,
    NoRevocation,
    OnDelete,
    OnExisting,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
)
from iot_jitr.ca_registration import CaTwiceError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaProperties
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from iot_jitr_runtime.ca_registration.verification import make_verification_certificate
from tests.support.ca_builder import CaSpec
from tests.support.ca_certificates import FACTORY, WORKSHOP
from tests.support.scenarios import PRIVATE_CA
from tests.support.stacks import (
    FACTORY_CA,
    of_type,
    synthesized,
    warnings,
)

SPEC = CaSpec()
CA = SPEC.build()
VERIFICATION = make_verification_certificate(CA, SPEC.key, "0a1b" * 16)


class TestResource:
    def test_the_resource_has_the_properties_of_the_configuration(self) -> None:
        ca = replace(
            FACTORY_CA,
            status=CaStatus.INACTIVE,
            auto_registration=False,
            on_existing=OnExisting.FAIL,
            on_delete=OnDelete.DELETE,
            tags={"team": "iot"},
        )

        (resource,) = of_type(synthesized(ca), "Custom::JitrCaCertificate").values()

        assert CaProperties.from_cloudformation(resource["Properties"]) == CaProperties(
            ca_certificate_pem=FACTORY,
            signer=SecretSigner("iot-jitr/factory-ca-key"),
            desired_status=CaStatus.INACTIVE,
            auto_registration=AutoRegistration.DISABLE,
            on_existing=OnExisting.FAIL,
            on_delete=OnDelete.DELETE,
            ca_tags={"team": "iot"},
        )

    def test_cloudformation_deletes_the_resource_so_that_on_delete_applies(self) -> None:
        (resource,) = of_type(synthesized(FACTORY_CA), "Custom::JitrCaCertificate").values()

        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Delete"


class TestRefusals:
    @pytest.mark.parametrize(
        ("pem", "fault"),
        [
            ("-----BEGIN nothing", CaFault.NOT_ONLY_A_CERTIFICATE),
            (FACTORY + WORKSHOP, CaFault.SEVERAL_CERTIFICATES),
            (CaSpec(is_ca=False, may_sign=False).build().pem, CaFault.NOT_A_CA),
        ],
    )
    def test_a_certificate_that_cannot_be_registered_fails_the_synthesis(
        self, pem: str, fault: CaFault
    ) -> None:
        """Each fault of a certificate is in `tests/unit/runtime/ca_registration/test_validation.py`."""
        with pytest.raises(CaCertificateError, match=r"^CA 'Factory': ") as caught:
            synthesized(replace(FACTORY_CA, certificate=pem))

        assert caught.value.fault is fault

    def test_the_same_ca_twice_fails_the_synthesis(self) -> None:
        again = replace(FACTORY_CA, name="Again", certificate=f"the same\n{FACTORY}")

        with pytest.raises(CaTwiceError, match=r"^CA 'Again' of Jitr/Jitr and CA 'Factory' of Jitr/Jitr are"):
            synthesized(FACTORY_CA, again)

    @pytest.mark.parametrize("region", ["eu-central-1", None], ids=["known", "any"])
    def test_the_same_ca_in_two_pipelines_of_one_region_fails_the_synthesis(
        self, app: cdk.App, region: str | None
    ) -> None:
        place = cdk.Environment(account="123456789012", region=region)
        north = cdk.Stack(app, "North", env=place)
        south = cdk.Stack(app, "South", env=place) if region else north
        JitrPipeline(north, "One", cas=[FACTORY_CA])

        with pytest.raises(CaTwiceError, match=r"^CA 'Again' of .*/Two and CA 'Factory' of North/One are"):
            JitrPipeline(south, "Two", cas=[replace(FACTORY_CA, name="Again")])

    def test_the_same_ca_may_be_registered_in_several_regions(self, app: cdk.App) -> None:
        for name, region in (("Home", "eu-central-1"), ("Away", "us-east-1"), ("Any", None), ("Other", None)):
            place = cdk.Environment(account="123456789012", region=region)
            JitrPipeline(cdk.Stack(app, name, env=place), "Jitr", cas=[FACTORY_CA])

        assert len(app.synth().stacks) == 4

    def test_the_same_private_ca_twice_fails_the_synthesis(self) -> None:
        first = CaConfiguration("First", NoRevocation(), signer=PrivateCaSigner(PRIVATE_CA))

        with pytest.raises(CaTwiceError):
            synthesized(first, replace(first, name="Second"))

    def test_a_verification_certificate_of_another_ca_fails_the_synthesis(self) -> None:
        with pytest.raises(CaCertificateError, match=r"^CA 'Factory': .*") as caught:
            synthesized(replace(FACTORY_CA, signer=PresignedSigner(VERIFICATION)))

        assert caught.value.fault is CaFault.NOT_SIGNED_BY_CA


class TestWarnings:
    @pytest.mark.parametrize(
        ("spec", "warned"),
        [
            (CaSpec("Old CA", ends_in_days=89), True),
            (CaSpec("Old CA", ends_in_days=91), False),
        ],
        ids=["89 days", "91 days"],
    )
    def test_a_ca_that_expires_within_ninety_days_causes_a_warning(
        self, app: cdk.App, spec: CaSpec, *, warned: bool
    ) -> None:
        ca = spec.build()
        stack = JitrStack(app, "Jitr", JitrConfiguration(cas=(replace(FACTORY_CA, certificate=ca.pem),)))

        found = [each for each in warnings(stack) if "expires on" in each]

        assert bool(found) is warned
        assert all(f"{ca.not_after:%Y-%m-%d}" in each and "'CN=Old CA'" in each for each in found)

    def test_an_expired_verification_certificate_causes_only_a_warning(self, app: cdk.App) -> None:
        short = make_verification_certificate(CA, SPEC.key, "0a1b" * 16, validity=timedelta(seconds=-60))
        ca = replace(FACTORY_CA, certificate=CA.pem, signer=PresignedSigner(short))

        stack = JitrStack(app, "Jitr", JitrConfiguration(cas=(ca,)))

        assert [each for each in warnings(stack) if "verification certificate is out of date" in each]
