"""AWS's quotas, applied to this account and region, for the calls of an activation."""

import re
from dataclasses import dataclass
from typing import Any

from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.doctor.reading import UndeterminedError, aws_call

CALLS = ("DescribeCertificate", "AttachPolicy", "UpdateCertificate")
"""The AWS IoT calls that an activation makes once each."""


@dataclass(frozen=True)
class ApiQuota:
    """The applied quota of one call."""

    call: str
    per_second: float


def quotas(pipeline: Pipeline) -> tuple[ApiQuota, ...]:
    """Read the quotas from Service Quotas, by their names (`AttachPolicy API TPS`).

    The codes are not used, because AWS's pages have different codes
    (https://docs.aws.amazon.com/general/latest/gr/iot-core.html#throttling-limits).

    Raises:
        UndeterminedError: Service Quotas cannot be read, as in a local cloud, or has no quota of such a name.
    """
    client: Any = pipeline.session.client("service-quotas")
    found: dict[str, set[float]] = {}
    try:
        with aws_call("servicequotas:ListServiceQuotas"):
            for page in client.get_paginator("list_service_quotas").paginate(ServiceCode="iotcore"):
                for quota in page["Quotas"]:
                    words = re.findall(r"\w+", quota["QuotaName"])
                    if words[1:] == ["API", "TPS"] and words[0] in CALLS:
                        found.setdefault(words[0], set()).add(quota["Value"])
    except UndeterminedError as error:
        if error.permission:
            raise
        raise UndeterminedError(
            f"Service Quotas does not respond (a local cloud has none): {error}"
        ) from error
    missing = [call for call in CALLS if call not in found]
    if missing:
        raise UndeterminedError(
            f"Service Quotas has no quota of AWS IoT with the name '{missing[0]} API TPS' here "
            "(a local cloud has none)"
        )
    return tuple(ApiQuota(call, min(found[call])) for call in CALLS)
