"""AWS IoT's list of certificates, and the activation queue from its sending end."""

import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.reconciler.listing import CertificateList, Listed, UnknownMarkerError
from iot_jitr_runtime.reconciler.requeue import ActivationQueue, QueueRefusedError
from tests.support.account import REGION, Account

CA = CaCertificateId("ca" * 32)
CREATED = datetime(2027, 1, 1, tzinfo=UTC)


def ids(count: int) -> list[CertificateId]:
    return [CertificateId(f"{number:064x}") for number in range(count)]


@pytest.mark.parametrize("oldest_first", [True, False])
def test_a_page_is_asked_for_as_the_api_has_it(oldest_first: bool) -> None:  # noqa: FBT001 - pytest passes it
    iot = boto3.client("iot", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(iot) as stubber:
        stubber.add_response(
            "list_certificates_by_ca",
            {
                "certificates": [
                    {"certificateId": "a" * 64, "status": "PENDING_ACTIVATION", "creationDate": CREATED}
                ],
                "nextMarker": "further",
            },
            {"caCertificateId": CA, "pageSize": 250, "ascendingOrder": oldest_first, "marker": "here"},
        )
        page = CertificateList(iot).page(CA, "here", oldest_first=oldest_first)

    assert page.certificates == (Listed(CertificateId("a" * 64), "PENDING_ACTIVATION", CREATED),)
    assert page.next_marker == "further"


def test_the_last_page_has_no_further_marker() -> None:
    iot = boto3.client("iot", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(iot) as stubber:
        stubber.add_response(
            "list_certificates_by_ca",
            {"certificates": []},
            {"caCertificateId": CA, "pageSize": 250, "ascendingOrder": True},
        )
        page = CertificateList(iot).page(CA, None, oldest_first=True)

    assert (page.certificates, page.next_marker) == ((), None)


@pytest.mark.parametrize(("marker", "error"), [("here", UnknownMarkerError), (None, ClientError)])
def test_only_a_marker_can_be_unknown(marker: str | None, error: type[Exception]) -> None:
    iot = boto3.client("iot", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    stubber = Stubber(iot)
    stubber.add_client_error("list_certificates_by_ca", "InvalidRequestException")
    with stubber, pytest.raises(error):
        CertificateList(iot).page(CA, marker, oldest_first=True)


def test_every_certificate_is_queued_once_and_named_so_that_the_activator_reads_it(aws: Account) -> None:
    queue = ActivationQueue(aws.sqs, aws.queue_url)

    assert queue.send(CA, ids(23)) == 23

    found = []
    while messages := aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10).get("Messages"):
        found += [json.loads(message["Body"])["certificateId"] for message in messages]
    assert sorted(found) == ids(23)


def test_no_certificate_means_no_call(aws: Account) -> None:
    assert ActivationQueue(aws.sqs, "no queue").send(CA, []) == 0


def queue_that_refuses(times: int) -> tuple[ActivationQueue, list[int]]:
    sizes: list[int] = []

    class Sqs:
        def send_message_batch(self, QueueUrl: str, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803 - boto3's
            del QueueUrl
            sizes.append(len(Entries))
            return {"Failed": [{"Id": Entries[-1]["Id"]}]} if len(sizes) <= times else {"Successful": []}

    return ActivationQueue(Sqs(), "url"), sizes  # type: ignore[arg-type]


def test_what_the_queue_does_not_take_is_offered_again() -> None:
    queue, sizes = queue_that_refuses(times=2)

    assert queue.send(CA, ids(5)) == 5
    assert sizes == [5, 1, 1]


def test_what_the_queue_refuses_three_times_is_an_error() -> None:
    queue, _ = queue_that_refuses(times=3)

    with pytest.raises(QueueRefusedError, match="all but 1 of 5"):
        queue.send(CA, ids(5))
