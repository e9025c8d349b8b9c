"""What the stack writes, the function reads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_runtime.ca_registration.properties import (
    AutoRegistration,
    CaProperties,
    CaStatus,
    Mode,
    OnDelete,
    OnExisting,
)
from iot_jitr_runtime.ca_registration.signers import (
    KINDS,
    KmsSigner,
    NoSigner,
    PresignedSigner,
    PrivateCaSigner,
    SecretSigner,
    signer_from,
    signer_properties,
)
from iot_jitr_runtime.custom_resource import MalformedPropertiesError
from tests.support.ca_resource import on_the_wire

TEXT = st.text(min_size=1)
SIGNERS = st.one_of(
    st.builds(SecretSigner, TEXT, st.none() | TEXT),
    st.builds(KmsSigner, TEXT),
    st.builds(PrivateCaSigner, TEXT),
    st.builds(PresignedSigner, TEXT),
    st.just(NoSigner()),
)
PROPERTIES = st.builds(
    CaProperties,
    certificate_pem=st.none() | TEXT,
    signer=SIGNERS,
    mode=st.sampled_from(Mode),
    status=st.sampled_from(CaStatus),
    auto_registration=st.sampled_from(AutoRegistration),
    on_existing=st.sampled_from(OnExisting),
    on_delete=st.sampled_from(OnDelete),
    tags=st.dictionaries(TEXT, st.text()),
)
MINIMAL = CaProperties("PEM", SecretSigner("s")).to_cloudformation()


@given(PROPERTIES)
def test_the_function_reads_what_the_stack_wrote(properties: CaProperties) -> None:
    assert CaProperties.from_cloudformation(on_the_wire(properties.to_cloudformation())) == properties


@given(SIGNERS)
def test_every_signer_can_be_read_from_the_template(signer: Any) -> None:
    assert signer_from(on_the_wire(signer_properties(signer))) == signer


def test_the_properties_of_cloudformation_itself_are_no_harm() -> None:
    read = CaProperties.from_cloudformation(
        {**MINIMAL, "ServiceToken": "arn:aws:lambda:…", "ServiceTimeout": "60"}
    )

    assert read.certificate_pem == "PEM"


@pytest.mark.parametrize(
    "change",
    [
        {"Mode": "BOTH"},
        {"OnDelete": "keep"},
        {"OnExisting": None},
        {"Signer": {"Kind": "hsm"}},
        {"Signer": {"Kind": "secret"}},
        {"Signer": {"Kind": "kms", "key_arn": "k", "secret_id": "s"}},
        {"Signer": None},
    ],
)
def test_properties_of_another_version_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedPropertiesError, match="of the same version"):
        CaProperties.from_cloudformation({**MINIMAL, **change})


@pytest.mark.parametrize("missing", sorted(set(MINIMAL) - {"CaTags", "CaCertificatePem"}))
def test_missing_properties_are_refused_by_name(missing: str) -> None:
    with pytest.raises(MalformedPropertiesError, match=missing):
        CaProperties.from_cloudformation({key: value for key, value in MINIMAL.items() if key != missing})


def test_the_names_of_the_signers_are_those_of_the_configuration() -> None:
    assert list(KINDS) == ["secret", "kms", "acm-pca", "presigned", "none"]
