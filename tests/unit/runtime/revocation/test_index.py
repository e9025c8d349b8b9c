"""What an index says of a certificate, and what is new in it."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.extensions import crl_distribution_points
from iot_jitr_runtime.certificates import CLOCK_TOLERANCE
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index, RevocationStatus
from iot_jitr_runtime.revocation.model import Origin, RevocationReason
from tests.support.crls import HOLD, KEY_COMPROMISE, NOW, CrlSpec, Entry, idp
from tests.support.indexes import CA_ID, compile_index

if TYPE_CHECKING:
    from cryptography import x509

CA = DevelopmentCa.create()
ONE, TWO = "http://crl.example/1.crl", "http://crl.example/2.crl"
DAY = timedelta(days=1)


def device(serial: int, *urls: str) -> "x509.Certificate":
    extensions = (crl_distribution_points(*urls),) if urls else ()
    return CA.issue(DeviceSpec("device", serial_number=serial, extensions=extensions)).certificate.x509


def partition(url: str, *entries: Entry, **values: Any) -> CrlSpec:
    return CrlSpec(entries=entries, extensions=[idp(url)], **values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    entries = [Entry(0x10), Entry(0x11, KEY_COMPROMISE), Entry(0x12, HOLD), Entry(2**158 + 1)]
    opened = compile_index(path, CA, CrlSpec(entries=entries, number=7))
    yield opened
    opened.close()


def test_a_serial_that_is_not_listed_is_good(index: Index) -> None:
    answer = index.status(device(0x13), NOW)

    assert (answer.status, answer.reason) == (RevocationStatus.GOOD, None)


def test_a_listed_serial_is_revoked_with_its_reason(index: Index) -> None:
    answer = index.status(device(0x11), NOW)

    assert (answer.status, answer.reason) == (RevocationStatus.REVOKED, RevocationReason.KEY_COMPROMISE)
    assert answer.detail == "serial 11 is on CRL number 7 with reason keyCompromise"


def test_a_listed_serial_without_reason_is_revoked(index: Index) -> None:
    assert index.status(device(0x10), NOW).reason is RevocationReason.UNSPECIFIED


def test_the_longest_serial_is_found(index: Index) -> None:
    assert index.status(device(2**158 + 1), NOW).status is RevocationStatus.REVOKED
    assert index.status(device(2**158), NOW).status is RevocationStatus.GOOD


def test_a_hold_is_distinguished_from_a_revocation(index: Index) -> None:
    answer = index.status(device(0x12), NOW)

    assert (answer.status, answer.reason) == (RevocationStatus.ON_HOLD, RevocationReason.CERTIFICATE_HOLD)


def test_the_index_says_where_it_came_from(index: Index) -> None:
    [record] = index.crls

    assert (index.ca_certificate_id, index.max_age, index.entries) == (CA_ID, None, 4)
    assert (record.number, record.entries, record.issuer) == (7, 4, CA.certificate.subject)
    assert (record.this_update, record.next_update) == (NOW - timedelta(hours=1), NOW + DAY)
    assert record.origin == Origin("crl-0", "0")
    assert len(record.digest) == 64


def test_any_sqlite_can_read_it(index: Index) -> None:
    with sqlite3.connect(index.path) as database:
        rows = database.execute("SELECT hex(serial), reason FROM revoked ORDER BY serial").fetchall()

    assert rows[:3] == [("10", 0), ("11", 1), ("12", 6)]


def test_until_next_update_and_the_tolerance_the_index_is_fresh(index: Index) -> None:
    last = NOW + DAY + CLOCK_TOLERANCE - timedelta(seconds=1)

    assert index.status(device(0x13), last).status is RevocationStatus.GOOD
    assert index.status(device(0x13), last + timedelta(seconds=1)).status is RevocationStatus.STALE


def test_a_stale_index_says_only_that_it_is_stale(index: Index) -> None:
    later = NOW + 2 * DAY

    assert {index.status(device(serial), later).status for serial in (0x10, 0x12, 0x13)} == {
        RevocationStatus.STALE
    }


def test_the_configured_maximum_age_makes_it_stale_before_next_update(path: Path) -> None:
    index = compile_index(path, CA, CrlSpec(), max_age=timedelta(hours=2))

    assert index.usable_until == NOW + timedelta(hours=1)
    assert index.status(device(1), NOW).status is RevocationStatus.GOOD
    stale = index.status(device(1), NOW + timedelta(hours=1, minutes=1))
    assert stale.status is RevocationStatus.STALE
    assert stale.detail == f"its CRL has been stale since {NOW + timedelta(hours=1):%Y-%m-%d %H:%M:%SZ}"


def test_each_partition_answers_for_its_certificates(path: Path) -> None:
    index = compile_index(path, CA, partition(ONE, Entry(1)), partition(TWO, Entry(2)))

    answers = {
        (serial, url): index.status(device(serial, url), NOW).status
        for serial in (1, 2)
        for url in (ONE, TWO)
    }

    assert answers == {
        (1, ONE): RevocationStatus.REVOKED,
        (2, ONE): RevocationStatus.GOOD,
        (1, TWO): RevocationStatus.GOOD,
        (2, TWO): RevocationStatus.REVOKED,
    }


def test_without_its_partition_a_certificate_is_not_covered(path: Path) -> None:
    index = compile_index(path, CA, partition(ONE))

    answer = index.status(device(1, TWO), NOW)

    assert answer.status is RevocationStatus.NOT_COVERED
    assert answer.detail.startswith("no CRL speaks for this certificate")
    assert index.status(device(1), NOW).status is RevocationStatus.NOT_COVERED


def test_one_stale_partition_leaves_the_others_fresh(path: Path) -> None:
    soon = NOW + timedelta(hours=1)
    index = compile_index(path, CA, partition(ONE, next_update=soon), partition(TWO))

    assert index.usable_until == soon
    later = NOW + timedelta(hours=2)
    assert index.status(device(1, ONE), later).status is RevocationStatus.STALE
    assert index.status(device(1, TWO), later).status is RevocationStatus.GOOD


def test_a_stale_partition_does_not_speak_while_another_that_covers_is_fresh(path: Path) -> None:
    stale = CrlSpec(entries=[Entry(1, HOLD)], next_update=NOW + timedelta(hours=1))
    index = compile_index(path, CA, stale, partition(ONE))

    assert index.status(device(1, ONE), NOW).status is RevocationStatus.ON_HOLD
    assert index.status(device(1, ONE), NOW + timedelta(hours=2)).status is RevocationStatus.GOOD


@pytest.mark.parametrize(("of_all", "of_one"), [(HOLD, KEY_COMPROMISE), (KEY_COMPROMISE, HOLD)])
def test_a_revocation_on_one_crl_outweighs_a_hold_on_another(
    path: Path, of_all: "x509.ReasonFlags", of_one: "x509.ReasonFlags"
) -> None:
    index = compile_index(path, CA, CrlSpec(entries=[Entry(1, of_all)]), partition(ONE, Entry(1, of_one)))

    answer = index.status(device(1, ONE), NOW)

    assert (answer.status, answer.reason) == (RevocationStatus.REVOKED, RevocationReason.KEY_COMPROMISE)
    assert index.reason(1) is RevocationReason.KEY_COMPROMISE


def test_a_serial_listed_twice_is_revoked_rather_than_on_hold(path: Path) -> None:
    twice = [Entry(1, HOLD), Entry(1, KEY_COMPROMISE), Entry(2, KEY_COMPROMISE), Entry(2, HOLD)]
    index = compile_index(path, CA, CrlSpec(entries=twice))

    assert {index.reason(1), index.reason(2)} == {RevocationReason.KEY_COMPROMISE}
    assert index.entries == 2


def test_the_reason_of_a_serial_that_is_not_listed_is_none(index: Index) -> None:
    assert index.reason(0x13) is None


def test_without_a_former_index_all_entries_are_new(index: Index) -> None:
    assert sorted(index.newly_revoked(None)) == [
        (0x10, RevocationReason.UNSPECIFIED),
        (0x11, RevocationReason.KEY_COMPROMISE),
        (0x12, RevocationReason.CERTIFICATE_HOLD),
        (2**158 + 1, RevocationReason.UNSPECIFIED),
    ]


def test_what_is_new_can_be_read_from_a_serial_on(index: Index) -> None:
    """In the order of the index, which is that of their octets."""
    everything = list(index.newly_revoked(None))

    rest = [list(index.newly_revoked(None, after=entry.serial)) for entry in everything]

    assert rest == [everything[number:] for number in range(1, len(everything) + 1)]


def test_negative_serials_are_returned_as_they_are(index: Index) -> None:
    """RFC 5280 section 4.1.2.2 forbids them, and asks who uses certificates to bear with them."""
    index.close()
    with sqlite3.connect(index.path) as database:
        database.execute("UPDATE revoked SET serial = ? WHERE serial = ?", [b"\xff\x80", b"\x10"])
    changed = Index.open(index.path)

    assert -128 in {entry.serial for entry in changed.newly_revoked(None)}


def test_one_index_is_compared_with_several(index: Index, tmp_path: Path) -> None:
    formers = [
        compile_index(tmp_path / f"{serial}", CA, CrlSpec(entries=[Entry(serial)])) for serial in (0x10, 0x20)
    ]

    found = [len(list(index.newly_revoked(former))) for former in formers]

    assert found == [3, 4]


def test_nothing_is_new_in_the_same_index(index: Index) -> None:
    assert list(index.newly_revoked(index)) == []


def test_a_hold_that_turns_into_a_compromise_is_new(index: Index, tmp_path: Path) -> None:
    newer = compile_index(tmp_path / "newer", CA, CrlSpec(entries=[Entry(0x12, KEY_COMPROMISE)]))

    assert list(newer.newly_revoked(index)) == [(0x12, RevocationReason.KEY_COMPROMISE)]


entries = st.dictionaries(st.integers(1, 30), st.sampled_from([None, HOLD, KEY_COMPROMISE]), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(entries, entries)
def test_newly_revoked_is_the_difference_of_serial_and_reason(
    tmp_path_factory: pytest.TempPathFactory,
    before: "dict[int, x509.ReasonFlags | None]",
    after: "dict[int, x509.ReasonFlags | None]",
) -> None:
    folder = tmp_path_factory.mktemp("indexes")
    old, new = (
        compile_index(folder / name, CA, CrlSpec(entries=[Entry(*entry) for entry in listed.items()]))
        for name, listed in (("old", before), ("new", after))
    )

    difference = set(new.newly_revoked(old))

    assert difference == set(new.newly_revoked(None)) - set(old.newly_revoked(None))
    old.close()
    new.close()


def test_versions_of_later_indexes_are_greater(path: Path, tmp_path: Path) -> None:
    first = compile_index(path, CA, CrlSpec())
    second = compile_index(tmp_path / "second", CA, CrlSpec(), compiled_at=NOW + timedelta(milliseconds=1))

    assert second.version > first.version


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    match how:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "garbage":
            path.write_bytes(b"\x30\x82" * 4096)
        case "html":
            path.write_bytes(b"<html>not here</html>" * 500)
        case "half":
            path.write_bytes(data[: len(data) // 2])
        case "first page":
            path.write_bytes(data[:4096])
        case "another application's":
            path.write_bytes(data[:68] + b"\x00\x00\x00\x01" + data[72:])
        case "a later format":
            path.write_bytes(data[:60] + b"\x00\x00\x00\x63" + data[64:])


@pytest.mark.parametrize(
    "how",
    ["missing", "empty", "garbage", "html", "half", "first page", "another application's", "a later format"],
)
def test_a_damaged_file_is_no_index(index: Index, how: str) -> None:
    damage(index.path, how)

    with pytest.raises(DamagedIndexError) as caught:
        Index.open(index.path).status(device(0x10), NOW)
    assert str(caught.value).startswith(index.path.name)
    assert "\n" not in str(caught.value)


def test_an_index_without_what_it_is_about_is_no_index(index: Index) -> None:
    with sqlite3.connect(index.path) as database:
        database.execute("DELETE FROM about")

    with pytest.raises(DamagedIndexError):
        Index.open(index.path)


@pytest.mark.parametrize(
    "ask",
    [
        lambda index: index.reason(1),
        lambda index: index.status(device(1), NOW),
        lambda index: list(index.newly_revoked(None)),
        lambda index: list(index.newly_revoked(index)),
    ],
)
def test_a_table_that_is_gone_is_damage(index: Index, ask: Any) -> None:
    index.close()
    with sqlite3.connect(index.path) as database:
        database.execute("DROP TABLE revoked")

    with pytest.raises(DamagedIndexError, match=r"^index\.sqlite is damaged: no such table"):
        ask(Index.open(index.path))


def test_a_reason_that_does_not_exist_is_damage(index: Index) -> None:
    index.close()
    with sqlite3.connect(index.path) as database:
        database.execute("UPDATE revoked SET reason = 7")

    damaged = Index.open(index.path)
    with pytest.raises(DamagedIndexError):
        damaged.reason(0x10)
    with pytest.raises(DamagedIndexError):
        list(damaged.newly_revoked(None))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_only_the_typed_error_leaves_a_file_with_changed_bytes(index: Index, data: st.DataObject) -> None:
    content = bytearray(index.path.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    copy = index.path.with_name("changed")
    copy.write_bytes(content)
    try:
        changed = Index.open(copy)
        changed.status(device(0x10), NOW)
        list(changed.newly_revoked(index))
    except DamagedIndexError:
        return
    changed.close()
