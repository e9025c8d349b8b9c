"""AWS's quotas: found by their names."""

from typing import Any

import pytest

from iot_jitr_cli.doctor.reading import CannotTellError, MissingPermissionError
from iot_jitr_cli.status.quotas import ApiQuota, quotas
from tests.support.doctor_cloud import Cloud

NAMES = (
    "AttachPolicy API TPS",
    "DescribeCertificate API TPS",
    "DescribeCertificateProvider API TPS",
    "UpdateCertificate API TPS",
    "Connect requests per second per account",
)


def page(*quotas: tuple[str, float], **more: Any) -> dict[str, Any]:
    return {"Quotas": [{"QuotaName": name, "Value": value} for name, value in quotas], **more}


def test_quotas_are_found_by_name_on_any_page(cloud: Cloud) -> None:
    cloud.answers(
        "service-quotas",
        "list_service_quotas",
        page(*((name, 10 + number) for number, name in enumerate(NAMES[:3])), NextToken="more"),
        {"ServiceCode": "iotcore"},
    )
    cloud.answers("service-quotas", "list_service_quotas", page((NAMES[3], 100), (NAMES[4], 500)))

    assert quotas(cloud) == (  # type: ignore[arg-type]
        ApiQuota("DescribeCertificate", 11),
        ApiQuota("AttachPolicy", 10),
        ApiQuota("UpdateCertificate", 100),
    )


def test_of_two_quotas_with_the_same_name_the_lower_one_counts(cloud: Cloud) -> None:
    twice = [(name, value) for name in NAMES for value in (10.0, 20.0)]
    cloud.answers("service-quotas", "list_service_quotas", page(*twice))

    assert {each.per_second for each in quotas(cloud)} == {10.0}  # type: ignore[arg-type]


def test_a_name_that_is_not_there_is_reported(cloud: Cloud) -> None:
    cloud.answers("service-quotas", "list_service_quotas", page((NAMES[0], 10), (NAMES[1], 10)))

    with pytest.raises(CannotTellError, match="'UpdateCertificate API TPS'"):
        quotas(cloud)  # type: ignore[arg-type]


def test_a_cloud_without_service_quotas_is_reported_in_words(cloud: Cloud) -> None:
    cloud.refuses("service-quotas", "list_service_quotas", "UnknownOperationException")

    with pytest.raises(CannotTellError, match="a local cloud has none") as raised:
        quotas(cloud)  # type: ignore[arg-type]

    assert raised.value.permission is None


def test_a_missing_permission_is_named(cloud: Cloud) -> None:
    cloud.refuses("service-quotas", "list_service_quotas", "AccessDeniedException")

    with pytest.raises(MissingPermissionError) as raised:
        quotas(cloud)  # type: ignore[arg-type]

    assert raised.value.permission == "servicequotas:ListServiceQuotas"
