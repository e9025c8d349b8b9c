"""`jitr redrive`: send dead letters and pending certificates to the activation queue again.

Dead letters are received, sent and deleted one by one. `StartMessageMoveTask` cannot be used, because it does
not change messages: dead letters of the topic rule's error action contain the event inside another message.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
from rich.progress import Progress, SpinnerColumn, TextColumn

from iot_jitr_cli.console import err, json_option, out, print_json
from iot_jitr_cli.dead_letters import DeadLetter
from iot_jitr_cli.deployment import find_deployment, stack_option
from iot_jitr_cli.session import aws_session
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import Ledger, Row
from iot_jitr_runtime.reconciler.listing import CertificateList, is_undecided
from iot_jitr_runtime.reconciler.requeue import ActivationQueue
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_SECONDS_BETWEEN_PAGES = 0.2
"""Half of the quota of `ListCertificatesByCA`; an activation does not make this call."""


@click.command()
@click.option(
    "--pending-minutes",
    type=click.IntRange(min=0),
    default=15,
    show_default=True,
    help="Certificates that are pending for a shorter time are left out.",
)
@stack_option
@json_option
def redrive(*, pending_minutes: int, stack_name: str, as_json: bool) -> None:
    """Queue dead letters and undecided certificates again.

    Use it after the cause is fixed: dead letters are decided again, and an event with the same error becomes
    a dead letter again. Pending certificates without a decision are found in AWS IoT's list and queued.
    """
    session = aws_session()
    deployment = find_deployment(session, stack_name)
    sqs = session.client("sqs")
    queue_url = deployment[Output.ACTIVATION_QUEUE_URL]
    dead_letters = redrive_dead_letters(sqs, deployment[Output.DEAD_LETTER_QUEUE_URL], queue_url)
    listing = CertificateList(session.client("iot"))
    ledger = Ledger(session.client("dynamodb"), deployment[Output.LEDGER_TABLE])
    queue = ActivationQueue(sqs, queue_url)
    pending_after = timedelta(minutes=pending_minutes)
    pending = seen = 0
    columns = (SpinnerColumn(), TextColumn("{task.completed} certificates read"))
    quiet = as_json or not err.is_terminal
    with Progress(*columns, console=err, transient=True, disable=quiet) as progress:
        task = progress.add_task("read", total=None)
        for ca in deployment.cas:
            for queued, read in redrive_pending(listing, ledger, queue, ca.certificate_id, pending_after):
                progress.advance(task, read)
                pending, seen = pending + queued, seen + read
    if as_json:
        print_json({"dead_letters": dead_letters, "pending": pending, "certificates_seen": seen})
    else:
        out.print(f"queued again: {dead_letters} dead letters, {pending} pending certificates")
        out.print(f"certificates read: {seen}")


def redrive_dead_letters(sqs: "SQSClient", dead_letter_queue_url: str, queue_url: str) -> int:
    """Send every dead letter to the activation queue and return their number.

    A message is deleted after it was sent, so no message is lost. A message with a permanent error returns to
    the dead-letter queue. The number of moved messages is limited to the number at the beginning.
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


def redrive_pending(  # noqa: PLR0913  its sources and its targets
    listing: CertificateList,
    ledger: Ledger,
    queue: ActivationQueue,
    ca: CaCertificateId,
    pending_after: timedelta,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[tuple[int, int]]:
    """Queue the certificates of a CA that are pending without a decision for at least `pending_after`.

    Younger certificates are left out: their events are still in the queue. For each page of the CA's list,
    this yields the number of queued certificates and the number of certificates on the page.
    """
    marker: str | None = None
    while True:
        page = listing.page(ca, marker, oldest_first=True)
        rows = ledger.rows(each.certificate_id for each in page.certificates)
        now = datetime.now(UTC)
        undecided = [
            each.certificate_id
            for each in page.certificates
            if is_undecided(
                each, rows.get(each.certificate_id) or Row(each.certificate_id), now, pending_after
            )
        ]
        yield queue.send(ca, undecided), len(page.certificates)
        marker = page.next_marker
        if marker is None:
            return
        sleep(_SECONDS_BETWEEN_PAGES)
