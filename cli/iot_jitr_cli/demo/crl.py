"""The CA's revocation list on stage: uploaded as a CA would, compiled by the publisher that is deployed."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab.process import wait_until
from iot_jitr_cli.pki.revocation_list import CRL_FILE, RevocationList
from iot_jitr_runtime.revocation.store import IndexMissingError

if TYPE_CHECKING:
    from cryptography import x509
    from mypy_boto3_s3 import S3Client

    from iot_jitr_cli.pki.device import DeviceIdentity
    from iot_jitr_runtime.identifiers import CaCertificateId
    from iot_jitr_runtime.revocation.store import IndexStore

_LIMIT = 120.0
"""Seconds an upload has to become an index; one or two are needed."""
_LOOK_EVERY = 0.1


class IndexNotPublishedError(CliError):
    """The publisher made no index of an uploaded CRL."""


@dataclass
class CaCrl:
    """What the CA has revoked, where it uploads that, and what becomes of it."""

    revocations: RevocationList
    s3: "S3Client"
    location: str
    """S3 URI of the prefix below which the CRLs of this CA lie."""
    store: "IndexStore"
    ca_certificate_id: "CaCertificateId"
    _replaced: str | None = field(default=None, init=False)
    """Version of the index that was in force at the last upload."""

    def revoke(self, identity: "DeviceIdentity", reason: "x509.ReasonFlags") -> None:
        """Enter a device's certificate."""
        self.revocations.revoke(identity.certificate.x509.serial_number, reason)

    def upload(self) -> None:
        """Sign the list and upload it."""
        self._replaced = self._version()
        bucket, _, prefix = self.location.removeprefix("s3://").partition("/")
        self.s3.put_object(Bucket=bucket, Key=f"{prefix}{CRL_FILE}", Body=self.revocations.sign())

    def wait_until_in_force(self) -> None:
        """Wait until what was uploaded last is in the index that the activator asks.

        Raises:
            IndexNotPublishedError: That took far too long.
        """
        if not wait_until(lambda: self._version() != self._replaced, limit=_LIMIT, interval=_LOOK_EVERY):
            raise IndexNotPublishedError(
                f"no index was made of the CRL at {self.location} within {_LIMIT:.0f} s: "
                "ministack.log in the demonstration's folder has what the publisher says"
            )

    def _version(self) -> str | None:
        try:
            return self.store.current(self.ca_certificate_id).version
        except IndexMissingError:
            return None
