"""One run: good CRLs come into force; bad ones change nothing and are reported."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime.publisher.http import HttpSource
from iot_jitr_runtime.publisher.object_cache import key as object_cache_key
from iot_jitr_runtime.publisher.publish import IndexProblem, PublicationReport, publish
from iot_jitr_runtime.publisher.s3 import S3Source
from iot_jitr_runtime.publisher.settings import CaSettings
from iot_jitr_runtime.publisher.sources import FetchError, FetchProblem
from iot_jitr_runtime.revocation.index import Index
from iot_jitr_runtime.revocation.model import RejectionReason
from iot_jitr_runtime.revocation.store import (
    IndexMissingError,
    IndexReplacedError,
    IndexStore,
    key,
)
from tests.support.buckets import new_bucket
from tests.support.clock import Clock
from tests.support.crl_server import CrlServer, crl_server
from tests.support.crls import NO_END, CrlSpec, Entry, idp, make_crl
from tests.support.faults import Crash, Fault, counted, injected, meanwhile
from tests.support.indexes import CA_ID
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing

CA = DevelopmentCa.create()
HOUR = timedelta(hours=1)
ONE, TWO = "http://crl.example/1.crl", "http://crl.example/2.crl"
PROBLEMS = RejectionReason | FetchProblem | IndexProblem


class Harness:
    """A bucket with a prefix for CRLs, and the publisher that reads it."""

    def __init__(self, s3: Any, folder: Path) -> None:
        self.s3 = s3
        self.folder = folder
        self.clock = Clock()
        self.bucket = new_bucket(s3)
        self.store = IndexStore(s3, self.bucket)
        self.source: Any = S3Source(s3, self.bucket, "crl/Factory/", max_bytes=1_000_000)
        self.downloads = 0

    def crl(self, *serials: int, number: int = 1, url: str | None = None, **values: Any) -> bytes:
        now = self.clock()
        times = {"this_update": now - HOUR, "next_update": now + 24 * HOUR} | values
        extensions = [idp(url)] if url else []
        return make_crl(CA, CrlSpec([Entry(s) for s in serials], number, extensions=extensions, **times))

    def upload(self, content: bytes, name: str = "ca.crl") -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"crl/Factory/{name}", Body=content)

    def delete(self, name: str = "ca.crl") -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=f"crl/Factory/{name}")

    def publish(self, max_age: timedelta | None = None) -> PublicationReport:
        return publish(self.store, CA_ID, CA.certificate, CaSettings(self.source, max_age), self.clock())

    def listed(self) -> set[int] | None:
        """What the index in force lists; None where there is none."""
        self.downloads += 1
        path = self.folder / f"downloaded-{self.downloads}"
        try:
            self.store.download(CA_ID, path)
        except IndexMissingError:
            return None
        index = Index.open(path)
        serials = {entry.serial for entry in index.newly_revoked(None)}
        index.close()
        return serials


def kinds(report: PublicationReport) -> list[PROBLEMS]:
    return [problem.kind for problem in report.problems]


@pytest.fixture
def harness(s3: Any, tmp_path: Path) -> Harness:
    return Harness(s3, tmp_path)


def test_an_uploaded_crl_comes_into_force(harness: Harness) -> None:
    harness.upload(harness.crl(1, 2, number=7))

    report = harness.publish()

    assert (report.changed, report.problems) == (True, [])
    assert report.version == harness.store.current(CA_ID).version
    assert report.usable_until == harness.clock() + 24 * HOUR == harness.store.current(CA_ID).usable_until
    assert [(crl.number, crl.origin.location) for crl in report.crls] == [
        (7, f"s3://{harness.bucket}/crl/Factory/ca.crl")
    ]
    assert harness.listed() == {1, 2}


def test_an_unchanged_crl_is_neither_read_nor_published_again(harness: Harness) -> None:
    harness.upload(harness.crl(1))
    first = harness.publish()

    with counted(harness.s3) as calls:
        second = harness.publish()

    assert (second.changed, second.version, second.problems) == (False, first.version, [])
    assert calls.count("PutObject") == 0
    assert calls.count("GetObject") == 1


def test_all_partitions_below_the_prefix_are_published(harness: Harness) -> None:
    harness.upload(harness.crl(1, url=ONE), "1.crl")
    harness.upload(harness.crl(2, url=TWO), "deeper/2.crl")
    harness.s3.put_object(Bucket=harness.bucket, Key="crl/Factory/deeper/", Body=b"")
    harness.s3.put_object(Bucket=harness.bucket, Key="crl/Workshop/ca.crl", Body=b"another CA's")

    report = harness.publish()

    assert (len(report.crls), report.problems) == (2, [])
    assert harness.listed() == {1, 2}


UNUSABLE: dict[str, tuple[Callable[[Harness], bytes], PROBLEMS]] = {
    "garbage": (lambda _: b"\x30\x82\xff\xff garbage", RejectionReason.MALFORMED),
    "future": (
        lambda harness: harness.crl(3, number=9, this_update=harness.clock() + HOUR),
        RejectionReason.NOT_YET_VALID,
    ),
    "rolled back": (lambda harness: harness.crl(3, number=4), RejectionReason.ROLLED_BACK),
    "too large": (lambda _: bytes(1_000_001), FetchProblem.TOO_LARGE),
}


@contextmanager
def objects_read(harness: Harness) -> Iterator[list[str]]:
    """The names of the CRLs that are downloaded in the block."""
    names: list[str] = []

    def read(params: Any, **_: Any) -> None:
        _, prefix, name = params["url_path"].partition("crl/Factory/")
        if prefix:
            names.append(name)

    harness.s3.meta.events.register_first("before-call.s3.GetObject", read)
    try:
        yield names
    finally:
        harness.s3.meta.events.unregister("before-call.s3.GetObject", read)


@pytest.mark.parametrize(("make", "kind"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_crl_is_read_once_and_reported_at_every_run(
    harness: Harness, make: Callable[[Harness], bytes], kind: PROBLEMS
) -> None:
    harness.upload(harness.crl(1, number=5))
    before = harness.publish().version
    harness.upload(make(harness))
    harness.publish()
    with objects_read(harness) as names:
        reports = [harness.publish() for _ in range(2)]

    # Time alone makes a CRL of the future usable, so it is read again.
    assert names == (["ca.crl"] * 2 if kind is RejectionReason.NOT_YET_VALID else [])
    for report in reports:
        assert (report.changed, report.version, kinds(report)) == (False, before, [kind])
        assert report.problems[0].location == f"s3://{harness.bucket}/crl/Factory/ca.crl"
        assert report.problems[0].detail
    assert harness.listed() == {1}


def test_without_a_usable_crl_there_is_no_index(harness: Harness) -> None:
    harness.upload(b"garbage")

    for _ in range(2):
        report = harness.publish()
        assert (report.changed, report.version, kinds(report)) == (False, None, [RejectionReason.MALFORMED])
    assert harness.listed() is None


def test_an_unusable_crl_does_not_prevent_others_from_coming_into_force(harness: Harness) -> None:
    harness.upload(b"garbage", "a.crl")
    harness.upload(harness.crl(1), "b.crl")

    assert kinds(harness.publish()) == [RejectionReason.MALFORMED]
    assert harness.listed() == {1}
    harness.delete("a.crl")
    assert harness.publish().problems == []


def test_a_usable_object_in_place_of_an_unusable_one_comes_into_force(harness: Harness) -> None:
    for content in (b"garbage", b"other garbage"):
        harness.upload(content)
        assert kinds(harness.publish()) == kinds(harness.publish()) == [RejectionReason.MALFORMED]

    harness.upload(harness.crl(1))

    assert harness.publish().problems == []
    assert harness.listed() == {1}
    assert harness.publish().problems == []


def test_a_crl_of_the_future_comes_into_force_at_its_this_update(harness: Harness) -> None:
    harness.upload(harness.crl(1, this_update=harness.clock() + HOUR, next_update=harness.clock() + 3 * HOUR))
    assert kinds(harness.publish()) == [RejectionReason.NOT_YET_VALID]

    harness.clock.pass_time(hours=1)

    assert harness.publish().problems == []
    assert harness.listed() == {1}


def test_an_unusable_crl_is_read_again_after_a_day(harness: Harness) -> None:
    harness.upload(b"garbage")
    harness.publish()
    harness.clock.pass_time(hours=23, minutes=59)
    with objects_read(harness) as names:
        harness.publish()
        assert names == []
        harness.clock.pass_time(minutes=1)
        assert kinds(harness.publish()) == kinds(harness.publish()) == [RejectionReason.MALFORMED]

    assert names == ["ca.crl"]


def test_a_longer_maximum_age_applies_to_a_crl_that_was_too_old(harness: Harness) -> None:
    harness.upload(harness.crl(1))
    assert kinds(harness.publish(timedelta(minutes=30))) == [RejectionReason.EXPIRED]

    assert harness.publish(2 * HOUR).problems == []
    assert harness.listed() == {1}


AT = r'"[^"]*\+00:00"'


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda _: "\ufffd",
        lambda _: "[]",
        lambda _: "5",
        lambda _: "{}",
        lambda _: "[" * 100_000,
        lambda text: text.replace('"older": []', '"older": [1]'),
        lambda text: text.replace('"older": []', '"older": [["[]", "", "", 1e99, 0, "", 0, "", "", ""]]'),
        lambda text: text.replace("malformed", "none"),
        lambda text: re.sub(AT, '"soon"', text),
        lambda text: re.sub(AT, '"0001-01-01T00:00:00+14:00"', text),
        lambda text: re.sub(AT, '"9999-12-31T23:59:59-14:00"', text),
        lambda text: re.sub(r'\+00:00"', '"', text),
    ],
)
def test_a_damaged_object_cache_is_read_and_written_anew(
    harness: Harness, damage: Callable[[str], str]
) -> None:
    harness.upload(b"garbage")
    harness.publish()
    place = {"Bucket": harness.bucket, "Key": object_cache_key(CA_ID)}
    stored = harness.s3.get_object(**place)["Body"].read().decode()
    assert damage(stored) != stored
    harness.s3.put_object(**place, Body=damage(stored).encode())
    with objects_read(harness) as names:
        assert kinds(harness.publish()) == kinds(harness.publish()) == [RejectionReason.MALFORMED]

    assert names == ["ca.crl"]


def test_one_crl_in_two_places_stays_when_the_first_is_deleted(harness: Harness) -> None:
    content = harness.crl(1)
    for name in ("a.crl", "b.crl"):
        harness.upload(content, name)
    harness.publish()
    with objects_read(harness) as names:
        assert harness.publish().problems == []
        assert names == []

    harness.delete("a.crl")

    for _ in range(2):
        report = harness.publish()
        assert (report.changed, report.problems) == (False, [])


def test_beside_a_newer_crl_a_rolled_back_one_is_no_problem(harness: Harness) -> None:
    harness.upload(harness.crl(1, number=5), "new.crl")
    harness.publish()
    harness.delete("new.crl")
    harness.upload(harness.crl(number=4), "old.crl")
    for _ in range(2):
        assert RejectionReason.ROLLED_BACK in kinds(harness.publish())

    harness.upload(harness.crl(2, number=6), "newest.crl")

    assert harness.publish().problems == []
    assert harness.publish().problems == []


@contextmanager
def no_fault(_: Harness) -> Iterator[None]:
    yield


def failing(operation: str, call: int) -> Callable[[Harness], AbstractContextManager[Any]]:
    return lambda harness: injected(harness.s3, operation, Fault.SERVER_ERROR, at_call=call)


@pytest.mark.parametrize(
    ("deleted", "newer", "fault", "kind"),
    [
        pytest.param(["2.crl"], [], no_fault, IndexProblem.NOT_OFFERED, id="a partition is gone"),
        pytest.param(["1.crl", "2.crl"], [], no_fault, FetchProblem.NOT_FOUND, id="nothing is there"),
        pytest.param([], ["3", "4"], no_fault, FetchProblem.TOO_MANY, id="more than the limit"),
        pytest.param([], ["1"], failing("ListObjectsV2", 1), FetchProblem.UNREACHABLE, id="no listing"),
        pytest.param([], ["1"], failing("GetObject", 3), FetchProblem.UNREACHABLE, id="no object"),
    ],
)
def test_a_source_with_a_problem_leaves_the_former_index_in_force(  # noqa: PLR0917
    harness: Harness,
    monkeypatch: pytest.MonkeyPatch,
    deleted: list[str],
    newer: list[str],
    fault: Callable[[Harness], AbstractContextManager[Any]],
    kind: PROBLEMS,
) -> None:
    monkeypatch.setattr("iot_jitr_runtime.publisher.s3.MAX_OBJECTS", 3)
    harness.upload(harness.crl(1, url=ONE), "1.crl")
    harness.upload(harness.crl(2, url=TWO), "2.crl")
    harness.publish()
    for name in deleted:
        harness.delete(name)
    for name in newer:
        harness.upload(harness.crl(3, number=2, url=ONE), f"{name}.crl")

    with fault(harness):
        report = harness.publish()

    assert (report.changed, kinds(report)) == (False, [kind])
    assert harness.listed() == {1, 2}


@pytest.mark.parametrize("replacement", [None, b"another"], ids=["deleted", "replaced"])
def test_a_crl_that_changes_after_it_was_listed_is_not_read(
    harness: Harness, replacement: bytes | None
) -> None:
    harness.upload(harness.crl(1))
    [found] = harness.source.objects([])
    harness.delete() if replacement is None else harness.upload(replacement)

    with pytest.raises(FetchError) as caught:
        found.read()
    assert caught.value.problem is FetchProblem.NOT_FOUND


def test_an_older_crl_is_read_once_and_changes_nothing(harness: Harness) -> None:
    harness.upload(harness.crl(1, number=1), "1.crl")
    harness.upload(harness.crl(2, number=2), "2.crl")
    assert harness.publish().problems == []

    with objects_read(harness) as names:
        report = harness.publish()

    assert (report.changed, report.problems, names) == (False, [], [])
    assert harness.listed() == {2}


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.ACCESS_DENIED])
def test_without_the_object_cache_everything_is_read_again(harness: Harness, fault: Fault) -> None:
    harness.upload(harness.crl(1, number=1), "1.crl")
    harness.upload(harness.crl(2, number=2), "2.crl")
    harness.publish()
    with objects_read(harness) as names, injected(harness.s3, "GetObject", fault, at_call=2):
        report = harness.publish()

    assert (report.changed, report.problems, names) == (False, [], ["1.crl"])


def test_a_stale_crl_is_reported_until_a_fresh_one_comes(harness: Harness) -> None:
    harness.upload(harness.crl(1, number=1))
    harness.publish()
    harness.clock.pass_time(days=2)

    assert kinds(harness.publish()) == [IndexProblem.STALE]
    harness.upload(harness.crl(1, number=2))
    assert harness.publish().problems == []


def test_the_maximum_age_counts_at_once_when_it_is_changed(harness: Harness) -> None:
    harness.upload(harness.crl(1))
    harness.publish()

    report = harness.publish(max_age=2 * HOUR)

    assert report.changed
    assert report.usable_until == harness.clock() + HOUR
    assert kinds(harness.publish(max_age=timedelta(minutes=30))) == [IndexProblem.STALE]


@pytest.mark.parametrize("content", [None, b"", b"garbage"])
def test_a_deleted_or_damaged_index_is_rebuilt(harness: Harness, content: bytes | None) -> None:
    harness.upload(harness.crl(1))
    harness.publish()
    place = {"Bucket": harness.bucket, "Key": key(CA_ID)}
    if content is None:
        harness.s3.delete_object(**place)
    else:
        harness.s3.put_object(**place, Body=content)

    report = harness.publish()

    damaged = [] if content is None else [IndexProblem.INDEX_DAMAGED]
    assert (report.changed, kinds(report)) == (True, damaged)
    assert harness.listed() == {1}
    assert harness.publish().problems == []


@pytest.mark.parametrize("max_age", [None, timedelta(days=999_999_999)])
def test_a_crl_without_end_stays_in_force_to_the_end(harness: Harness, max_age: timedelta | None) -> None:
    harness.upload(harness.crl(1, next_update=NO_END))

    first = harness.publish(max_age)
    harness.clock.now = NO_END
    last = harness.publish(max_age)

    assert (first.usable_until, first.problems) == (NO_END, [])
    assert (last.changed, kinds(last)) == (False, [IndexProblem.STALE])


def test_a_run_restarts_from_an_index_published_concurrently(harness: Harness) -> None:
    def overtake() -> None:
        harness.upload(harness.crl(100, number=100))
        harness.publish()

    harness.upload(harness.crl(1, number=1))
    with meanwhile(harness.s3, "PutObject", overtake):
        assert harness.publish().problems == []

    assert harness.listed() == {100}


def test_a_run_gives_up_after_three_concurrent_publications(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def replaced(*_: Any, **__: Any) -> None:
        raise IndexReplacedError("again")

    monkeypatch.setattr(IndexStore, "publish", replaced)
    harness.upload(harness.crl(1))

    with pytest.raises(IndexReplacedError):
        harness.publish()


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
@pytest.mark.parametrize("fault", list(Fault))
def test_a_run_can_be_repeated_after_a_fault_at_any_call(
    harness: Harness, operation: str, fault: Fault
) -> None:
    harness.upload(harness.crl(1, number=1))
    harness.publish()
    harness.upload(harness.crl(2, number=2))
    with injected(harness.s3, operation, fault) as struck:
        try:
            harness.publish()
        except (Crash, ClientError, ReadTimeoutError):
            assert struck()

    report = harness.publish()

    assert report.problems == []
    assert harness.listed() == {2}


@pytest.fixture
def server() -> Iterator[CrlServer]:
    with crl_server() as running:
        yield running


def over_http(harness: Harness, server: CrlServer, total_seconds: float = LONGEST_WAIT) -> None:
    harness.source = HttpSource(server.url(), 1_000_000, total_seconds, pause_seconds=LONGEST_WAIT)


def test_a_crl_over_http_comes_into_force_and_is_not_fetched_again_unchanged(
    harness: Harness, server: CrlServer
) -> None:
    over_http(harness, server)
    server.serve(harness.crl(1, 2), ETag='"1"')

    first, second = harness.publish(), harness.publish()

    assert (first.changed, second.changed) == (True, False)
    assert (second.version, second.problems) == (first.version, [])
    assert harness.listed() == {1, 2}
    assert server.requests[-1][1]["If-None-Match"] == '"1"'


def test_a_server_without_etags_is_read_every_time(harness: Harness, server: CrlServer) -> None:
    over_http(harness, server)
    server.serve(harness.crl(1, number=1))
    harness.publish()
    server.serve(harness.crl(2, number=2))

    assert harness.publish().changed
    assert harness.listed() == {2}


@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        (lambda request: request.answer(404), FetchProblem.NOT_FOUND),
        (lambda request: request.answer(200, b"<html>maintenance</html>"), RejectionReason.MALFORMED),
        (lambda request: request.drip(b"HTTP/1.1 200 OK\r\nX-Slow: "), FetchProblem.TIMED_OUT),
    ],
)
def test_a_server_that_misbehaves_leaves_the_former_index_in_force(
    harness: Harness, server: CrlServer, behave: Any, kind: PROBLEMS
) -> None:
    over_http(harness, server)
    server.serve(harness.crl(1), ETag='"1"')
    harness.publish()
    server.behaviour = behave
    over_http(harness, server, LONGEST_WAIT if kind is not FetchProblem.TIMED_OUT else 0.2)

    report = harness.publish()

    assert (report.changed, kinds(report)) == (False, [kind])
    assert harness.listed() == {1}


def test_not_modified_without_an_index_in_force_publishes_nothing(
    harness: Harness, server: CrlServer
) -> None:
    over_http(harness, server)
    server.behaviour = lambda request: request.answer(304)

    assert harness.publish().version is None
    assert harness.listed() is None
