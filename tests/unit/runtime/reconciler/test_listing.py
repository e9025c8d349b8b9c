"""AWS IoT's list of certificates, and sending to the activation queue."""

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.reconciler.listing import (
    CertificateList,
    CertificatePage,
    CertificateSummary,
    UnknownMarkerError,
)
from iot_jitr_runtime.reconciler.requeue import ActivationQueue, QueueRefusedError
from tests.support.account import REGION, Account

CA = CaCertificateId("ca" * 32)
CREATED = datetime(2027, 1, 1, tzinfo=UTC)


def ids(count: int) -> list[CertificateId]:
    return [CertificateId(f"{number:064x}") for number in range(count)]


def page(marker: str | None, answer: dict[str, Any] | str, *, oldest_first: bool = True) -> CertificatePage:
    """Read a page; the response of AWS IoT is the page, or an error with a code."""
    iot = boto3.client("iot", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    request = {"caCertificateId": CA, "pageSize": 250, "ascendingOrder": oldest_first}
    with Stubber(iot) as stubber:
        if isinstance(answer, str):
            stubber.add_client_error("list_certificates_by_ca", answer)
        else:
            further = {"marker": marker} if marker else {}
            stubber.add_response("list_certificates_by_ca", answer, {**request, **further})
        return CertificateList(iot).page(CA, marker, oldest_first=oldest_first)


@pytest.mark.parametrize("oldest_first", [True, False])
def test_a_page_is_requested_and_read_as_the_api_defines_it(*, oldest_first: bool) -> None:
    listed = {"certificateId": "a" * 64, "status": "PENDING_ACTIVATION", "creationDate": CREATED}

    found = page("here", {"certificates": [listed], "nextMarker": "further"}, oldest_first=oldest_first)

    assert found == CertificatePage(
        (CertificateSummary(CertificateId("a" * 64), "PENDING_ACTIVATION", CREATED),), "further"
    )


def test_the_last_page_has_no_further_marker() -> None:
    assert page(None, {"certificates": []}) == CertificatePage((), None)


@pytest.mark.parametrize(("marker", "error"), [("here", UnknownMarkerError), (None, ClientError)])
def test_an_error_without_marker_is_no_unknown_marker(marker: str | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        page(marker, "InvalidRequestException")


def test_every_certificate_is_queued_once_in_the_form_of_an_event(aws: Account) -> None:
    queue = ActivationQueue(aws.sqs, aws.queue_url)

    assert queue.send(CA, ids(23)) == 23

    assert sorted(json.loads(body)["certificateId"] for body in aws.queued()) == ids(23)


def test_without_certificates_there_is_no_call_of_sqs(aws: Account) -> None:
    assert ActivationQueue(aws.sqs, "no queue").send(CA, []) == 0


def queue_that_refuses(times: int) -> tuple[ActivationQueue, list[int]]:
    sizes: list[int] = []

    class Sqs:
        def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's
            del QueueUrl
            sizes.append(len(Entries))
            return {"Failed": [{"Id": Entries[-1]["Id"]}]} if len(sizes) <= times else {"Successful": []}

    return ActivationQueue(Sqs(), "url"), sizes  # type: ignore[arg-type]


def test_messages_that_the_queue_refuses_are_sent_again() -> None:
    queue, sizes = queue_that_refuses(times=2)

    assert queue.send(CA, ids(5)) == 5
    assert sizes == [5, 1, 1]


def test_a_message_that_the_queue_refuses_three_times_is_an_error() -> None:
    queue, _ = queue_that_refuses(times=3)

    with pytest.raises(QueueRefusedError, match="all but 1 of 5"):
        queue.send(CA, ids(5))
