"""A CRL at a URL that the operator configured."""

from collections.abc import Collection
from dataclasses import dataclass, field

from iot_jitr_runtime.crl_publisher.http_fetch import Limits, get
from iot_jitr_runtime.crl_publisher.sources import CrlObject
from iot_jitr_runtime.revocation.records import Origin


@dataclass(frozen=True)
class HttpSource:
    """One URL, `https://` or `http://`: a CRL is signed, so it needs no secure transport to be believed."""

    url: str
    limits: Limits = field(default_factory=Limits)

    def objects(self, in_force: Collection[Origin]) -> list[CrlObject]:
        """Fetch the CRL, unless it has not changed.

        Raises:
            FetchError: It could not be fetched.
        """
        last = next((each for each in in_force if each.location == self.url), Origin(self.url))
        answer = get(self.url, self.limits, etag=last.etag, last_modified=last.last_modified)
        body = answer.body
        if body is None:
            return [CrlObject(last, read=None)]
        return [CrlObject(Origin(self.url, answer.etag, answer.last_modified), read=lambda: body)]
