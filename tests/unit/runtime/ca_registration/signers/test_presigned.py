"""The key is offline: the certificate that its holder signed is checked before AWS is called."""

from dataclasses import replace

import pytest

from iot_jitr_runtime.ca_registration.signers import (
    PresignedSigner,
)
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from iot_jitr_runtime.ca_registration.verification import make_verification_certificate
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount
from tests.support.ca_resource import CaResource
from tests.support.ca_states import properties


def fault_of(resource: CaResource, ca: Certificate, verification: str) -> CaFault:
    with pytest.raises(CaCertificateError) as caught:
        resource.create(properties(ca, PresignedSigner(verification)))
    return caught.value.fault


class TestPresigned:
    def test_registers_the_ca(self, account: CaAccount, resource: CaResource) -> None:
        spec = CaSpec()
        ca = spec.build()
        verification = make_verification_certificate(ca, spec.key, REGISTRATION_CODE)

        ca_id = resource.create(properties(ca, PresignedSigner(verification)))

        assert account.registry.state(ca_id) == ("ACTIVE", "ENABLE")

    def test_refuses_a_certificate_for_another_registration_code(self, resource: CaResource) -> None:
        spec = CaSpec()
        ca = spec.build()
        verification = make_verification_certificate(ca, spec.key, "f" * 64)

        assert fault_of(resource, ca, verification) is CaFault.OTHER_REGISTRATION_CODE

    def test_refuses_a_certificate_of_another_ca(self, resource: CaResource) -> None:
        other = CaSpec()
        verification = make_verification_certificate(other.build(), other.key, REGISTRATION_CODE)

        assert fault_of(resource, CaSpec().build(), verification) is CaFault.NOT_SIGNED_BY_CA

    def test_refuses_an_expired_certificate(self, resource: CaResource) -> None:
        spec = CaSpec(starts_in_days=-20)
        expired = Certificate(replace(spec, ends_in_days=-10, name=REGISTRATION_CODE).build().x509)
        ca = replace(spec, name=REGISTRATION_CODE).build()

        assert fault_of(resource, ca, expired.pem) is CaFault.EXPIRED

    def test_refuses_more_than_a_certificate(self, resource: CaResource) -> None:
        spec = CaSpec()
        ca = spec.build()
        verification = make_verification_certificate(ca, spec.key, REGISTRATION_CODE)

        several, with_key = verification + ca.pem, verification + pem_of(spec.key)

        assert fault_of(resource, ca, several) is CaFault.SEVERAL_CERTIFICATES
        assert fault_of(resource, ca, with_key) is CaFault.NOT_ONLY_A_CERTIFICATE
