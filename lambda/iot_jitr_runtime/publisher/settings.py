"""The publisher's settings, read from the environment that the stack set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime import environment
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.publisher.http import HttpSource
from iot_jitr_runtime.publisher.s3 import S3Source

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

Source = HttpSource | S3Source
"""The source of one CA's CRLs: the operator configures it; it is never read from a device's certificate."""

FETCHING_SECONDS = 240
"""The total time for all CAs that have a URL, out of the function's five minutes: a server that does not
respond must not use the time of the next CAs."""


@dataclass(frozen=True)
class CaSettings:
    """The source of one CA's CRLs, and the maximum age of a CRL."""

    source: Source
    max_age: timedelta | None = None
    """Maximum age of a CRL, independent of its nextUpdate."""


def read_settings(variables: Mapping[str, str], s3: "S3Client") -> dict[CaCertificateId, CaSettings]:
    """Read the settings of each CA that has a CRL.

    Args:
        variables: The environment.
        s3: The client for sources in S3.

    Raises:
        KeyError: A variable is missing: stack and function are not of the same version.
    """
    configured: dict[CaCertificateId, dict[str, Any]] = json.loads(variables[environment.CRL_SOURCES])
    share = FETCHING_SECONDS / max(1, sum("url" in each for each in configured.values()))
    seconds = min(HttpSource.total_seconds, share)
    return {ca: _ca_settings(each, s3, seconds) for ca, each in configured.items()}


def _ca_settings(configured: Mapping[str, Any], s3: "S3Client", fetching_seconds: float) -> CaSettings:
    source = (
        HttpSource(configured["url"], total_seconds=fetching_seconds)
        if "url" in configured
        else S3Source(s3, configured["bucket"], configured["prefix"])
    )
    hours = configured.get("max_age_hours")
    return CaSettings(source, timedelta(hours=hours) if hours is not None else None)
