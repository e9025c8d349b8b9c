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
    """Its settings for the functions that check certificates (`JITR_CAS`)."""

    @property
    def upload(self) -> CrlBucket | None:
        """Where its CRLs are uploaded, None where they are fetched from a URL."""
        return self.source if isinstance(self.source, CrlBucket) else None

    def publisher_settings(self, own_bucket: str) -> dict[str, Any]:
        """Its settings for the publisher (`JITR_CRL_SOURCES`)."""
        settings: dict[str, Any] = (
            {"url": self.source.url}
            if isinstance(self.source, CrlUrl)
            else {
                "bucket": self.source.bucket_name or own_bucket,
                "prefix": self.source.prefix_for(self.name),
            }
        )
        if self.source.max_age is not None:
            settings["max_age_hours"] = as_timedelta(self.source.max_age) // timedelta(hours=1)
        return settings

    def location(self, own_bucket: str) -> str:
        """A URL, or an S3 URI."""
        settings = self.publisher_settings(own_bucket)
        return (
            str(settings["url"]) if "url" in settings else f"s3://{settings['bucket']}/{settings['prefix']}"
        )
