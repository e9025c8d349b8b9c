"""The key is offline, or nothing signs: the certificate is checked before AWS is called."""

from dataclasses import replace

import pytest

from iot_jitr_runtime.ca_registration.properties import CaProperties
from iot_jitr_runtime.ca_registration.signers import (
    KmsSigner,
    NoSigner,
    PresignedSigner,
    SecretSigner,
    Signer,
    SignerError,
)
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from iot_jitr_runtime.ca_registration.verification import make_verification_certificate
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount
from tests.support.ca_resource import ON, CaResource, sni_only

SPEC = CaSpec(REGISTRATION_CODE, starts_in_days=-20)
"""Its name is the registration code, so that a certificate of its own is a verification certificate."""
CA = SPEC.build()
OTHER = CaSpec()
VERIFICATION = make_verification_certificate(CA, SPEC.key, REGISTRATION_CODE)


def test_registers_the_ca(account: CaAccount, resource: CaResource) -> None:
    ca_id = resource.create(CaProperties(CA.pem, PresignedSigner(VERIFICATION)))

    assert account.iot.state(ca_id) == ON


@pytest.mark.parametrize(
    ("verification", "fault"),
    [
        (make_verification_certificate(CA, SPEC.key, "f" * 64), CaFault.OTHER_REGISTRATION_CODE),
        (
            make_verification_certificate(OTHER.build(), OTHER.key, REGISTRATION_CODE),
            CaFault.NOT_SIGNED_BY_CA,
        ),
        (replace(SPEC, ends_in_days=-10).build().pem, CaFault.EXPIRED),
        (replace(SPEC, starts_in_days=10).build().pem, CaFault.NOT_YET_VALID),
        (VERIFICATION + CA.pem, CaFault.SEVERAL_CERTIFICATES),
        (VERIFICATION + pem_of(SPEC.key), CaFault.NOT_ONLY_A_CERTIFICATE),
    ],
    ids=lambda value: value if isinstance(value, CaFault) else "",
)
def test_refuses_a_certificate(resource: CaResource, verification: str, fault: CaFault) -> None:
    with pytest.raises(CaCertificateError) as caught:
        resource.create(CaProperties(CA.pem, PresignedSigner(verification)))

    assert caught.value.fault is fault


def test_without_a_signer_there_is_one_call(account: CaAccount, resource: CaResource) -> None:
    calls: list[str] = []
    account.session.events.register("before-call.iot", lambda model, **_: calls.append(model.name))

    ca_id = resource.create(sni_only())

    assert account.iot.cas[ca_id]["certificateMode"] == "SNI_ONLY"
    assert calls == ["RegisterCACertificate"]


@pytest.mark.parametrize("signer", [SecretSigner("s"), KmsSigner("k"), PresignedSigner("p"), NoSigner()])
def test_without_a_certificate_the_signer_must_be_a_private_ca(resource: CaResource, signer: Signer) -> None:
    with pytest.raises(SignerError, match="only an AWS Private CA"):
        resource.create(CaProperties(None, signer))
