"""The key is offline: what its holder signed is looked at before AWS is asked."""

from dataclasses import replace

import pytest

from iot_jitr_runtime.ca_registration.properties import CaProperties, Mode
from iot_jitr_runtime.ca_registration.sources import (
    PresignedSource,
    Source,
)
from iot_jitr_runtime.ca_registration.validation import KeyInCertificateFileError, SeveralCertificatesError
from iot_jitr_runtime.ca_registration.verification import (
    NotSignedByCaError,
    OtherRegistrationCodeError,
    VerificationOutOfDateError,
    make_verification_certificate,
)
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, pem_of
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount
from tests.support.ca_resource import CaResource


def properties(ca: Certificate | None, source: Source, mode: Mode = Mode.DEFAULT) -> CaProperties:
    return CaProperties("fleet/Ca", ca and ca.pem, source, mode)


class TestPresigned:
    def test_registers_the_ca(self, account: CaAccount, resource: CaResource) -> None:
        spec = CaSpec()
        ca = spec.build()
        verification = make_verification_certificate(ca, spec.key, REGISTRATION_CODE)

        ca_id = resource.create(properties(ca, PresignedSource(verification)))

        assert account.registry.state(ca_id) == ("ACTIVE", "ENABLE")

    def test_refuses_a_certificate_for_another_registration_code(self, resource: CaResource) -> None:
        spec = CaSpec()
        ca = spec.build()
        verification = make_verification_certificate(ca, spec.key, "f" * 64)

        with pytest.raises(OtherRegistrationCodeError, match=rf"'{REGISTRATION_CODE}'.*mind account"):
            resource.create(properties(ca, PresignedSource(verification)))

    def test_refuses_a_certificate_of_another_ca(self, resource: CaResource) -> None:
        other = CaSpec()
        verification = make_verification_certificate(other.build(), other.key, REGISTRATION_CODE)

        with pytest.raises(NotSignedByCaError, match="not signed by the CA 'CN=Test CA'"):
            resource.create(properties(CaSpec().build(), PresignedSource(verification)))

    def test_refuses_an_expired_certificate(self, resource: CaResource) -> None:
        spec = CaSpec(starts_in_days=-20)
        expired = Certificate(replace(spec, ends_in_days=-10, name=REGISTRATION_CODE).build().x509)
        ca = replace(spec, name=REGISTRATION_CODE).build()

        with pytest.raises(VerificationOutOfDateError, match="out of date: expired on"):
            resource.create(properties(ca, PresignedSource(expired.pem)))

    def test_refuses_more_than_a_certificate(self, resource: CaResource) -> None:
        spec = CaSpec()
        ca = spec.build()
        verification = make_verification_certificate(ca, spec.key, REGISTRATION_CODE)

        with pytest.raises(SeveralCertificatesError, match="verification certificate"):
            resource.create(properties(ca, PresignedSource(verification + ca.pem)))
        with pytest.raises(KeyInCertificateFileError, match="no key may ever be"):
            resource.create(properties(ca, PresignedSource(verification + pem_of(spec.key))))
