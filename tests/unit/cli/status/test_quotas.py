"""AWS's quotas: found by their names."""

from typing import Any

import pytest

from iot_jitr_cli.doctor.reading import UndeterminedError
from iot_jitr_cli.status.quotas import ApiQuota, quotas
from tests.support.doctor_account import DiagnosedDevice
from tests.support.sdk_session import DENIED, Refusal

NAMED = {
    "AttachPolicy API TPS": 10.0,
    "DescribeCertificate API TPS": 11.0,
    "DescribeCertificateProvider API TPS": 12.0,
    "UpdateCertificate API TPS": 100.0,
    "Connect requests per second per account": 500.0,
}


def test_quotas_are_found_by_name_on_any_page_and_the_lower_of_two_counts() -> None:
    def pages(parameters: Any) -> Any:
        if "NextToken" not in parameters:
            return {"Quotas": [{"QuotaName": "AttachPolicy API TPS", "Value": 20.0}], "NextToken": "more"}
        return DiagnosedDevice(quotas=NAMED)._servicequotas_listservicequotas(parameters)

    assert quotas(DiagnosedDevice().responding(servicequotas_ListServiceQuotas=pages).pipeline) == (
        ApiQuota("DescribeCertificate", 11),
        ApiQuota("AttachPolicy", 10),
        ApiQuota("UpdateCertificate", 100),
    )


@pytest.mark.parametrize(
    ("response", "message", "permission"),
    [
        (
            {"Quotas": [{"QuotaName": "AttachPolicy API TPS", "Value": 10.0}]},
            "'DescribeCertificate API TPS'",
            None,
        ),
        (Refusal("UnknownOperationException"), "a local cloud has none", None),
        (DENIED, "servicequotas:ListServiceQuotas is missing", "servicequotas:ListServiceQuotas"),
    ],
)
def test_quotas_that_cannot_be_read_are_reported(response: Any, message: str, permission: str | None) -> None:
    account = DiagnosedDevice().responding(servicequotas_ListServiceQuotas=response)

    with pytest.raises(UndeterminedError, match=message) as raised:
        quotas(account.pipeline)

    assert raised.value.permission == permission
