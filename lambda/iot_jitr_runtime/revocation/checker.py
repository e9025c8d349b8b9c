"""The activation's check whether a certificate is on its CA's CRL, with a local copy of the index.

If S3 confirmed the copy longer than `refresh` ago, a newer one is requested; if that request fails, nothing
is decided. So a decision never uses an index that was replaced more than `refresh` before it. The sweep
relies on that (`iot_jitr_runtime.sweep`).
"""

from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.revocation import REFRESH
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index, RevocationStatus, StatusResult
from iot_jitr_runtime.revocation.model import RevocationReason
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore


@dataclass(frozen=True)
class _Copy:
    index: Index
    etag: str
    confirmed_at: datetime
    """The send time of the request with which S3 confirmed that the index is in force."""


@dataclass
class IndexedRevocation:
    """Checks the certificates of CAs that have a CRL.

    Kept at module scope, so that the copies last for the life of the execution environment.
    """

    store: IndexStore
    without_crl: Collection[CaCertificateId] = ()
    """CAs that the configuration declares to have no CRL."""
    refresh: timedelta = REFRESH
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _copies: dict[CaCertificateId, _Copy] = field(default_factory=dict)
    _folder: TemporaryDirectory[str] = field(
        default_factory=lambda: TemporaryDirectory(prefix="jitr-revocation-", ignore_cleanup_errors=True)
    )

    def prepare(self) -> None:
        """Refresh the copies in use. If a refresh fails, `check` tries it again."""
        for ca in list(self._copies):
            with suppress(*AwsError):
                self.load(ca)

    def load(self, ca_certificate_id: CaCertificateId) -> None:
        """Bring the copy of one CA's index up to date, if there is an index; botocore's errors propagate."""
        with suppress(IndexMissingError, DamagedIndexError):
            self._index(ca_certificate_id)

    def is_fresh(self, ca_certificate_id: CaCertificateId) -> bool:
        """Return whether `check` can decide with the local copy, without a request to S3."""
        copy = self._copies.get(ca_certificate_id)
        return copy is not None and timedelta(0) <= self.clock() - copy.confirmed_at < self.refresh

    def last_known_reason(
        self, ca_certificate_id: CaCertificateId, certificate: Certificate
    ) -> RevocationReason | None:
        """Return why the local copy, however old, lists a certificate; None if it does not."""
        copy = self._copies.get(ca_certificate_id)
        with suppress(DamagedIndexError):
            return copy.index.reason(certificate.x509.serial_number) if copy else None
        return None

    def check(self, ca_certificate_id: CaCertificateId, certificate: Certificate) -> str | None:
        """Return the version of the index that shows that the certificate is good; None if the CA has no CRL.

        Raises:
            RefusedError: `REVOKED`, `ON_HOLD`, or `UNPARSABLE_CERTIFICATE` where its extensions are needed.
            DeferredError: `CRL_MISSING`, `CRL_STALE` or `CRL_PARTITION_MISSING`.
        """
        if ca_certificate_id in self.without_crl:
            return None
        try:
            index = self._index(ca_certificate_id)
            result = index.status(certificate.x509, self.clock())
        except IndexMissingError as error:
            self._forget(ca_certificate_id)
            raise DeferredError(Reason.CRL_MISSING, str(error)) from error
        except DamagedIndexError as error:
            # The next check downloads it again.
            self._forget(ca_certificate_id)
            raise DeferredError(Reason.CRL_MISSING, f"the revocation index is damaged: {error}") from error
        except MalformedCertificateError as error:
            raise RefusedError(Reason.UNPARSABLE_CERTIFICATE, str(error)) from error
        _decide(result)
        return index.version

    def _index(self, ca: CaCertificateId) -> Index:
        now = self.clock()
        copy = self._copies.get(ca)
        if copy and self.is_fresh(ca):
            return copy.index
        path = Path(self._folder.name) / f"{ca}.sqlite"
        if copy is None:
            published = self.store.download(ca, path)
        elif newer := self.store.download_newer(ca, path, copy.etag):
            published = newer
        else:
            self._copies[ca] = replace(copy, confirmed_at=now)
            return copy.index
        if copy:
            # Its file has been replaced.
            copy.index.close()
            del self._copies[ca]
        try:
            index = _opened(path, ca)
        except DamagedIndexError:
            path.unlink()
            raise
        self._copies[ca] = _Copy(index, published.etag, now)
        return index

    def _forget(self, ca: CaCertificateId) -> None:
        if copy := self._copies.pop(ca, None):
            copy.index.close()
            copy.index.path.unlink(missing_ok=True)


def _opened(path: Path, ca: CaCertificateId) -> Index:
    index = Index.open(path)
    if index.ca_certificate_id != ca:
        index.close()
        raise DamagedIndexError(f"the index is of CA {index.ca_certificate_id}, not {ca}")
    return index


def _decide(result: StatusResult) -> None:
    match result.status:
        case RevocationStatus.REVOKED:
            raise RefusedError(Reason.REVOKED, result.detail)
        case RevocationStatus.ON_HOLD:
            raise RefusedError(Reason.ON_HOLD, result.detail)
        case RevocationStatus.STALE:
            raise DeferredError(Reason.CRL_STALE, result.detail)
        case RevocationStatus.NOT_COVERED:
            raise DeferredError(Reason.CRL_PARTITION_MISSING, result.detail)
