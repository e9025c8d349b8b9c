"""A certificate list with pages and markers, which moto does not have."""

from dataclasses import dataclass, field
from typing import Any

from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.reconciler.listing import CertificatePage, CertificateSummary, UnknownMarkerError
from tests.support.account import Account


@dataclass
class FakeList:
    """Implements `CertificateList` over certificates that a test has added.

    Markers are positions. A page takes a second.
    """

    aws: Account
    certificates: list[CertificateSummary] = field(default_factory=list)
    page_size: int = 2
    calls: list[tuple[str | None, bool]] = field(default_factory=list)
    refuse_markers: bool = False
    fail_at_call: int | None = None

    def page(self, ca: CaCertificateId, marker: str | None, *, oldest_first: bool) -> CertificatePage:
        del ca
        self.aws.clock.pass_time(seconds=1)
        self.calls.append((marker, oldest_first))
        if len(self.calls) == self.fail_at_call:
            raise self.error("InternalFailureException")
        if marker and self.refuse_markers:
            self.refuse_markers = False
            raise UnknownMarkerError(marker)
        ordered = sorted(self.certificates, key=lambda c: c.created_at, reverse=not oldest_first)
        start = int(marker or 0)
        end = start + self.page_size
        return CertificatePage(tuple(ordered[start:end]), str(end) if end < len(ordered) else None)

    def error(self, code: str) -> Any:
        kind = self.aws.iot.exceptions.from_code(code)
        return kind({"Error": {"Code": code, "Message": "injected"}}, "ListCertificatesByCA")
