"""A CA that has a CRL, and where that comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from iot_jitr.allowed import as_timedelta
from iot_jitr.configuration import CrlBucket, CrlUrl


@dataclass(frozen=True)
class RevokingCa:
    """A CA that has a CRL."""

    name: str
    certificate_id: str
    certificate_arn: str
    source: CrlUrl | CrlBucket
    settings: Mapping[str, object]
    """What the functions that check certificates are told about it (`JITR_CAS`)."""

    @property
    def upload(self) -> CrlBucket | None:
        """Where its CRLs are uploaded, None where they are fetched from a URL."""
        return self.source if isinstance(self.source, CrlBucket) else None

    def told(self, own_bucket: str) -> dict[str, Any]:
        """What the publisher is told about it (`JITR_CRL_SOURCES`)."""
        told: dict[str, Any] = (
            {"url": self.source.url}
            if isinstance(self.source, CrlUrl)
            else {
                "bucket": self.source.bucket_name or own_bucket,
                "prefix": self.source.prefix_for(self.name),
            }
        )
        if self.source.max_age is not None:
            told["max_age_hours"] = as_timedelta(self.source.max_age) // timedelta(hours=1)
        return told

    def location(self, own_bucket: str) -> str:
        """A URL, or an S3 URI."""
        told = self.told(own_bucket)
        return str(told["url"]) if "url" in told else f"s3://{told['bucket']}/{told['prefix']}"
