"""Which CRLs come into force: the newest of each scope, and no scope is ever lost."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime.revocation.build import UNUSED_AFTER, IndexBuilder
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index
from iot_jitr_runtime.revocation.model import Origin, RejectionReason, RevocationReason, UnusableCrlError
from tests.support.crls import HOLD, KEY_COMPROMISE, NO_END, NOW, CrlSpec, Entry, idp, make_crl
from tests.support.indexes import CA_ID

CA = DevelopmentCa.create()
ONE, TWO = "http://crl.example/1.crl", "http://crl.example/2.crl"
ALL = "all certificates of the CA"
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


def crl(*serials: int, number: int = 1, url: str | None = None, **values: Any) -> bytes:
    extensions = [idp(url)] if url else []
    return make_crl(CA, CrlSpec([Entry(s) for s in serials], number, extensions=extensions, **values))


@dataclass
class Run:
    """One build: which offered CRLs came into force, why others were rejected, and the index."""

    results: dict[str, bool | RejectionReason]
    rolled_back: dict[Origin, UnusableCrlError]
    older: list[str]
    index: Index

    def numbers(self) -> dict[str, int]:
        return {str(record.scope): record.number for record in self.index.crls}

    def listed(self) -> set[int]:
        return {entry.serial for entry in self.index.newly_revoked(None)}

    def places(self) -> list[str]:
        return [record.origin.location for record in self.index.crls]


Build = Callable[..., Run]


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Build from the offered CRLs, by location: bytes to read, or None for "as in the former index"."""
    runs: list[Run] = []

    def run(
        former: Run | None = None,
        now: datetime = NOW,
        max_age: timedelta | None = None,
        **offered: bytes | None,
    ) -> Run:
        path = tmp_path / f"index-{len(runs)}"
        results: dict[str, bool | RejectionReason] = {}
        with IndexBuilder(path, CA.certificate, now, max_age, former and former.index) as builder:
            for location, data in offered.items():
                if data is None:
                    assert builder.reuse(Origin(location, "etag"))
                    continue
                try:
                    results[location] = builder.add_crl(data, Origin(location, "etag"))
                except UnusableCrlError as error:
                    results[location] = error.reason
            rolled_back = builder.complete()
            builder.finish(CA_ID)
        older = [record.origin.location for record in builder.older]
        runs.append(Run(results, rolled_back, older, Index.open(path)))
        return runs[-1]

    yield run
    for each in runs:
        each.index.close()


def test_the_first_crl_comes_into_force(build: Build) -> None:
    run = build(a=crl(1, 2, number=5))

    assert (run.results, run.rolled_back, run.older) == ({"a": True}, {}, [])
    assert (run.numbers(), run.listed()) == ({ALL: 5}, {1, 2})


EARLIER, LATER = NOW - timedelta(hours=2), NOW


@pytest.mark.parametrize(
    ("offered", "accepted"),
    [
        pytest.param(crl(2, 3, number=6), True, id="higher number"),
        pytest.param(crl(2, 3, number=4), False, id="lower number"),
        pytest.param(crl(2, 3, number=5, this_update=LATER), True, id="same number, issued later"),
        pytest.param(crl(2, 3, number=5, this_update=EARLIER), False, id="same number, issued earlier"),
        pytest.param(crl(2, 3, number=4, this_update=LATER), False, id="lower number, issued later"),
    ],
)
def test_a_crl_replaces_the_one_in_force_or_is_a_rollback(
    build: Build, offered: bytes, *, accepted: bool
) -> None:
    run = build(a=crl(1, number=5))
    for _ in range(2):
        run = build(run, a=offered)
        assert run.results == {"a": accepted}
        assert run.listed() == ({2, 3} if accepted else {1})
        reasons = {origin: error.reason for origin, error in run.rolled_back.items()}
        assert reasons == ({} if accepted else {Origin("a", "etag"): RejectionReason.ROLLED_BACK})


def test_a_rollback_names_both_numbers(build: Build) -> None:
    [error] = build(build(a=crl(number=5)), a=crl(number=4)).rolled_back.values()

    assert "number 4" in str(error)
    assert "than the 5 in force" in str(error)


@pytest.mark.parametrize("order", [["new", "old"], ["old", "new"]])
def test_the_newest_of_several_crls_comes_into_force_in_any_order(build: Build, order: list[str]) -> None:
    crls = {"new": crl(2, number=9), "old": crl(1, number=8)}

    run = build(**{name: crls[name] for name in order})

    assert (run.listed(), run.rolled_back, run.older) == ({2}, {}, ["old"])


def test_an_older_crl_beside_the_one_in_force_is_no_rollback(build: Build) -> None:
    first = build(new=crl(2, number=9), old=crl(1, number=8))
    second = build(first, new=None, old=crl(1, number=8))

    assert (second.results, second.rolled_back, second.listed()) == ({"old": False}, {}, {2})


@pytest.mark.parametrize("second", [{"a": None, "b": crl(1)}, {"a": crl(1), "b": crl(1)}])
def test_the_same_crl_in_two_places_is_in_force_from_the_first(
    build: Build, second: dict[str, bytes | None]
) -> None:
    run = build(build(a=crl(1)), **second)

    assert (run.results["b"], run.places()) == (False, ["a"])


def test_an_expired_older_crl_is_ignored(build: Build) -> None:
    week = timedelta(days=7)
    old = crl(1, number=8, this_update=NOW - 2 * week, next_update=NOW - week)

    assert build(new=crl(2, number=9), old=old).results == {"new": True, "old": False}


def test_a_partition_that_changed_leaves_the_other_as_it_is(build: Build) -> None:
    first = build(a=crl(1, number=5, url=ONE), b=crl(2, number=3, url=TWO))
    assert (first.numbers(), first.listed()) == ({ONE: 5, TWO: 3}, {1, 2})

    run = build(first, a=crl(7, number=6, url=ONE), b=None)

    assert (run.numbers(), run.listed(), run.rolled_back) == ({ONE: 6, TWO: 3}, {7, 2}, {})
    assert [(r.origin.location, r.entries) for r in run.index.crls] == [("a", 1), ("b", 1)]


def test_a_crl_that_is_no_longer_offered_stays(build: Build) -> None:
    run = build(build(a=crl(1, url=ONE), b=crl(2, url=TWO)), a=crl(1, url=ONE))

    assert (run.listed(), run.places()) == ({1, 2}, ["a", "b"])


UNUSABLE = {
    "garbage": (b"<html>", RejectionReason.MALFORMED),
    "another CA's": (make_crl(DevelopmentCa.create("Another CA")), RejectionReason.WRONG_ISSUER),
    "forged": (make_crl(DevelopmentCa.create()), RejectionReason.BAD_SIGNATURE),
    "expired": (
        crl(number=6, this_update=NOW - timedelta(days=2), next_update=NOW - timedelta(days=1)),
        RejectionReason.EXPIRED,
    ),
    "bad entry": (
        make_crl(CA, CrlSpec(number=6, entries=[Entry(3), Entry(4, extensions=[(UNKNOWN, True)])])),
        RejectionReason.CRITICAL_ENTRY_EXTENSION,
    ),
}


@pytest.mark.parametrize(("data", "reason"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_crl_changes_nothing_and_does_not_prevent_usable_ones(
    build: Build, data: bytes, reason: RejectionReason
) -> None:
    first = build(bad=data)
    second = build(first, bad=data, good=crl(1, number=5))
    third = build(second, good=data, also=crl(2, url=ONE))

    assert (first.results, first.index.crls) == ({"bad": reason}, [])
    assert (second.results, second.listed()) == ({"bad": reason, "good": True}, {1})
    assert (third.results, third.listed()) == ({"good": reason, "also": True}, {1, 2})
    assert third.numbers() == {ONE: 1, ALL: 5}


def test_a_crl_stale_for_a_week_is_dropped_if_others_are_in_force(build: Build) -> None:
    later = NOW + timedelta(days=1) + UNUSED_AFTER
    fresh = crl(
        1, number=2, url=ONE, this_update=later - timedelta(hours=1), next_update=later + timedelta(days=1)
    )
    first = build(a=crl(1, url=ONE), b=crl(2, url=TWO))

    run = build(first, now=later, a=fresh)

    assert run.numbers() == {ONE: 2}
    just_before = build(first, now=later - timedelta(seconds=1), a=fresh)
    assert just_before.numbers() == {ONE: 2, TWO: 1}


def test_the_week_before_a_crl_is_dropped_begins_at_the_maximum_age(build: Build) -> None:
    age = timedelta(hours=3)
    later = NOW - timedelta(hours=1) + age + UNUSED_AFTER
    fresh = crl(1, number=2, url=ONE, this_update=later, next_update=later + timedelta(days=1))
    first = build(a=crl(1, url=ONE), b=crl(2, url=TWO), max_age=age)

    assert build(first, now=later, max_age=age, a=fresh).numbers() == {ONE: 2}
    assert build(first, now=later, a=fresh).numbers() == {ONE: 2, TWO: 1}


def test_a_crl_without_end_is_never_dropped(build: Build) -> None:
    first = build(a=crl(1, url=ONE, next_update=NO_END), b=crl(2, url=TWO, next_update=NO_END))

    assert build(first, a=crl(1, number=2, url=ONE)).numbers() == {ONE: 2, TWO: 1}
    assert build(first, max_age=timedelta.max, a=crl(1, number=2, url=ONE)).numbers() == {ONE: 2, TWO: 1}


def test_the_only_crl_is_never_dropped(build: Build) -> None:
    run = build(build(a=crl(1)), now=NOW + timedelta(days=1000))

    assert run.listed() == {1}


def test_reasons_are_kept_when_a_crl_is_carried_over(build: Build) -> None:
    entries = [Entry(1), Entry(2, HOLD), Entry(3, KEY_COMPROMISE)]
    first = build(a=make_crl(CA, CrlSpec(entries=entries)))

    assert {tuple(e) for e in build(first).index.newly_revoked(None)} == {
        (1, RevocationReason.UNSPECIFIED),
        (2, RevocationReason.CERTIFICATE_HOLD),
        (3, RevocationReason.KEY_COMPROMISE),
    }


def test_the_maximum_age_is_kept_in_the_index(build: Build) -> None:
    age = timedelta(hours=3)

    assert build(a=crl(1), max_age=age).index.max_age == age
    assert build(a=crl(this_update=NOW - age), max_age=age).results == {"a": RejectionReason.EXPIRED}


def test_only_crls_with_a_cache_validator_are_kept_without_reading(tmp_path: Path) -> None:
    tagged, bare = Origin("tagged", "1"), Origin("bare")
    dated = Origin("dated", last_modified="Mon, 23 Nov 2026 12:00:00 GMT")
    with IndexBuilder(tmp_path / "former", CA.certificate, NOW) as builder:
        for origin, url in ((tagged, None), (dated, ONE), (bare, TWO)):
            builder.add_crl(crl(1, url=url), origin)
        builder.finish(CA_ID)
    former = Index.open(tmp_path / "former")

    with IndexBuilder(tmp_path / "next", CA.certificate, NOW, None, former) as builder:
        reused = [builder.reuse(origin) for origin in (tagged, dated, bare, Origin("tagged", "2"))]
    former.close()

    assert reused == [True, True, False, False]


def test_a_damaged_former_index_is_an_error(build: Build, tmp_path: Path) -> None:
    former = build(a=crl(1)).index
    with sqlite3.connect(former.path) as database:
        database.execute("DROP TABLE revoked")
    with (
        IndexBuilder(tmp_path / "next", CA.certificate, NOW, None, former) as builder,
        pytest.raises(DamagedIndexError, match="the former index is damaged: no such table"),
    ):
        builder.complete()


def test_the_index_has_all_entries_of_every_serial_number_length(build: Build) -> None:
    serials = [1 << (8 * width) | number for width in range(19) for number in range(20)]

    assert build(a=crl(*serials)).listed() == set(serials)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([None, ONE, TWO]), st.integers(1, 5)), max_size=4), max_size=4
    )
)
def test_the_crl_with_the_highest_number_is_in_force(
    build: Build, runs: list[list[tuple[str | None, int]]]
) -> None:
    highest: dict[str, int] = {}
    run = None
    for offers in runs:
        crls = {f"crl{i}": crl(number=number, url=url) for i, (url, number) in enumerate(offers)}
        run = build(run, **crls)
        for url, number in offers:
            name = url or ALL
            highest[name] = max(number, highest.get(name, 0))
        assert run.numbers() == highest
