"""A CRL at a URL that the operator configured."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from iot_jitr_runtime.crl_publisher.http_fetch import Limits, get
from iot_jitr_runtime.crl_publisher.sources import Known, Offer
from iot_jitr_runtime.revocation.records import Origin


@dataclass(frozen=True)
class HttpSource:
    """One URL, `https://` or `http://`: a CRL is signed, so it needs no secure transport to be believed."""

    url: str
    limits: Limits = field(default_factory=Limits)

    def offers(self, known: Known) -> Iterator[Offer]:
        """Fetch the CRL, unless it has not changed.

        Raises:
            FetchError: It could not be fetched.
        """
        last = known.at(self.url) or Origin(self.url)
        answer = get(self.url, self.limits, etag=last.etag, last_modified=last.last_modified)
        body = answer.body
        if body is None:
            yield Offer(last, read=None)
        else:
            yield Offer(Origin(self.url, answer.etag, answer.last_modified), read=lambda: body)
