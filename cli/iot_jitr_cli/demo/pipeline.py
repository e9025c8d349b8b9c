"""The deployed pipeline in the local cloud: what AWS IoT and the ledger have on record, and the CA's CRL."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.console import CliError
from iot_jitr_cli.demo.model import Mark
from iot_jitr_cli.lab.process import wait_until
from iot_jitr_cli.pki.revocation_list import CRL_FILE, RevocationList
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.ledger.rows import State
from iot_jitr_runtime.revocation.store import IndexMissingError, IndexStore
from iot_jitr_runtime.stack_outputs import CA_CERTIFICATE_ID, CRL_LOCATION, Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

    from iot_jitr_cli.pki.authority import DevelopmentCa
    from iot_jitr_cli.pki.device import DeviceIdentity
    from iot_jitr_runtime.ledger import Row

LIMIT = 180.0
"""Seconds that one thing is waited for; two are needed, and a minute more where the sweep runs already."""
_INTERVAL = 0.1


@dataclass
class DemoPipeline:
    """The pipeline of a demonstration, which has one CA."""

    outputs: Mapping[str, str]
    """Outputs of its stack."""
    iot: "IoTClient"
    s3: "S3Client"
    sqs: "SQSClient"
    ledger: Ledger
    revocations: RevocationList
    limit: float = LIMIT
    _replaced: str | None = field(default=None, init=False)
    """Version of the index that was in force at the last upload."""

    @classmethod
    def connect(
        cls, outputs: Mapping[str, str], client: "Callable[[str], Any]", ca: "DevelopmentCa"
    ) -> "DemoPipeline":
        """Make the clients for a stack with these outputs."""
        ledger = Ledger(client("dynamodb"), outputs[Output.LEDGER_TABLE])
        return cls(outputs, client("iot"), client("s3"), client("sqs"), ledger, RevocationList(ca))

    def marks(self, certificate_ids: Collection[str]) -> Iterator[tuple[str, Mark, float]]:
        """Certificate, mark and time (seconds since 1970) of all that is on record so far."""
        created = {each["certificateId"]: each["creationDate"].timestamp() for each in self._registered()}
        for certificate_id in set(certificate_ids) & created.keys():
            yield certificate_id, Mark.REGISTERED, created[certificate_id]
        for certificate_id, row in self.ledger.rows(map(CertificateId, certificate_ids)).items():
            # The queue's clock has whole milliseconds, AWS IoT's has more.
            yield (
                certificate_id,
                Mark.PENDING,
                max(row.first_seen_at / 1000, created.get(certificate_id, 0.0)),
            )
            if row.state is State.ACTIVATED:
                yield certificate_id, Mark.ACTIVATED, row.decided_at / 1000

    def statuses(self) -> dict[str, str]:
        """The status of every certificate registered under the CA, by its id."""
        return {each["certificateId"]: each["status"] for each in self._registered()}

    def row(self, certificate_id: str) -> "Row | None":
        """The ledger's row of a certificate."""
        return self.ledger.row(CertificateId(certificate_id))

    def wait_until(self, condition: "Callable[[], bool]") -> bool:
        """Check until it holds or the limit is over; return which it was."""
        return wait_until(condition, limit=self.limit, interval=_INTERVAL)

    def revoke(self, identity: "DeviceIdentity", reason: "x509.ReasonFlags") -> None:
        """Revoke a device's certificate, sign the CA's next CRL and upload it, as a CA does."""
        self.revocations.revoke(identity.certificate.x509.serial_number, reason)
        self._replaced = self._index_version()
        bucket, _, prefix = self._output_of_ca(CRL_LOCATION).removeprefix("s3://").partition("/")
        self.s3.put_object(Bucket=bucket, Key=f"{prefix}{CRL_FILE}", Body=self.revocations.sign())

    def wait_for_index(self) -> None:
        """Wait until the CRL uploaded last is in the index that the activator reads.

        Raises:
            CliError: That took too long.
        """
        if not self.wait_until(lambda: self._index_version() != self._replaced):
            raise CliError(
                f"no index was made of the CRL at {self._output_of_ca(CRL_LOCATION)} within {self.limit:.0f} "
                "s: ministack.log in the demonstration's folder has what the publisher says"
            )

    def register_pending(self, identity: "DeviceIdentity") -> str:
        """Register a certificate that the broker refuses, and queue its event; return its id."""
        certificate_id = self.iot.register_certificate(
            certificatePem=identity.certificate.pem, caCertificatePem=identity.ca.pem, status="INACTIVE"
        )["certificateId"]
        # AWS has no such call; the local cloud takes it.
        self.iot.update_certificate(certificateId=certificate_id, newStatus="PENDING_ACTIVATION")
        event = json.dumps({"certificateId": certificate_id})
        self.sqs.send_message(QueueUrl=self.outputs[Output.ACTIVATION_QUEUE_URL], MessageBody=event)
        return certificate_id

    def _registered(self) -> Iterator[Mapping[str, Any]]:
        pages = self.iot.get_paginator("list_certificates_by_ca").paginate(
            caCertificateId=self._output_of_ca(CA_CERTIFICATE_ID)
        )
        for page in pages:
            yield from page["certificates"]

    def _index_version(self) -> str | None:
        store = IndexStore(self.s3, self.outputs[Output.REVOCATION_BUCKET])
        try:
            return store.current(CaCertificateId(self._output_of_ca(CA_CERTIFICATE_ID))).version
        except IndexMissingError:
            return None

    def _output_of_ca(self, ending: str) -> str:
        return next(value for name, value in self.outputs.items() if name.endswith(ending))
