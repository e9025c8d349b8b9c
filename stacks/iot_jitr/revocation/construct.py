"""`Revocation`: all that a pipeline needs whose CAs have CRLs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from constructs import Construct

from iot_jitr.allowed import as_timedelta
from iot_jitr.configuration import ConnectGuard, RevocationSettings
from iot_jitr.revocation.bucket import RevocationBucket
from iot_jitr.revocation.connect_guard import ConnectGuardEndpoint
from iot_jitr.revocation.publisher import CrlPublisher
from iot_jitr.revocation.sources import RevokingCa
from iot_jitr.revocation.sweep import SweepFunction
from iot_jitr_runtime import environment

if TYPE_CHECKING:
    from iot_jitr.capacity import Capacity
    from iot_jitr.devices import DeviceResources
    from iot_jitr.functions import FunctionSettings, JitrFunction
    from iot_jitr.ledger import Ledger


class Revocation(Construct):
    """The bucket, the publisher and the sweep.

    Attributes:
        bucket: Where CRLs are uploaded and indexes are kept.
        publisher: Compiles CRLs into indexes.
        sweep: Revokes or suspends what is revoked after its activation.
        connect_guard: Refuses listed devices at the handshake; None without a guard.
        locations: Where the CRLs of each CA come from, by its name: a URL, or an S3 URI.
        uploads: Name of each CA whose CRLs are uploaded to this bucket → the beginning of their keys.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cas: Sequence[RevokingCa],
        capacity: "Capacity",
        devices: "DeviceResources",
        ledger: "Ledger",
        functions: "FunctionSettings",
        settings: RevocationSettings,
        connect_guard: ConnectGuard | None,
    ) -> None:
        """Create all of it.

        Args:
            scope: The pipeline.
            construct_id: Its name there.
            cas: The CAs that have a CRL; at least one.
            capacity: The rate that the sweep shares with the activator, and the activator's time-out.
            devices: What a device must pass before it is released from a hold.
            ledger: Where the sweep finds certificates by serial number.
            functions: What the functions have in common with the pipeline's others.
            settings: How CRLs are kept fresh and acted on.
            connect_guard: How listed devices are refused at the handshake; None: they are not.
        """
        super().__init__(scope, construct_id)
        self._refresh = str(int(as_timedelta(settings.refresh).total_seconds()))
        self.bucket = RevocationBucket(self, "Bucket", encryption=functions.encryption)
        self.publisher = CrlPublisher(
            self, "Publisher", cas=cas, bucket=self.bucket, functions=functions, settings=settings
        )
        self.sweep = SweepFunction(
            self,
            "Sweep",
            cas=cas,
            bucket=self.bucket,
            capacity=capacity,
            devices=devices,
            ledger=ledger,
            functions=functions,
            settings=settings,
        )
        self.connect_guard = (
            None
            if connect_guard is None
            else ConnectGuardEndpoint(
                self,
                "ConnectGuard",
                cas=cas,
                bucket=self.bucket,
                functions=functions,
                settings=connect_guard,
            )
        )
        self.uploads: Mapping[str, str] = {
            ca.name: ca.upload.prefix_for(ca.name)
            for ca in cas
            if ca.upload is not None and ca.upload.bucket is None
        }
        self.locations: Mapping[str, str] = {ca.name: ca.location(self.bucket.name) for ca in cas}

    def let_check(self, function: "JitrFunction") -> None:
        """Let a function look up serial numbers in the indexes."""
        function.function.add_environment(environment.REVOCATION_BUCKET, self.bucket.name)
        function.function.add_environment(environment.REVOCATION_REFRESH_SECONDS, self._refresh)
        self.bucket.let_read_indexes(function)
