"""The two passes: what they find, where they stop, how they go on."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.outcomes import DeferredError, Reason
from iot_jitr_runtime.reconciler.bookmarks import Bookmarks, PassKind
from iot_jitr_runtime.reconciler.entries import LedgerEntries
from iot_jitr_runtime.reconciler.inventory import Entered, Inventory
from iot_jitr_runtime.reconciler.listing import Listed
from iot_jitr_runtime.reconciler.passes import Passes
from iot_jitr_runtime.reconciler.requeue import ActivationQueue
from iot_jitr_runtime.sweep.state import SweepStates
from tests.support.account import Account
from tests.support.certificate_list import FakeList

QUARTER = timedelta(minutes=15)
WEEK = timedelta(days=7)
LATER = timedelta(hours=1)


class NoCrl:
    def check(self, *_: object) -> None:
        return


class Stale:
    def check(self, *_: object) -> None:
        raise DeferredError(Reason.CRL_STALE)


@pytest.fixture
def listing(aws: Account) -> FakeList:
    return FakeList(aws)


def passes(aws: Account, listing: FakeList, revocation: Any = None, rate: float = 1e6) -> Passes:
    return Passes(
        iot=aws.iot,
        listing=listing,  # type: ignore[arg-type]
        ledger=aws.ledger,
        queue=ActivationQueue(aws.sqs, aws.queue_url),
        inventory=Inventory(
            iot=aws.iot,
            entries=LedgerEntries(aws.dynamodb, aws.table),
            rate_limiter=aws.rate_limiter(rate),
            revocation=revocation or NoCrl(),
            sweep=SweepStates(aws.dynamodb, aws.table),
            clock=aws.clock,
        ),
        bookmarks=Bookmarks(aws.dynamodb, aws.table),
        rate_limiter=aws.rate_limiter(rate),
        pending_after=QUARTER,
        full_pass_every=WEEK,
        clock=aws.clock,
    )


def register(
    aws: Account, listing: FakeList, status: str = "PENDING_ACTIVATION", **ago: float
) -> CertificateId:
    certificate_id = aws.pending()
    if status != "PENDING_ACTIVATION":
        aws.iot.update_certificate(certificateId=certificate_id, newStatus=status)
    listing.certificates.append(
        Listed(certificate_id, status, aws.clock() - timedelta(**(ago or {"hours": 1})))
    )
    return certificate_id


def soon(aws: Account) -> datetime:
    return aws.clock() + timedelta(minutes=5)


def queued(aws: Account) -> list[str]:
    found: list[str] = []
    while messages := aws.sqs.receive_message(QueueUrl=aws.queue_url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return found


def test_a_certificate_whose_event_got_lost_is_activated_in_the_end(aws: Account, listing: FakeList) -> None:
    certificate_id = register(aws, listing)

    tally = passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))

    assert (tally.requeued, tally.ended) == (1, True)
    [body] = queued(aws)
    aws.process(aws.send(body))
    assert aws.status(certificate_id) == "ACTIVE"


def test_how_long_the_oldest_has_waited_is_told(aws: Account, listing: FakeList) -> None:
    register(aws, listing, hours=3)
    register(aws, listing, hours=2)

    tally = passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))

    assert tally.oldest_undecided == timedelta(hours=3, seconds=1)


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_a_device_that_somebody_deactivates_and_activates_again_counts_accordingly(
    aws: Account, listing: FakeList, status: str
) -> None:
    certificate_id = register(aws, listing, status="ACTIVE")
    run = passes(aws, listing)
    sizes = []
    for listed_status in ("ACTIVE", status, "ACTIVE"):
        listing.certificates = [Listed(certificate_id, listed_status, aws.clock() - LATER)]
        run.newest(aws.ca_id, stop_at=soon(aws))
        sizes.append(aws.ledger.fleet.size(aws.ca_id))

    assert sizes == [1, 0, 1]


def test_a_device_on_hold_does_not_count_because_an_older_list_has_it_active(
    aws: Account, listing: FakeList
) -> None:
    certificate_id = register(aws, listing, status="ACTIVE")
    run = passes(aws, listing)
    run.newest(aws.ca_id, stop_at=soon(aws))
    ledger = RevocationLedger(aws.dynamodb, aws.table)
    claim = ledger.acquire(certificate_id, now=1, expires_at=2)
    ledger.record_suspending(claim, aws.ca_id, detail="", index_version=None)
    ledger.record_suspended(claim, now=1)

    run.newest(aws.ca_id, stop_at=soon(aws))

    assert aws.ledger.fleet.size(aws.ca_id) == 0


def test_what_is_decided_is_left_alone(aws: Account, listing: FakeList) -> None:
    register(aws, listing, status="ACTIVE")
    register(aws, listing, status="REVOKED")
    run = passes(aws, listing)
    run.newest(aws.ca_id, stop_at=soon(aws))

    again = passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))

    assert (again.seen, again.requeued, again.entered) == (2, 0, {})


def test_what_somebody_else_activated_is_entered(aws: Account, listing: FakeList) -> None:
    certificate_id = register(aws, listing, status="ACTIVE")

    tally = passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))

    row = aws.ledger.row(certificate_id)
    assert row is not None
    assert tally.entered == {Entered.KNOWN: 1}
    assert (row.state, row.serial_number is not None) == (State.KNOWN, True)


def test_the_newest_first_pass_stops_where_the_last_one_had_begun(aws: Account, listing: FakeList) -> None:
    for hours in range(1, 9):
        register(aws, listing, hours=hours)
    passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))
    assert [marker for marker, _ in listing.calls] == [None, "2", "4", "6"]

    aws.clock.pass_time(hours=1)
    listing.calls.clear()
    tally = passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))

    # Down to an hour and a quarter before the last pass began.
    assert listing.calls == [(None, False)]
    assert tally.ended


def test_the_first_newest_first_pass_looks_back_a_day(aws: Account, listing: FakeList) -> None:
    for days in range(1, 9):
        register(aws, listing, days=days)

    passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))

    assert len(listing.calls) == 1


def test_the_full_pass_finds_what_was_there_before_the_pipeline(aws: Account, listing: FakeList) -> None:
    for days in range(1, 9):
        register(aws, listing, days=days)

    tally = passes(aws, listing).full(aws.ca_id, stop_at=soon(aws))

    assert tally is not None
    assert (tally.seen, tally.requeued, tally.ended) == (8, 8, True)
    assert all(oldest_first for _, oldest_first in listing.calls)


@pytest.mark.parametrize("kind", PassKind)
def test_a_pass_whose_time_is_up_goes_on_where_it_stood(
    aws: Account, listing: FakeList, kind: PassKind
) -> None:
    for minutes in range(20, 30):
        register(aws, listing, minutes=minutes)

    seen = 0
    for _ in range(3):
        run = passes(aws, listing)
        tally = (run.newest if kind is PassKind.NEWEST else run.full)(
            aws.ca_id, stop_at=aws.clock() + timedelta(seconds=2)
        )
        assert tally is not None
        seen += tally.seen

    assert [marker for marker, _ in listing.calls] == [None, "2", "4", "6", "8"]
    assert (seen, tally.ended) == (10, True)


def test_a_full_pass_is_not_begun_before_it_is_time(aws: Account, listing: FakeList) -> None:
    register(aws, listing)
    assert passes(aws, listing).full(aws.ca_id, stop_at=soon(aws)) is not None

    aws.clock.pass_time(days=6)
    assert passes(aws, listing).full(aws.ca_id, stop_at=soon(aws)) is None

    aws.clock.pass_time(days=1)
    assert passes(aws, listing).full(aws.ca_id, stop_at=soon(aws)) is not None


def test_a_marker_that_aws_does_not_know_any_more_begins_the_pass_anew(
    aws: Account, listing: FakeList
) -> None:
    for days in range(1, 6):
        register(aws, listing, days=days)
    passes(aws, listing).full(aws.ca_id, stop_at=aws.clock() + timedelta(seconds=1))
    listing.refuse_markers = True

    tally = passes(aws, listing).full(aws.ca_id, stop_at=soon(aws))

    assert tally is not None
    assert tally.ended
    assert [marker for marker, _ in listing.calls] == [None, "2", None, "2", "4"]


def test_a_refused_request_that_has_no_marker_is_an_error(
    aws: Account, listing: FakeList, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise listing._error("InvalidRequestException")

    monkeypatch.setattr(listing, "page", refuse)

    with pytest.raises(aws.iot.exceptions.InvalidRequestException):
        passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))


def test_after_an_error_the_pass_goes_on_where_it_stood(aws: Account, listing: FakeList) -> None:
    for days in range(1, 6):
        register(aws, listing, days=days)
    listing.fail_at_call = 2
    with pytest.raises(ClientError):
        passes(aws, listing).full(aws.ca_id, stop_at=soon(aws))

    tally = passes(aws, listing).full(aws.ca_id, stop_at=soon(aws))

    assert tally is not None
    assert (tally.seen, tally.ended) == (3, True)


def test_while_devices_wait_entering_does_too_and_its_page_is_read_again(
    aws: Account, listing: FakeList
) -> None:
    register(aws, listing, status="ACTIVE")
    busy = passes(aws, listing, rate=10)
    busy.rate_limiter.reserve(10_000)
    busy.rate_limiter.wait_for_background_slot(until=soon(aws))
    tally = busy.newest(aws.ca_id, stop_at=aws.clock() + timedelta(seconds=9))
    assert (tally.ended, tally.entered) == (False, {})

    aws.clock.pass_time(hours=1)
    tally = passes(aws, listing, rate=10).newest(aws.ca_id, stop_at=soon(aws))

    assert (tally.ended, tally.entered) == (True, {Entered.KNOWN: 1})


def test_what_could_not_be_checked_is_looked_at_again_by_the_next_pass(
    aws: Account, listing: FakeList
) -> None:
    passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))
    aws.clock.pass_time(hours=1)
    certificate_id = register(aws, listing, status="ACTIVE", minutes=30)
    for _ in range(5):
        stale = passes(aws, listing, revocation=Stale()).newest(aws.ca_id, stop_at=soon(aws))
        assert stale.entered == {Entered.UNCHECKED: 1}
        aws.clock.pass_time(hours=1)

    tally = passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))

    assert tally.entered == {Entered.KNOWN: 1}
    assert aws.ledger.row(certificate_id) is not None


def test_a_device_registered_while_a_page_is_read_is_not_missed(aws: Account, listing: FakeList) -> None:
    for minutes in range(20, 30):
        register(aws, listing, minutes=minutes)
    run = passes(aws, listing)
    run.newest(aws.ca_id, stop_at=aws.clock() + timedelta(seconds=2))
    # It comes in at the front of the list, so every marker now points one further back.
    young = Listed(aws.pending(), "PENDING_ACTIVATION", aws.clock())
    listing.certificates.append(young)
    run.newest(aws.ca_id, stop_at=soon(aws))
    queued(aws)

    aws.clock.pass_time(hours=1)
    tally = passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws))

    assert tally.requeued >= 1
    assert any(young.certificate_id in body for body in queued(aws))


def test_a_young_certificate_is_still_found_when_it_has_grown_old(aws: Account, listing: FakeList) -> None:
    listing.certificates.append(Listed(aws.pending(), "PENDING_ACTIVATION", aws.clock()))
    assert passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws)).requeued == 0

    aws.clock.pass_time(hours=1)

    assert passes(aws, listing).newest(aws.ca_id, stop_at=soon(aws)).requeued == 1


def test_markers_of_two_cas_do_not_mix(aws: Account, listing: FakeList) -> None:
    other = CaCertificateId("0" * 64)
    for minutes in range(20, 30):
        register(aws, listing, minutes=minutes)
    passes(aws, listing).full(aws.ca_id, stop_at=aws.clock() + timedelta(seconds=2))

    passes(aws, listing).full(other, stop_at=aws.clock() + timedelta(seconds=1))
    passes(aws, listing).full(aws.ca_id, stop_at=aws.clock() + timedelta(seconds=1))

    assert [marker for marker, _ in listing.calls] == [None, "2", None, "4"]
