"""`Revocation`: the resources of a pipeline whose CAs have CRLs."""

from typing import TYPE_CHECKING

from constructs import Construct

from iot_jitr.allowed import whole_seconds
from iot_jitr.configuration import ConnectGuard, CrlBucket, RevocationSettings, upload_prefix
from iot_jitr.revocation.bucket import RevocationBucket
from iot_jitr.revocation.connect_guard import ConnectGuardEndpoint
from iot_jitr.revocation.publisher import CrlPublisher, CrlSources, crl_location
from iot_jitr.revocation.sweep import SweepFunction
from iot_jitr_runtime import environment

if TYPE_CHECKING:
    from iot_jitr.functions import JitrFunction
    from iot_jitr.parts import PipelineParts


class Revocation(Construct):
    """The bucket, the publisher and the sweep.

    Attributes:
        bucket: Where CRLs are uploaded and indexes are kept.
        publisher: Compiles CRLs into indexes.
        sweep: Revokes or suspends certificates that their CA revokes after their activation.
        connect_guard: Refuses listed devices at the handshake; None without a guard.
        locations: Name of each CA → source of its CRLs: a URL, or an S3 URI.
        uploads: Name of each CA whose CRLs are uploaded to this bucket → prefix of their keys.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        parts: "PipelineParts",
        settings: RevocationSettings,
        connect_guard: ConnectGuard | None,
    ) -> None:
        """Create the resources for the CAs that have a CRL; without `connect_guard`, there is no guard."""
        super().__init__(scope, construct_id)
        sources: CrlSources = {
            ca: source for ca in parts.cas.values() if (source := ca.configuration.crl_source) is not None
        }
        self._refresh = str(whole_seconds(settings.refresh))
        self.bucket = RevocationBucket(self, "Bucket", encryption=parts.functions.encryption)
        self.publisher = CrlPublisher(
            self,
            "Publisher",
            sources=sources,
            bucket=self.bucket,
            functions=parts.functions,
            settings=settings,
        )
        self.sweep = SweepFunction(
            self, "Sweep", parts, cas=sources.keys(), bucket=self.bucket, settings=settings
        )
        self.connect_guard: ConnectGuardEndpoint | None = None
        if connect_guard is not None:
            self.connect_guard = ConnectGuardEndpoint(
                self,
                "ConnectGuard",
                cas=sources.keys(),
                bucket=self.bucket,
                functions=parts.functions,
                settings=connect_guard,
            )
        self.uploads = {
            ca.configuration.name: upload_prefix(source, ca.configuration.name)
            for ca, source in sources.items()
            if isinstance(source, CrlBucket) and source.bucket is None
        }
        self.locations = {
            ca.configuration.name: crl_location(ca, source, self.bucket.name)
            for ca, source in sources.items()
        }

    def grant_check(self, function: "JitrFunction") -> None:
        """Allow a function to look up serial numbers in the indexes."""
        function.function.add_environment(environment.REVOCATION_BUCKET, self.bucket.name)
        function.function.add_environment(environment.REVOCATION_REFRESH_SECONDS, self._refresh)
        self.bucket.grant_read_indexes(function)
