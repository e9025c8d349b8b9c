"""A deployed pipeline: reads its certificates, ledger and queues, and waits for changes."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.deployment import DeployedCa, Deployment
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.device_certificate import describe
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Ledger, Row
from iot_jitr_runtime.outcomes import RefusedError
from iot_jitr_runtime.stack_outputs import CA_CERTIFICATE_ARN, CRL_LOCATION, Output

if TYPE_CHECKING:
    import boto3

T = TypeVar("T")

_RECEIVES = 20
_HIDDEN = 30
"""Seconds for which a received dead letter is hidden, so that the next call receives other messages."""


@dataclass(frozen=True)
class Pipeline:
    """One CA's part of a deployment."""

    session: "boto3.Session"
    deployment: Deployment
    ca: DeployedCa
    timeout: float
    """Default time limit of a wait, in seconds."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    interval: float = 1.0
    """Seconds between two checks: DescribeCertificate allows 10 calls a second for the whole account."""

    @property
    def crl_location(self) -> str | None:
        """The location of the CA's CRLs; None if the CA has no CRL."""
        return self.deployment.outputs.get(f"{self.ca.name}{CRL_LOCATION}")

    @property
    def account(self) -> str:
        """The AWS account of the deployment."""
        return self.deployment.outputs[f"{self.ca.name}{CA_CERTIFICATE_ARN}"].split(":")[4]

    @property
    def ledger(self) -> Ledger:
        """Its ledger."""
        return Ledger(self.session.client("dynamodb"), self.deployment[Output.LEDGER_TABLE])

    def status(self, certificate_id: CertificateId) -> str | None:
        """The certificate's status in AWS IoT; None if it is not registered."""
        found = describe(self.session.client("iot"), certificate_id)
        return None if found is None else str(found["status"])

    def row(self, certificate_id: CertificateId) -> Row | None:
        """The ledger's row; None if there is none."""
        return self.ledger.row(certificate_id)

    def send_event(self, certificate_id: str) -> str:
        """Send a registration event as the topic rule does, and return the message's id."""
        event = {
            "certificateId": certificate_id,
            "caCertificateId": self.ca.certificate_id,
            "timestamp": int(datetime.now(UTC).timestamp() * 1000),
            "certificateStatus": "PENDING_ACTIVATION",
            "awsAccountId": self.account,
            "certificateRegistrationTimestamp": None,
        }
        sent = self.session.client("sqs").send_message(
            QueueUrl=self.deployment[Output.ACTIVATION_QUEUE_URL], MessageBody=json.dumps(event)
        )
        return str(sent["MessageId"])

    def remove_dead_letter(self, text: str) -> Any:
        """Remove the message that contains `text` from the dead-letter queue; return it, or None.

        Up to 200 others are received; they are hidden from other consumers for 30 seconds.
        """
        sqs, url = self.session.client("sqs"), self.deployment[Output.DEAD_LETTER_QUEUE_URL]
        for _ in range(_RECEIVES):
            found = sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=_HIDDEN,
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            for message in found:
                if text in message["Body"]:
                    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    return message
            if not found:
                break
        return None

    def wait_for_row(self, certificate_id: CertificateId, wanted: Callable[[Row], bool]) -> Row | None:
        """The ledger's row, as soon as it is as wanted; None if it is not within the time-out."""

        def read() -> Row | None:
            row = self.row(certificate_id)
            return row if row is not None and wanted(row) else None

        return self.wait_until(read)

    def wait_until(self, condition: Callable[[], T], limit: float | None = None) -> T:
        """Call `condition` until it is true, for at most `limit` seconds (default: the time-out).

        Returns:
            Its last result.
        """
        return wait_until(
            condition,
            limit=self.timeout if limit is None else limit,
            interval=self.interval,
            clock=self.clock,
            sleep=self.sleep,
        )


def issuing_ca(session: "boto3.Session", deployment: Deployment, certificate: Certificate) -> DeployedCa:
    """Return the CA of the deployment that signed a certificate.

    Raises:
        WrongUseError: No CA of the deployment signed the certificate.
    """
    iot = session.client("iot")
    for ca in deployment.cas:
        found = iot.describe_ca_certificate(certificateId=ca.certificate_id)
        try:
            certificate.check_issued_by(Certificate.load(found["certificateDescription"]["certificatePem"]))
        except RefusedError:
            continue
        return ca
    known = ", ".join(ca.name for ca in deployment.cas) or "none"
    raise WrongUseError(
        f"the CA '{certificate.x509.issuer.rfc4514_string()}' is none of the stack "
        f"'{deployment.stack_name}', which has: {known}"
    )
