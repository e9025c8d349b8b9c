"""Queues dead letters and pending certificates again: what `jitr redrive` does.

Dead letters are received, sent and deleted one by one, and not by `StartMessageMoveTask`, which does not
change them: those of the topic rule's error action hold the event inside another message.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.dead_letters import DeadLetter
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import Ledger, Row
from iot_jitr_runtime.reconciler.listing import CertificateList, is_undecided
from iot_jitr_runtime.reconciler.requeue import ActivationQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient

_SECONDS_BETWEEN_PAGES = 0.2
"""Half of the quota of `ListCertificatesByCA`, a call that no activation makes."""


@dataclass(frozen=True)
class Redriven:
    """What was queued again."""

    dead_letters: int
    pending: int
    """Pending certificates without a decision."""
    certificates_seen: int


def redrive_dead_letters(sqs: "SQSClient", dead_letter_queue_url: str, queue_url: str) -> int:
    """Send every dead letter to the activation queue and return how many.

    A message is deleted after it was sent, so none is lost; one with a permanent error comes back. No more
    are moved than were there at the beginning.
    """
    attributes = sqs.get_queue_attributes(
        QueueUrl=dead_letter_queue_url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    left = int(attributes["ApproximateNumberOfMessages"])
    moved = 0
    while moved < left:
        received = sqs.receive_message(
            QueueUrl=dead_letter_queue_url, MaxNumberOfMessages=min(10, left - moved), WaitTimeSeconds=1
        )
        messages = received.get("Messages", [])
        if not messages:
            break
        for message in messages:
            sqs.send_message(QueueUrl=queue_url, MessageBody=DeadLetter.read(message).event)
            sqs.delete_message(QueueUrl=dead_letter_queue_url, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


@dataclass(frozen=True)
class PendingSearch:
    """Finds the pending certificates without a decision and queues them."""

    listing: CertificateList
    ledger: Ledger
    queue: ActivationQueue
    sleep: "Callable[[float], None]" = time.sleep

    def run(
        self, ca: CaCertificateId, pending_after: timedelta, on_page: "Callable[[int], Any]"
    ) -> tuple[int, int]:
        """Go through all certificates of a CA.

        Args:
            ca: The CA.
            pending_after: Younger ones are left out: their events are still under way.
            on_page: Called with the number of certificates of each page.

        Returns:
            How many were queued, and how many were seen.
        """
        queued = seen = 0
        marker: str | None = None
        while True:
            page = self.listing.page(ca, marker, oldest_first=True)
            rows = self.ledger.rows(listed.certificate_id for listed in page.certificates)
            now = datetime.now(UTC)
            queued += self.queue.send(
                ca,
                [
                    listed.certificate_id
                    for listed in page.certificates
                    if is_undecided(
                        listed,
                        rows.get(listed.certificate_id) or Row(listed.certificate_id),
                        now,
                        pending_after,
                    )
                ],
            )
            seen += len(page.certificates)
            on_page(len(page.certificates))
            if page.next_marker is None:
                return queued, seen
            marker = page.next_marker
            self.sleep(_SECONDS_BETWEEN_PAGES)
