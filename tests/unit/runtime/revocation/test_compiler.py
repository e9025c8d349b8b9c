"""Which CRLs come into force: the newest of each scope, and nothing is ever lost."""

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
from iot_jitr_runtime.revocation.build import FORGOTTEN_AFTER, Compiler, Completion, IndexBuilder
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index
from iot_jitr_runtime.revocation.model import Origin, RejectionReason, RevocationReason, UnusableCrlError
from tests.support.crls import HOLD, KEY_COMPROMISE, NO_END, NOW, CrlSpec, Entry, idp, make_crl
from tests.support.indexes import CA_ID

CA = DevelopmentCa.create()
ONE, TWO = "http://crl.example/1.crl", "http://crl.example/2.crl"
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")


def crl(*serials: int, number: int = 1, url: str | None = None, **values: Any) -> bytes:
    extensions = [idp(url)] if url else []
    return make_crl(
        CA, CrlSpec(entries=[Entry(s) for s in serials], number=number, extensions=extensions, **values)
    )


@dataclass
class Run:
    """One compilation: what came into force of what was offered, or why it was rejected; and the index."""

    taken: dict[str, bool | RejectionReason]
    completion: Completion
    index: Index

    def numbers(self) -> dict[str, int]:
        return {str(record.scope): record.number for record in self.index.crls}

    def listed(self) -> set[int]:
        return {entry.serial for entry in self.index.newly_revoked(None)}


Compile = Callable[..., Run]


@pytest.fixture
def compile_(tmp_path: Path) -> Iterator[Compile]:
    """Compile what is offered, by location; bytes to read, or None for "unchanged since the former index"."""
    runs: list[Run] = []

    def run(
        former: Run | None = None,
        now: datetime = NOW,
        max_age: timedelta | None = None,
        **offered: bytes | None,
    ) -> Run:
        path = tmp_path / f"index-{len(runs)}"
        taken: dict[str, bool | RejectionReason] = {}
        with IndexBuilder(path) as builder:
            compiler = Compiler(builder, CA.certificate, now, max_age, former.index if former else None)
            for location, data in offered.items():
                if data is None:
                    assert compiler.keep(Origin(location, "etag"))
                    continue
                try:
                    taken[location] = compiler.take(data, Origin(location, "etag"))
                except UnusableCrlError as error:
                    taken[location] = error.reason
            completion = compiler.complete()
            builder.finish(CA_ID, now, max_age)
        runs.append(Run(taken, completion, Index.open(path)))
        return runs[-1]

    yield run
    for each in runs:
        each.index.close()


def test_the_first_crl_comes_into_force(compile_: Compile) -> None:
    run = compile_(a=crl(1, 2, number=5))

    assert run.taken == {"a": True}
    assert (run.numbers(), run.listed()) == ({"all certificates of the CA": 5}, {1, 2})
    assert run.completion == Completion({}, [])


def test_a_newer_crl_replaces_the_one_in_force(compile_: Compile) -> None:
    run = compile_(compile_(a=crl(1, 2, number=5)), a=crl(2, 3, number=6))

    assert run.listed() == {2, 3}
    assert run.completion == Completion({}, [])


def test_an_older_crl_never_replaces_the_one_in_force(compile_: Compile) -> None:
    run = compile_(compile_(a=crl(1, number=5)), a=crl(number=4))

    assert run.taken == {"a": False}
    assert (run.numbers(), run.listed()) == ({"all certificates of the CA": 5}, {1})
    [error] = run.completion.rolled_back.values()
    assert error.reason is RejectionReason.ROLLED_BACK
    assert "number 4" in str(error)


def test_a_rollback_is_reported_as_long_as_it_lasts(compile_: Compile) -> None:
    run = compile_(a=crl(number=5))
    for _ in range(3):
        run = compile_(run, a=crl(number=4))
        assert list(run.completion.rolled_back) == [Origin("a", "etag")]


def test_the_same_number_with_an_earlier_this_update_is_a_rollback(compile_: Compile) -> None:
    run = compile_(compile_(a=crl(1)), a=crl(this_update=NOW - timedelta(hours=2)))

    assert run.listed() == {1}
    assert [error.reason for error in run.completion.rolled_back.values()] == [RejectionReason.ROLLED_BACK]


def test_the_same_number_issued_later_is_taken(compile_: Compile) -> None:
    run = compile_(compile_(a=crl(1)), a=crl(2, this_update=NOW))

    assert run.listed() == {2}


@pytest.mark.parametrize("order", [["new", "old"], ["old", "new"]])
def test_of_several_the_newest_comes_into_force_in_any_order(compile_: Compile, order: list[str]) -> None:
    crls = {"new": crl(2, number=9), "old": crl(1, number=8)}

    run = compile_(**{name: crls[name] for name in order})

    assert (run.listed(), run.completion.rolled_back) == ({2}, {})


def test_history_beside_the_crl_in_force_is_no_rollback(compile_: Compile) -> None:
    first = compile_(new=crl(2, number=9), old=crl(1, number=8))
    second = compile_(first, new=None, old=crl(1, number=8))

    assert second.taken == {"old": False}
    assert second.completion == Completion({}, [])
    assert second.listed() == {2}


def test_the_one_in_force_is_not_taken_again_from_another_place(compile_: Compile) -> None:
    run = compile_(compile_(a=crl(1)), a=None, b=crl(1))

    assert run.taken == {"b": False}
    assert [record.origin.location for record in run.index.crls] == ["a"]


def test_expired_history_is_history(compile_: Compile) -> None:
    week = timedelta(days=7)
    old = crl(1, number=8, this_update=NOW - 2 * week, next_update=NOW - week)

    run = compile_(new=crl(2, number=9), old=old)

    assert run.taken == {"new": True, "old": False}


def test_partitions_are_in_force_side_by_side(compile_: Compile) -> None:
    run = compile_(a=crl(1, number=5, url=ONE), b=crl(2, number=3, url=TWO))

    assert run.numbers() == {ONE: 5, TWO: 3}
    assert run.listed() == {1, 2}


def test_a_partition_that_changed_leaves_the_other_as_it_is(compile_: Compile) -> None:
    first = compile_(a=crl(1, number=5, url=ONE), b=crl(2, number=3, url=TWO))

    run = compile_(first, a=crl(7, number=6, url=ONE), b=None)

    assert (run.numbers(), run.listed()) == ({ONE: 6, TWO: 3}, {7, 2})
    assert [(r.origin.location, r.entries) for r in run.index.crls] == [("a", 1), ("b", 1)]
    assert run.completion.not_offered == []


def test_a_crl_that_is_no_longer_offered_stays_and_is_reported(compile_: Compile) -> None:
    first = compile_(a=crl(1, url=ONE), b=crl(2, url=TWO))

    run = compile_(first, a=crl(1, url=ONE))

    assert run.listed() == {1, 2}
    assert [record.origin.location for record in run.completion.not_offered] == ["b"]


UNUSABLE = {
    "garbage": (b"<html>", RejectionReason.MALFORMED),
    "another CA's": (make_crl(DevelopmentCa.create("Another CA")), RejectionReason.WRONG_ISSUER),
    "forged": (make_crl(DevelopmentCa.create()), RejectionReason.BAD_SIGNATURE),
    "expired": (
        crl(number=6, this_update=NOW - timedelta(days=2), next_update=NOW - timedelta(days=1)),
        RejectionReason.EXPIRED,
    ),
    "future": (crl(number=6, this_update=NOW + timedelta(hours=1)), RejectionReason.NOT_YET_VALID),
    "bad entry": (
        make_crl(CA, CrlSpec(number=6, entries=[Entry(3), Entry(4, extensions=[(UNKNOWN, True)])])),
        RejectionReason.CRITICAL_ENTRY_EXTENSION,
    ),
}


@pytest.mark.parametrize(("data", "rule"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_crl_leaves_the_one_in_force(
    compile_: Compile, data: bytes, rule: RejectionReason
) -> None:
    run = compile_(compile_(a=crl(1, number=5)), a=data)

    assert run.taken == {"a": rule}
    assert (run.numbers(), run.listed()) == ({"all certificates of the CA": 5}, {1})


@pytest.mark.parametrize(("data", "rule"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_crl_does_not_prevent_usable_ones(
    compile_: Compile, data: bytes, rule: RejectionReason
) -> None:
    run = compile_(bad=data, good=crl(1, number=5), also=crl(2, url=ONE))

    assert run.taken == {"bad": rule, "good": True, "also": True}
    assert run.listed() == {1, 2}


def test_an_unusable_first_crl_leaves_nothing_in_force(compile_: Compile) -> None:
    assert compile_(a=b"<html>").index.crls == []


def test_the_same_crl_in_two_places_comes_into_force_from_the_first(compile_: Compile) -> None:
    run = compile_(a=crl(1), b=crl(1))

    assert run.taken == {"a": True, "b": False}
    assert [record.origin.location for record in run.index.crls] == ["a"]


def test_a_crl_stale_for_a_week_is_forgotten_while_others_are_in_force(compile_: Compile) -> None:
    later = NOW + timedelta(days=1) + FORGOTTEN_AFTER
    fresh = crl(
        1, number=2, url=ONE, this_update=later - timedelta(hours=1), next_update=later + timedelta(days=1)
    )
    first = compile_(a=crl(1, url=ONE), b=crl(2, url=TWO))

    run = compile_(first, now=later, a=fresh)

    assert run.numbers() == {ONE: 2}
    just_before = compile_(first, now=later - timedelta(seconds=1), a=fresh)
    assert just_before.numbers() == {ONE: 2, TWO: 1}


def test_the_week_begins_when_the_maximum_age_is_reached(compile_: Compile) -> None:
    age = timedelta(hours=3)
    later = NOW - timedelta(hours=1) + age + FORGOTTEN_AFTER
    fresh = crl(1, number=2, url=ONE, this_update=later, next_update=later + timedelta(days=1))
    first = compile_(a=crl(1, url=ONE), b=crl(2, url=TWO), max_age=age)

    assert compile_(first, now=later, max_age=age, a=fresh).numbers() == {ONE: 2}
    assert compile_(first, now=later, a=fresh).numbers() == {ONE: 2, TWO: 1}


def test_a_crl_without_end_is_never_forgotten(compile_: Compile) -> None:
    first = compile_(a=crl(1, url=ONE, next_update=NO_END), b=crl(2, url=TWO, next_update=NO_END))

    assert compile_(first, a=crl(1, number=2, url=ONE)).numbers() == {ONE: 2, TWO: 1}
    assert compile_(first, max_age=timedelta.max, a=crl(1, number=2, url=ONE)).numbers() == {ONE: 2, TWO: 1}


def test_the_only_crl_is_never_forgotten(compile_: Compile) -> None:
    run = compile_(compile_(a=crl(1)), now=NOW + timedelta(days=1000))

    assert run.listed() == {1}


def test_reasons_survive_being_carried_over(compile_: Compile) -> None:
    entries = [Entry(1), Entry(2, HOLD), Entry(3, KEY_COMPROMISE)]
    first = compile_(a=make_crl(CA, CrlSpec(entries=entries)))

    assert {tuple(e) for e in compile_(first).index.newly_revoked(None)} == {
        (1, RevocationReason.UNSPECIFIED),
        (2, RevocationReason.CERTIFICATE_HOLD),
        (3, RevocationReason.KEY_COMPROMISE),
    }


def test_the_maximum_age_is_kept_in_the_index(compile_: Compile) -> None:
    age = timedelta(hours=3)

    assert compile_(a=crl(1), max_age=age).index.max_age == age
    assert compile_(a=crl(this_update=NOW - age), max_age=age).taken == {"a": RejectionReason.EXPIRED}


def test_without_etag_nothing_is_known_again(compile_: Compile, tmp_path: Path) -> None:
    former = compile_(new=crl(2, number=9), old=crl(1, number=8)).index
    with IndexBuilder(tmp_path / "next") as builder:
        compiler = Compiler(builder, CA.certificate, NOW, None, former)

        assert not compiler.keep(Origin("old"))
        assert not compiler.keep(Origin("unheard of", "etag"))
        compiler.take(crl(1, number=8), Origin("old"))
        compiler.take(crl(2, number=9), Origin("new"))
        assert compiler.complete() == Completion({}, [])


def test_last_modified_identifies_a_crl_as_well_as_an_etag(tmp_path: Path) -> None:
    dated, bare = Origin("dated", last_modified="Mon, 23 Nov 2026 12:00:00 GMT"), Origin("bare")
    with IndexBuilder(tmp_path / "former") as builder:
        first = Compiler(builder, CA.certificate, NOW)
        first.take(crl(1, url=ONE), dated)
        first.take(crl(2, url=TWO), bare)
        builder.finish(CA_ID, NOW, None)
    former = Index.open(tmp_path / "former")

    with IndexBuilder(tmp_path / "next") as builder:
        compiler = Compiler(builder, CA.certificate, NOW, former=former)
        assert compiler.keep(dated)
        assert not compiler.keep(bare)
    former.close()


def test_a_damaged_former_index_is_said_to_be_damaged(compile_: Compile, tmp_path: Path) -> None:
    import sqlite3

    former = compile_(a=crl(1)).index
    with sqlite3.connect(former.path) as database:
        database.execute("DROP TABLE revoked")
    with IndexBuilder(tmp_path / "next") as builder, pytest.raises(DamagedIndexError):
        Compiler(builder, CA.certificate, NOW, None, former).complete()


def test_very_many_entries_of_every_width_arrive(compile_: Compile) -> None:
    serials = [1 << (8 * width) | number for width in range(19) for number in range(20)]

    assert compile_(a=crl(*serials)).listed() == set(serials)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([None, ONE, TWO]), st.integers(1, 5)), max_size=4), max_size=4
    )
)
def test_in_force_is_the_highest_number_ever_offered(
    compile_: Compile, runs: list[list[tuple[str | None, int]]]
) -> None:
    highest: dict[str, int] = {}
    run = None
    for offers in runs:
        crls = {f"crl{i}": crl(number=number, url=url) for i, (url, number) in enumerate(offers)}
        run = compile_(run, **crls)
        for url, number in offers:
            name = url or "all certificates of the CA"
            highest[name] = max(number, highest.get(name, 0))
        assert run.numbers() == highest
