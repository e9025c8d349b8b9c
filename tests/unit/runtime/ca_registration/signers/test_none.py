"""Nothing signs."""

import pytest

from iot_jitr_runtime.ca_registration.properties import Mode
from iot_jitr_runtime.ca_registration.signers import (
    KmsSigner,
    NoSigner,
    PresignedSigner,
    SecretSigner,
    Signer,
    SignerError,
)
from tests.support.ca_builder import CaSpec
from tests.support.ca_registry import CaAccount, CaRegistryEmulation
from tests.support.ca_resource import CaResource
from tests.support.ca_states import properties


class TestNone:
    def test_registers_the_ca_without_asking_for_the_registration_code(
        self, account: CaAccount, registry: CaRegistryEmulation, resource: CaResource
    ) -> None:
        asked: list[str] = []
        account.session.events.register("before-call.iot", lambda model, **_: asked.append(model.name))

        ca_id = resource.create(properties(CaSpec().build(), NoSigner(), Mode.SNI_ONLY))

        assert registry.cas[ca_id]["certificateMode"] == "SNI_ONLY"
        assert asked == ["RegisterCACertificate"]


@pytest.mark.parametrize("signer", [SecretSigner("s"), KmsSigner("k"), PresignedSigner("p"), NoSigner()])
def test_only_a_private_ca_can_be_asked_for_its_certificate(resource: CaResource, signer: Signer) -> None:
    with pytest.raises(SignerError, match="only an AWS Private CA"):
        resource.create(properties(None, signer))
