"""The demonstration's pipeline: the records of all devices, and the CA's CRL."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.console import CliError
from iot_jitr_cli.demo.model import Milestone
from iot_jitr_cli.pki.revocation_list import CRL_FILE, RevocationList
from iot_jitr_cli.verify.pipeline import Pipeline
from iot_jitr_runtime.ledger.rows import State
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    from cryptography import x509

    from iot_jitr_cli.pki.device import DeviceIdentity
    from iot_jitr_runtime.identifiers import CertificateId


@dataclass(frozen=True, kw_only=True)
class DemoPipeline(Pipeline):
    """A pipeline whose CA is a development CA."""

    revocations: RevocationList
    timeout: float = 180.0
    """Two seconds are needed, and one minute more if the sweep is already running."""
    interval: float = 0.1

    def marks(
        self, certificate_ids: "Collection[CertificateId]"
    ) -> "Iterator[tuple[CertificateId, Milestone, float]]":
        """Certificate, mark and time (seconds since 1970) of all marks recorded so far."""
        created = {each["certificateId"]: each["creationDate"].timestamp() for each in self._registered()}
        for certificate_id in set(certificate_ids) & created.keys():
            yield certificate_id, Milestone.REGISTERED, created[certificate_id]
        for certificate_id, row in self.ledger.rows(certificate_ids).items():
            # The time stamps of the queue have millisecond precision, those of AWS IoT a higher one.
            seen_at = max(row.first_seen_at / 1000, created.get(certificate_id, 0.0))
            yield certificate_id, Milestone.PENDING, seen_at
            if row.state is State.ACTIVATED:
                yield certificate_id, Milestone.ACTIVATED, row.decided_at / 1000

    def statuses(self) -> dict[str, str]:
        """The status of every certificate that is registered under the CA, by certificate id."""
        return {each["certificateId"]: each["status"] for each in self._registered()}

    def revoke(self, identity: "DeviceIdentity", reason: "x509.ReasonFlags") -> str | None:
        """Revoke a device's certificate and upload the CA's next CRL, as a CA does.

        Returns:
            The version of the index in force; `wait_for_index` waits until it is replaced.
        """
        self.revocations.revoke(identity.certificate.x509.serial_number, reason)
        replaced = self._index_version()
        bucket, _, prefix = str(self.crl_location).removeprefix("s3://").partition("/")
        self.session.client("s3").put_object(
            Bucket=bucket, Key=f"{prefix}{CRL_FILE}", Body=self.revocations.sign()
        )
        return replaced

    def wait_for_index(self, replaced: str | None) -> None:
        """Wait until the index of this version (None: no index) is replaced.

        Raises:
            CliError: The index was not replaced within the time limit.
        """
        if not self.wait_until(lambda: self._index_version() != replaced):
            raise CliError(
                f"no index was made of the CRL at {self.crl_location} within {self.timeout:.0f} s: "
                "ministack.log in the demonstration's folder has the publisher's log"
            )

    def register_pending(self, identity: "DeviceIdentity") -> None:
        """Register a certificate that the broker refuses, and send its event."""
        iot = self.session.client("iot")
        certificate_id = iot.register_certificate(
            certificatePem=identity.certificate.pem, caCertificatePem=identity.ca.pem, status="INACTIVE"
        )["certificateId"]
        # AWS has no such call; the local cloud accepts it.
        iot.update_certificate(certificateId=certificate_id, newStatus="PENDING_ACTIVATION")
        self.send_event(certificate_id)

    def _registered(self) -> "Iterator[Mapping[str, Any]]":
        pages = self.session.client("iot").get_paginator("list_certificates_by_ca")
        for page in pages.paginate(caCertificateId=self.ca.certificate_id):
            yield from page["certificates"]

    def _index_version(self) -> str | None:
        store = IndexStore(self.session.client("s3"), self.deployment[Output.REVOCATION_BUCKET])
        try:
            return store.current(self.ca.certificate_id).version
        except IndexMissingError:
            return None
