"""The two passes: the certificates that they find, where they stop, how they continue."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.lease import Lease, LeaseLostError
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.outcomes import DeferredError, Reason
from iot_jitr_runtime.reconciler.backfill import Backfill, Backfilled
from iot_jitr_runtime.reconciler.listing import CertificateSummary
from iot_jitr_runtime.reconciler.passes import FAILURES_AT_MOST, Passes, PassKind, PassStatistics
from iot_jitr_runtime.reconciler.requeue import ActivationQueue
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
        listing=listing,  # type: ignore[arg-type]
        ledger=aws.ledger,
        queue=ActivationQueue(aws.sqs, aws.queue_url),
        backfill=Backfill(aws.iot, aws.ledger, revocation or NoCrl(), aws.clock),
        rate_limiter=aws.rate_limiter(rate),
        logger=Logger("passes"),
        pending_after=QUARTER,
        full_pass_every=WEEK,
    )


def run(
    aws: Account,
    of: Passes,
    kind: PassKind,
    seconds: float = 300,
    ca: CaCertificateId | None = None,
) -> PassStatistics | None:
    """One run's part of a pass, by default with all the time it needs; None if it is not due."""
    now = aws.clock.milliseconds
    lease = Lease.acquire(aws.ledger.items, "#reconciler", now=now, expires_at=now + 600_000)
    try:
        return of.run(ca or aws.ca_id, kind, lease, deadline(aws, seconds))
    finally:
        lease.release()


def deadline(aws: Account, seconds: float = 300) -> Deadline:
    return Deadline(aws.clock() + timedelta(seconds=seconds), aws.clock)


def newest(aws: Account, of: Passes, seconds: float = 300) -> PassStatistics:
    statistics = run(aws, of, PassKind.NEWEST, seconds)
    assert statistics is not None
    return statistics


def full(aws: Account, of: Passes, seconds: float = 300) -> PassStatistics:
    """One run's part of a full pass that is due."""
    statistics = run(aws, of, PassKind.FULL, seconds)
    assert statistics is not None
    return statistics


def register(
    aws: Account, listing: FakeList, status: str = "PENDING_ACTIVATION", **ago: float
) -> CertificateId:
    certificate_id = aws.pending()
    if status != "PENDING_ACTIVATION":
        aws.iot.update_certificate(certificateId=certificate_id, newStatus=status)
    listing.certificates.append(
        CertificateSummary(certificate_id, status, aws.clock() - timedelta(**(ago or {"hours": 1})))
    )
    return certificate_id


def register_all(aws: Account, listing: FakeList, numbers: range, unit: str) -> None:
    """Register a pending certificate for each age."""
    for number in numbers:
        register(aws, listing, **{unit: number})  # type: ignore[arg-type]


def test_a_certificate_whose_event_is_lost_is_activated(aws: Account, listing: FakeList) -> None:
    certificate_id = register(aws, listing)

    statistics = newest(aws, passes(aws, listing))

    assert (statistics.requeued, statistics.ended) == (1, True)
    [body] = aws.queued()
    aws.process(aws.send(body))
    assert aws.status(certificate_id) == "ACTIVE"


def test_the_statistics_have_the_age_of_the_oldest_pending_one(aws: Account, listing: FakeList) -> None:
    register(aws, listing, hours=3)
    register(aws, listing, hours=2)

    statistics = newest(aws, passes(aws, listing))

    assert statistics.oldest_undecided == timedelta(hours=3, seconds=1)


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_a_device_that_an_operator_deactivates_and_activates_again_counts_accordingly(
    aws: Account, listing: FakeList, status: str
) -> None:
    certificate_id = register(aws, listing, status="ACTIVE")
    of = passes(aws, listing)
    sizes = []
    for listed_status in ("ACTIVE", status, "ACTIVE"):
        listing.certificates = [CertificateSummary(certificate_id, listed_status, aws.clock() - LATER)]
        newest(aws, of)
        sizes.append(aws.ledger.fleet.size(aws.ca_id))

    assert sizes == [1, 0, 1]


def test_a_device_on_hold_does_not_count_if_an_older_page_lists_it_as_active(
    aws: Account, listing: FakeList
) -> None:
    certificate_id = register(aws, listing, status="ACTIVE")
    of = passes(aws, listing)
    newest(aws, of)
    ledger = RevocationLedger(aws.dynamodb, aws.table)
    claim = ledger.acquire(certificate_id, now=1, expires_at=2)
    ledger.record_suspending(claim, aws.ca_id, detail="", index_version=None)
    ledger.record_suspended(claim, now=1)

    newest(aws, of)

    assert aws.ledger.fleet.size(aws.ca_id) == 0


def test_decided_certificates_are_skipped(aws: Account, listing: FakeList) -> None:
    register(aws, listing, status="ACTIVE")
    register(aws, listing, status="REVOKED")
    of = passes(aws, listing)
    newest(aws, of)

    again = newest(aws, passes(aws, listing))

    assert (again.seen, again.requeued, again.backfilled) == (2, 0, {})


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
@pytest.mark.parametrize("state", [None, State.DEFERRED])
def test_a_certificate_that_another_caller_decided_about_gets_its_serial_number(
    aws: Account, listing: FakeList, status: str, state: State | None
) -> None:
    certificate_id = register(aws, listing, status)
    if state is not None:
        aws.ledger.items.update(Update(certificate_id, {"state": state}))

    statistics = newest(aws, passes(aws, listing))

    assert statistics.backfilled == {Backfilled.KNOWN: 1}
    row = aws.row(certificate_id)
    assert (row.state, bool(row.serial_number)) == (state or State.KNOWN, True)


def test_the_newest_first_pass_stops_at_the_start_of_the_previous_one(
    aws: Account, listing: FakeList
) -> None:
    register_all(aws, listing, range(1, 9), "hours")
    newest(aws, passes(aws, listing))
    assert [marker for marker, _ in listing.calls] == [None, "2", "4", "6"]

    aws.clock.pass_time(hours=1)
    listing.calls.clear()
    statistics = newest(aws, passes(aws, listing))

    # Down to an hour and a quarter before the last pass began.
    assert listing.calls == [(None, False)]
    assert statistics.ended


def test_the_first_newest_first_pass_covers_one_day(aws: Account, listing: FakeList) -> None:
    register_all(aws, listing, range(1, 9), "days")

    newest(aws, passes(aws, listing))

    assert len(listing.calls) == 1


def test_the_full_pass_finds_certificates_older_than_the_pipeline(aws: Account, listing: FakeList) -> None:
    register_all(aws, listing, range(1, 9), "days")

    statistics = full(aws, passes(aws, listing))

    assert (statistics.seen, statistics.requeued, statistics.ended) == (8, 8, True)
    assert all(oldest_first for _, oldest_first in listing.calls)


@pytest.mark.parametrize("kind", PassKind)
def test_a_pass_whose_time_is_up_continues_at_its_cursor(
    aws: Account, listing: FakeList, kind: PassKind
) -> None:
    register_all(aws, listing, range(20, 30), "minutes")

    parts = [run(aws, passes(aws, listing), kind, seconds=2) for _ in range(3)]

    assert [marker for marker, _ in listing.calls] == [None, "2", "4", "6", "8"]
    assert [(part.seen, part.ended) for part in parts if part] == [(4, False), (4, False), (2, True)]


def test_a_full_pass_does_not_begin_before_it_is_due(aws: Account, listing: FakeList) -> None:
    register(aws, listing)
    full(aws, passes(aws, listing))

    aws.clock.pass_time(days=6)
    assert run(aws, passes(aws, listing), PassKind.FULL) is None

    aws.clock.pass_time(days=1)
    full(aws, passes(aws, listing))


def test_the_pass_restarts_if_its_marker_is_not_accepted_any_more(aws: Account, listing: FakeList) -> None:
    register_all(aws, listing, range(1, 6), "days")
    full(aws, passes(aws, listing), seconds=1)
    listing.refuse_markers = True

    statistics = full(aws, passes(aws, listing))

    assert statistics.ended
    assert [marker for marker, _ in listing.calls] == [None, "2", None, "2", "4"]


def test_after_an_error_the_pass_continues_at_its_cursor(aws: Account, listing: FakeList) -> None:
    register_all(aws, listing, range(1, 6), "days")
    listing.fail_at_call = 2
    with pytest.raises(ClientError):
        full(aws, passes(aws, listing))

    statistics = full(aws, passes(aws, listing))

    assert (statistics.seen, statistics.ended) == (3, True)


def test_a_page_that_could_not_be_backfilled_in_time_is_read_again(aws: Account, listing: FakeList) -> None:
    register(aws, listing, status="ACTIVE")
    busy = passes(aws, listing, rate=10)
    busy.rate_limiter.reserve(10_000)
    busy.rate_limiter.wait_for_background_slot(until=aws.clock() + timedelta(minutes=1))
    statistics = newest(aws, busy, seconds=9)
    assert (statistics.ended, statistics.backfilled) == (False, {})

    aws.clock.pass_time(hours=1)
    statistics = newest(aws, passes(aws, listing, rate=10))

    assert (statistics.ended, statistics.backfilled) == (True, {Backfilled.KNOWN: 1})


def test_a_device_registered_while_a_page_is_read_is_not_missed(aws: Account, listing: FakeList) -> None:
    register_all(aws, listing, range(20, 30), "minutes")
    of = passes(aws, listing)
    newest(aws, of, seconds=2)
    # It is inserted at the front of the list, so every marker now points to an earlier certificate.
    young = CertificateSummary(aws.pending(), "PENDING_ACTIVATION", aws.clock())
    listing.certificates.append(young)
    newest(aws, of)
    aws.queued()

    aws.clock.pass_time(hours=1)
    statistics = newest(aws, passes(aws, listing))

    assert statistics.requeued >= 1
    assert any(young.certificate_id in body for body in aws.queued())


def test_a_young_certificate_is_found_by_a_later_pass(aws: Account, listing: FakeList) -> None:
    listing.certificates.append(CertificateSummary(aws.pending(), "PENDING_ACTIVATION", aws.clock()))
    assert newest(aws, passes(aws, listing)).requeued == 0

    aws.clock.pass_time(hours=1)

    assert newest(aws, passes(aws, listing)).requeued == 1


def test_a_long_time_until_an_event_counts_as_lost_is_covered_by_the_next_pass(
    aws: Account, listing: FakeList
) -> None:
    of = replace(passes(aws, listing), pending_after=timedelta(hours=5))
    register_all(aws, listing, range(2, 4), "hours")
    young = register(aws, listing, hours=4)
    assert newest(aws, of).requeued == 0

    aws.clock.pass_time(hours=2)
    newest(aws, of)

    assert any(young in body for body in aws.queued())


def test_a_certificate_registered_between_two_runs_of_a_pass_is_found_by_the_next_pass(
    aws: Account, listing: FakeList
) -> None:
    register_all(aws, listing, range(20, 30), "minutes")
    newest(aws, passes(aws, listing), seconds=2)
    young = register(aws, listing, seconds=0)
    aws.clock.pass_time(hours=3)
    assert newest(aws, passes(aws, listing)).ended
    register_all(aws, listing, range(1, 3), "hours")

    newest(aws, passes(aws, listing))

    assert any(young in body for body in aws.queued())


def test_each_ca_has_its_own_marker(aws: Account, listing: FakeList) -> None:
    other = CaCertificateId("0" * 64)
    register_all(aws, listing, range(20, 30), "minutes")
    full(aws, passes(aws, listing), seconds=2)

    run(aws, passes(aws, listing), PassKind.FULL, seconds=1, ca=other)
    full(aws, passes(aws, listing), seconds=1)

    assert [marker for marker, _ in listing.calls] == [None, "2", None, "4"]


def test_a_certificate_unchecked_in_an_earlier_run_is_checked_again(aws: Account, listing: FakeList) -> None:
    """The next pass reads further back than to the start of the pass that could not check it."""
    newest(aws, passes(aws, listing))
    aws.clock.pass_time(hours=10)
    register_all(aws, listing, range(2, 4), "hours")
    unchecked = register(aws, listing, status="ACTIVE", hours=5)
    register_all(aws, listing, range(6, 10), "hours")
    three_pages = newest(aws, passes(aws, listing, Stale()), seconds=3)
    assert three_pages.backfilled == {Backfilled.UNCHECKED: 1}
    assert newest(aws, passes(aws, listing)).ended
    assert aws.ledger.row(unchecked) is None

    aws.clock.pass_time(hours=5)
    newest(aws, passes(aws, listing))

    assert aws.ledger.row(unchecked) is not None


def test_a_certificate_that_always_fails_does_not_affect_others(aws: Account, listing: FakeList) -> None:
    bad, good = register(aws, listing, status="ACTIVE", hours=2), register(aws, listing, status="ACTIVE")

    def fail(params: dict[str, str], **_: object) -> None:
        if params["certificateId"] == bad:
            raise listing.error("InternalFailureException")

    aws.iot.meta.events.register("provide-client-params.iot.DescribeCertificate", fail)
    statistics = newest(aws, passes(aws, listing))
    aws.clock.pass_time(hours=5)
    later = newest(aws, passes(aws, listing))

    assert statistics.backfilled == {Backfilled.FAILED: 1, Backfilled.KNOWN: 1}
    assert (statistics.ended, aws.ledger.row(good) is not None) == (True, True)
    assert later.seen == 2, "the next pass does not look back for it: the next full pass tries again"


def test_after_many_failures_the_page_is_read_again(aws: Account, listing: FakeList) -> None:
    listing.page_size = 250
    for _ in range(FAILURES_AT_MOST + 1):
        register(aws, listing, status="ACTIVE")

    def deny(**_: object) -> None:
        raise listing.error("UnauthorizedException")

    aws.iot.meta.events.register_first("before-call.iot.DescribeCertificate", deny)
    with pytest.raises(ClientError):
        newest(aws, passes(aws, listing))
    aws.iot.meta.events.unregister("before-call.iot.DescribeCertificate", deny)

    assert newest(aws, passes(aws, listing)).backfilled == {Backfilled.KNOWN: FAILURES_AT_MOST + 1}


def test_a_run_that_has_lost_its_lease_changes_no_cursor(aws: Account, listing: FakeList) -> None:
    register_all(aws, listing, range(20, 30), "minutes")
    now = aws.clock.milliseconds
    items = aws.ledger.items
    late = Lease.acquire(items, "#reconciler", now=now, expires_at=now + 1)
    Lease.acquire(items, "#reconciler", now=now + 2, expires_at=now + 600_000)

    with pytest.raises(LeaseLostError):
        passes(aws, listing).run(aws.ca_id, PassKind.NEWEST, late, deadline(aws))

    assert f"{PassKind.NEWEST}/{aws.ca_id}" not in (items.get("#reconciler") or {})
