"""Puts certificates into the activation queue again, as if their devices had just connected."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import SendMessageBatchRequestEntryTypeDef

_BATCH = 10
_TRIES = 3


class QueueRefusedError(JitrError):
    """The activation queue did not accept some messages in three attempts."""


@dataclass(frozen=True)
class ActivationQueue:
    """Sends messages to the activation queue."""

    sqs: "SQSClient"
    url: str

    def send(self, ca: CaCertificateId, certificate_ids: Sequence[CertificateId]) -> int:
        """Send one event for each certificate and return how many; botocore's errors propagate.

        A superfluous event does no harm: it is stale, or a duplicate.

        Raises:
            QueueRefusedError: The queue did not accept some messages.
        """
        for start in range(0, len(certificate_ids), _BATCH):
            self._send([event(ca, each) for each in certificate_ids[start : start + _BATCH]])
        return len(certificate_ids)

    def _send(self, bodies: list[str]) -> None:
        entries: list[SendMessageBatchRequestEntryTypeDef] = [
            {"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)
        ]
        for _ in range(_TRIES):
            response = self.sqs.send_message_batch(QueueUrl=self.url, Entries=entries)
            failed = {failure["Id"] for failure in response.get("Failed", [])}
            entries = [entry for entry in entries if entry["Id"] in failed]
            if not entries:
                return
        raise QueueRefusedError(
            f"the activation queue accepted all but {len(entries)} of {len(bodies)} messages: run it again"
        )


def event(ca: CaCertificateId, certificate_id: CertificateId) -> str:
    """Return a registration event that replaces a lost one."""
    return json.dumps(
        {
            "certificateId": certificate_id,
            "caCertificateId": ca,
            "certificateStatus": "PENDING_ACTIVATION",
            "requeued": True,
        }
    )
