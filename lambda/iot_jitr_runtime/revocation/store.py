"""The store of the indexes: one object for each CA in a versioned, encrypted S3 bucket.

An index is written in one atomic put, and only if the index from which it was built is still in force. Its
SHA-256 is part of the object's metadata, so that a reader can check that the download is complete.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from iot_jitr_runtime.aws_errors import error_code
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation import PREFIX
from iot_jitr_runtime.revocation.index import DamagedIndexError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SUFFIX = ".sqlite"
_ISSUER_SUFFIX = ".pem"
_CHUNK = 1 << 20
_DIGEST = "sha256"
_VERSION = "index-version"
_USABLE_UNTIL = "usable-until"
_MISSING = {"NoSuchKey", "NoSuchVersion", "404"}
_NOT_MODIFIED = {"304", "NotModified"}
_REPLACED = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


class IndexMissingError(JitrError):
    """There is no index (of this version) of the CA, or no CA certificate beside the index."""


class IndexReplacedError(JitrError):
    """Another run has published a newer index meanwhile; the run must start again from that one."""


@dataclass(frozen=True, slots=True)
class Published:
    """One index in the bucket."""

    version: str
    """Its own version, see `Index.version`."""
    version_id: str
    """S3's version id, under which it stays available after it has been replaced."""
    etag: str
    published_at: datetime
    """The time at which S3 stored it: from this time each read returns it."""
    usable_until: datetime | None
    """When the first of its CRLs becomes stale; None where the object's metadata cannot be read."""


@dataclass(frozen=True)
class IndexStore:
    """Reads and writes indexes; botocore's errors propagate."""

    s3: "S3Client"
    bucket: str

    def current(self, ca: CaCertificateId) -> Published:
        """Return the data about the index in force, without downloading it.

        Raises:
            IndexMissingError: There is none.
        """
        with _missing(f"no revocation index of CA {ca} has been published"):
            return _published(self.s3.head_object(Bucket=self.bucket, Key=key(ca)))

    def download(self, ca: CaCertificateId, path: Path, *, version_id: str | None = None) -> Published:
        """Download an index into a file, which is written only if the download is complete.

        Args:
            ca: Whose index.
            path: The file.
            version_id: S3's id of a former version; None: the index in force.

        Raises:
            IndexMissingError: There is none.
            DamagedIndexError: What arrived is not what was published.
        """
        return self._get(ca, path, {} if version_id is None else {"VersionId": version_id})

    def download_newer(self, ca: CaCertificateId, path: Path, etag: str) -> Published | None:
        """Download the index in force unless it has this ETag; return None if it has.

        Raises:
            IndexMissingError: There is no index any more.
            DamagedIndexError: What arrived is not what was published.
        """
        try:
            return self._get(ca, path, {"IfNoneMatch": etag})
        except ClientError as error:
            if error_code(error) in _NOT_MODIFIED:
                return None
            raise

    def _get(self, ca: CaCertificateId, path: Path, condition: dict[str, Any]) -> Published:
        with _missing(f"no revocation index of CA {ca} has been published"):
            response = self.s3.get_object(Bucket=self.bucket, Key=key(ca), **condition)
        _save(response, path)
        return _published(response)

    def publish(
        self,
        ca: CaCertificateId,
        path: Path,
        version: str,
        *,
        instead_of: Published | None,
        usable_until: datetime,
    ) -> None:
        """Publish an index: it is then in force.

        Args:
            ca: Whose index.
            path: The finished index.
            version: Its version.
            instead_of: The index from which it was built; None if there was none.
            usable_until: When the first of its CRLs becomes stale.

        Raises:
            IndexReplacedError: Another index is in force now.
        """
        condition: dict[str, Any] = (
            {"IfNoneMatch": "*"} if instead_of is None else {"IfMatch": instead_of.etag}
        )
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            try:
                self.s3.put_object(
                    Bucket=self.bucket,
                    Key=key(ca),
                    Body=file,
                    ContentType="application/vnd.sqlite3",
                    Metadata={
                        _DIGEST: digest,
                        _VERSION: version,
                        _USABLE_UNTIL: usable_until.isoformat(),
                    },
                    **condition,
                )
            except ClientError as error:
                if error_code(error) in _REPLACED | _MISSING:
                    raise IndexReplacedError(f"the index of CA {ca} was published by another run") from error
                raise

    def store_issuer(self, ca: CaCertificateId, certificate: Certificate) -> None:
        """Store a CA's certificate beside its index, for readers that make no AWS IoT call.

        A registered CA certificate never changes, so it is written once.
        """
        try:
            self.s3.put_object(
                Bucket=self.bucket,
                Key=issuer_key(ca),
                Body=certificate.pem.encode(),
                ContentType="application/x-pem-file",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error_code(error) not in _REPLACED:
                raise

    def issuer(self, ca: CaCertificateId) -> Certificate:
        """Return the certificate of a CA that `store_issuer` stored.

        Raises:
            IndexMissingError: It was not stored yet.
            MalformedCertificateError: The stored object is not a certificate.
        """
        with _missing(f"the publisher has not stored the certificate of CA {ca} yet"):
            response = self.s3.get_object(Bucket=self.bucket, Key=issuer_key(ca))
        return Certificate.load(response["Body"].read())


def issuer_key(ca: CaCertificateId) -> str:
    """Return the key of a CA's certificate."""
    return f"{PREFIX}{ca}{_ISSUER_SUFFIX}"


def key(ca: CaCertificateId) -> str:
    """Return the key of a CA's index."""
    return f"{PREFIX}{ca}{_SUFFIX}"


@contextmanager
def _missing(message: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) in _MISSING:
            raise IndexMissingError(message) from error
        raise


def _save(response: Any, path: Path) -> None:
    digest = hashlib.sha256()
    draft = path.with_name(f"{path.name}.part")
    try:
        with draft.open("wb") as file:
            for chunk in response["Body"].iter_chunks(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
        if digest.hexdigest() != response["Metadata"].get(_DIGEST):
            raise DamagedIndexError("the revocation index is not what was published: its SHA-256 differs")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _published(response: Any) -> Published:
    metadata = response["Metadata"]
    return Published(
        version=metadata.get(_VERSION, ""),
        version_id=response.get("VersionId", "null"),
        etag=response["ETag"],
        published_at=response["LastModified"],
        usable_until=_moment(metadata.get(_USABLE_UNTIL, "")),
    )


def _moment(text: str) -> datetime | None:
    """Read metadata, which may be damaged although the index is not."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None
