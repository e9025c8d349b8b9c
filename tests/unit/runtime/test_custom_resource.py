"""The function reads the properties that the stack writes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.account_logging.properties import LoggingProperties
from iot_jitr_runtime.account_logging.properties import Mode as LoggingMode
from iot_jitr_runtime.ca_registration.properties import (
    AutoRegistration,
    CaProperties,
    CaStatus,
    Mode,
    OnDelete,
    OnExisting,
)
from iot_jitr_runtime.ca_registration.signers import (
    KmsSigner,
    NoSigner,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
)
from iot_jitr_runtime.custom_resource import MalformedPropertiesError, Properties
from tests.support.ca_resource import on_the_wire

TEXT = st.text(min_size=1)
OF_A_CA = st.builds(
    CaProperties,
    ca_certificate_pem=st.none() | TEXT,
    signer=st.one_of(
        st.builds(SecretSigner, TEXT, st.none() | TEXT),
        st.builds(KmsSigner, TEXT),
        st.builds(PrivateCaSigner, TEXT),
        st.builds(PresignedSigner, TEXT),
        st.just(NoSigner()),
    ),
    mode=st.sampled_from(Mode),
    desired_status=st.sampled_from(CaStatus),
    auto_registration=st.sampled_from(AutoRegistration),
    on_existing=st.sampled_from(OnExisting),
    on_delete=st.sampled_from(OnDelete),
    ca_tags=st.dictionaries(TEXT, st.text()),
)
OF_THE_LOG = st.builds(
    LoggingProperties, st.sampled_from(LoggingMode), st.text(), st.integers(1), st.none() | TEXT
)
CA = CaProperties("PEM", SecretSigner("s")).to_cloudformation()
LOG = LoggingProperties(LoggingMode.MANAGE).to_cloudformation()


@given(OF_A_CA | OF_THE_LOG)
def test_the_function_can_read_the_properties_of_the_stack(properties: Properties) -> None:
    sent = on_the_wire(properties.to_cloudformation())

    assert type(properties).from_cloudformation(sent) == properties


def test_the_properties_of_cloudformation_itself_are_ignored() -> None:
    sent = {**CA, "ServiceToken": "arn:aws:lambda:…", "ServiceTimeout": "60"}

    assert CaProperties.from_cloudformation(sent) == CaProperties("PEM", SecretSigner("s"))


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (CaProperties, "Mode", "BOTH"),
        (CaProperties, "OnDelete", "keep"),
        (CaProperties, "OnExisting", None),
        (CaProperties, "Signer", {"Kind": "hsm"}),
        (CaProperties, "Signer", {"Kind": "secret"}),
        (CaProperties, "Signer", {"Kind": "kms", "key_arn": "k", "secret_id": "s"}),
        (CaProperties, "Signer", None),
        (LoggingProperties, "Mode", "perhaps"),
        (LoggingProperties, "RetentionDays", "long"),
    ],
)
def test_a_property_of_another_version_is_refused(kind: type[Properties], name: str, value: Any) -> None:
    with pytest.raises(MalformedPropertiesError, match=name):
        kind.from_cloudformation({**(CA if kind is CaProperties else LOG), name: value})


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        *((CaProperties, name) for name in CA if name not in {"CaTags", "CaCertificatePem"}),
        *((LoggingProperties, name) for name in LOG),
    ],
)
def test_a_missing_property_is_refused_by_name(kind: type[Properties], missing: str) -> None:
    sent = {name: value for name, value in (CA if kind is CaProperties else LOG).items() if name != missing}

    with pytest.raises(MalformedPropertiesError, match=missing):
        kind.from_cloudformation(sent)
