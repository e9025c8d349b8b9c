"""A CA that publishes its CRLs through the bucket of a deployed pipeline."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509

from iot_jitr_cli.pki.device import DeviceIdentity
from iot_jitr_cli.pki.revocation_list import RevocationList
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.publisher.publish import publish
from iot_jitr_runtime.publisher.s3 import S3Source
from iot_jitr_runtime.publisher.settings import CaSettings
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import TIME_LIMIT, Cloud

REFRESH = timedelta(seconds=1)
"""The refresh interval of the deployments under test: the shortest that can be configured."""
KEY_COMPROMISE = x509.ReasonFlags.key_compromise
DAY = timedelta(days=1)


@dataclass
class CrlUpload:
    """The CRL of the CA, and its location in S3."""

    cloud: Cloud
    revocations: RevocationList = field(init=False)

    def __post_init__(self) -> None:
        self.revocations = RevocationList(self.cloud.ca)

    def revoke(self, *identities: DeviceIdentity, reason: x509.ReasonFlags = KEY_COMPROMISE) -> None:
        for identity in identities:
            self.revocations.revoke(identity.certificate.x509.serial_number, reason)

    def publish(self, life: timedelta = DAY, partition: str | None = None) -> None:
        """Upload the CRL as the CA does, and wait until every new decision uses it."""
        before = self.index_version()
        self.upload(self.revocations.sign(life, partition))
        self.wait_until_in_force(instead_of=before)

    def publish_stale(self) -> None:
        """Publish an index that was made yesterday from a CRL that was valid for an hour."""
        yesterday = (datetime.now(UTC) - DAY).replace(microsecond=0)
        before = self.index_version()
        self.upload(self.revocations.sign(timedelta(hours=1), at=yesterday))
        s3 = self.cloud.client("s3")
        store = IndexStore(s3, self.cloud.outputs[Output.REVOCATION_BUCKET])
        report = publish(
            store,
            CaCertificateId(self.cloud.outputs["LabCaCertificateId"]),
            self.cloud.ca.certificate,
            CaSettings(S3Source(s3, *self._location)),
            yesterday,
        )
        assert report.changed, report
        self.wait_until_in_force(instead_of=before)

    def upload(self, content: bytes) -> None:
        """Upload an object to the location of the CRL."""
        bucket, prefix = self._location
        self.cloud.client("s3").put_object(Bucket=bucket, Key=f"{prefix}ca.crl", Body=content)

    def wait_until_in_force(self, instead_of: str) -> None:
        """Wait for a new index, and then until no activator can use the former one any more.

        The activator never decides by an index that was replaced more than its refresh interval before.
        """
        assert wait_until(lambda: self.index_version() != instead_of, limit=TIME_LIMIT, interval=0.05)
        replaced = datetime.now(UTC)
        assert wait_until(lambda: datetime.now(UTC) > replaced + REFRESH, limit=TIME_LIMIT, interval=0.05)

    @property
    def _location(self) -> tuple[str, str]:
        """Bucket and prefix of the CRL."""
        bucket, _, prefix = self.cloud.outputs["LabCrlLocation"].removeprefix("s3://").partition("/")
        return bucket, prefix

    def index_version(self) -> str:
        """The ETags of the indexes; they change with each publication."""
        objects = self.cloud.client("s3").list_objects_v2(
            Bucket=self.cloud.outputs[Output.REVOCATION_BUCKET], Prefix="index/"
        )
        return "".join(
            each["ETag"] for each in objects.get("Contents", []) if each["Key"].endswith(".sqlite")
        )
