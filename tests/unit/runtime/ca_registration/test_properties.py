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
from iot_jitr_runtime.ca_registration.sources import (
    KINDS,
    KmsSource,
    NoSource,
    PresignedSource,
    PrivateCaSource,
    SecretSource,
    source_from,
    source_properties,
)
from iot_jitr_runtime.custom_resource import MalformedPropertiesError
from tests.support.ca_resource import on_the_wire

TEXT = st.text(min_size=1)
SOURCES = st.one_of(
    st.builds(SecretSource, TEXT, st.none() | TEXT),
    st.builds(KmsSource, TEXT),
    st.builds(PrivateCaSource, TEXT),
    st.builds(PresignedSource, TEXT),
    st.just(NoSource()),
)
PROPERTIES = st.builds(
    CaProperties,
    certificate_pem=st.none() | TEXT,
    source=SOURCES,
    mode=st.sampled_from(Mode),
    status=st.sampled_from(CaStatus),
    auto_registration=st.sampled_from(AutoRegistration),
    on_existing=st.sampled_from(OnExisting),
    on_delete=st.sampled_from(OnDelete),
    tags=st.dictionaries(TEXT, st.text()),
)
MINIMAL = CaProperties("PEM", SecretSource("s")).to_cloudformation()


@given(PROPERTIES)
def test_the_function_reads_what_the_stack_wrote(properties: CaProperties) -> None:
    assert CaProperties.from_cloudformation(on_the_wire(properties.to_cloudformation())) == properties


@given(SOURCES)
def test_every_source_survives_the_template(source: Any) -> None:
    assert source_from(on_the_wire(source_properties(source))) == source


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
        {"Source": {"Kind": "hsm"}},
        {"Source": {"Kind": "secret"}},
        {"Source": {"Kind": "kms", "key_arn": "k", "secret_id": "s"}},
        {"Source": None},
    ],
)
def test_properties_of_another_version_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(MalformedPropertiesError, match="of the same version"):
        CaProperties.from_cloudformation({**MINIMAL, **change})


@pytest.mark.parametrize("missing", sorted(set(MINIMAL) - {"CaTags", "CaCertificatePem"}))
def test_missing_properties_are_refused_by_name(missing: str) -> None:
    with pytest.raises(MalformedPropertiesError, match=missing):
        CaProperties.from_cloudformation({key: value for key, value in MINIMAL.items() if key != missing})


def test_the_names_of_the_sources_are_those_of_the_configuration() -> None:
    assert list(KINDS) == ["secret", "kms", "acm-pca", "presigned", "none"]
