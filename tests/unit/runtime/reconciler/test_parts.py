"""Listing, queue, pace and bookmarks: the parts that passes are made of."""

import json
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.reconciler.bookmarks import Bookmark, Bookmarks, PassKind
from iot_jitr_runtime.reconciler.listing import CertificateList, Listed
from iot_jitr_runtime.reconciler.pace import Pace
from iot_jitr_runtime.reconciler.requeue import ActivationQueue, QueueRefusedError
from tests.support.account import REGION, Account

CA = CaCertificateId("ca" * 32)
CREATED = datetime(2027, 1, 1, tzinfo=UTC)


def ids(count: int) -> list[CertificateId]:
    return [CertificateId(f"{number:064x}") for number in range(count)]


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeQueue:
    def __init__(self) -> None:
        self.empty = True
        self.looks = 0

    def is_empty(self) -> bool:
        self.looks += 1
        return self.empty


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


def test_a_queue_with_a_message_in_a_workers_hands_is_not_empty(aws: Account) -> None:
    queue = ActivationQueue(aws.sqs, aws.queue_url)
    assert queue.is_empty()

    queue.send(CA, ids(1))
    assert not queue.is_empty()

    aws.sqs.receive_message(QueueUrl=aws.queue_url)
    assert not queue.is_empty()


def pauses(time: FakeTime, pace: Pace, calls: int) -> list[float]:
    moments = []
    for _ in range(calls):
        pace.wait()
        moments.append(time.now)
    return [round(after - before, 3) for before, after in pairwise(moments)]


def test_while_devices_wait_there_is_one_call_a_second() -> None:
    time, queue = FakeTime(), FakeQueue()
    queue.empty = False

    assert pauses(time, Pace(queue, time, time.sleep), 4) == [1.0] * 3  # type: ignore[arg-type]


def test_otherwise_there_are_five_calls_a_second() -> None:
    time = FakeTime()

    assert pauses(time, Pace(FakeQueue(), time, time.sleep), 4) == [0.2] * 3  # type: ignore[arg-type]


def test_the_queue_is_looked_at_every_five_seconds_only() -> None:
    time, queue = FakeTime(), FakeQueue()

    pauses(time, Pace(queue, time, time.sleep), 51)  # type: ignore[arg-type]

    assert queue.looks == 3


def test_devices_that_begin_to_wait_slow_it_down() -> None:
    time, queue = FakeTime(), FakeQueue()
    pace = Pace(queue, time, time.sleep)  # type: ignore[arg-type]
    pauses(time, pace, 26)
    queue.empty = False
    time.now += 5

    assert pauses(time, pace, 3) == [1.0, 1.0]


def test_a_bookmark_is_read_as_it_was_written(aws: Account) -> None:
    bookmarks = Bookmarks(aws.dynamodb, aws.table)
    written = Bookmark(CA, PassKind.FULL, begun_at=CREATED, marker="here", former_begun_at=CREATED)

    bookmarks.write(written)

    assert bookmarks.read(CA, PassKind.FULL) == written
    assert bookmarks.read(CA, PassKind.NEWEST) == Bookmark(CA, PassKind.NEWEST)


def test_a_pass_that_ended_leaves_when_it_had_begun(aws: Account) -> None:
    bookmarks = Bookmarks(aws.dynamodb, aws.table)
    bookmarks.write(Bookmark(CA, PassKind.FULL).begin(CREATED).at("here").ended())

    assert bookmarks.read(CA, PassKind.FULL) == Bookmark(CA, PassKind.FULL, former_begun_at=CREATED)


def test_a_pass_under_way_is_not_begun_anew() -> None:
    under_way = Bookmark(CA, PassKind.FULL).begin(CREATED).at("here")

    assert under_way.begin(datetime(2028, 1, 1, tzinfo=UTC)) == under_way
