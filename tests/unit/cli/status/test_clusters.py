"""The devices that are not in, by cause."""

import pytest

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.status.clusters import Clusters, cause_of, dead_letters, largest_first
from iot_jitr_runtime.outcomes import Outcome, Reason
from tests.support.fleet_page import certificate

UNDECIDED = {Reason.CLAIMED_ELSEWHERE, Reason.NOT_VISIBLE_YET, Reason.OUT_OF_TIME}


def test_one_cause_is_one_cluster_the_largest_first() -> None:
    clusters = Clusters()
    for number, reason in enumerate(["expired", "rate_limited", "throttled", "rate_limited", "not_listed"]):
        clusters.add(certificate(number, "deferred", reason))

    found = clusters.found()

    assert [(each.cause, each.certificates) for each in found] == [
        (Cause.THROTTLED, 3),
        (Cause.EXPIRED, 1),
        (Cause.NOT_LISTED, 1),
    ]
    assert found[0].reasons == {"rate_limited": 2, "throttled": 1}
    assert found[0].title == Cause.THROTTLED.headline
    assert found[0].fix


def test_the_example_is_the_one_decided_last_and_the_beginning_that_of_the_first() -> None:
    clusters = Clusters()
    for number, (seen, decided) in enumerate([(0, 5), (30, 50), (20, 40)]):
        clusters.add(certificate(number, "refused", "expired", first_seen_at=seen, decided_at=decided))

    (found,) = clusters.found()

    assert found.example == certificate(1, "refused", "expired", first_seen_at=30, decided_at=50)
    assert found.first_seen_at == 20


def test_a_certificate_without_a_reason_is_being_decided_and_counted_by_its_state() -> None:
    clusters = Clusters()
    clusters.add(certificate(1, "activating"))

    (found,) = clusters.found()

    assert (found.cause, found.reasons) == (Cause.BEING_DECIDED, {"activating": 1})


@pytest.mark.parametrize("reason", [r for r in Reason if r.outcome in {Outcome.REFUSED, Outcome.DEFERRED}])
def test_every_reason_has_a_cause_with_a_fix(reason: Reason) -> None:
    clusters = Clusters()
    clusters.add(certificate(1, "deferred", reason.value))

    (found,) = clusters.found()

    assert found.cause is cause_of("deferred", reason.value)
    assert found.cause is not Cause.BEING_DECIDED or reason in UNDECIDED
    assert found.fix


def test_a_reason_of_a_newer_version_is_not_lost() -> None:
    assert cause_of("refused", "of a newer version") is Cause.BEING_DECIDED


def test_dead_letters_are_a_cause_without_an_example() -> None:
    letters = dead_letters(4)

    assert (letters.cause, letters.certificates, letters.example) == (Cause.DEAD_LETTERED, 4, None)
    assert largest_first([dead_letters(1), letters])[0] is letters
