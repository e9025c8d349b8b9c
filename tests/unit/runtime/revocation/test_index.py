"""The status of a certificate by an index, and what is new in an index."""

import re
import sqlite3
from collections.abc import Callable, Iterator
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


def changed(index: Index, statement: str) -> Index:
    """Change the file of an index, and open it again."""
    index.close()
    with sqlite3.connect(index.path) as database:
        database.execute(statement)
    return Index.open(index.path)


@pytest.mark.parametrize(
    ("serial", "status", "reason"),
    [
        (0x10, RevocationStatus.REVOKED, RevocationReason.UNSPECIFIED),
        (0x11, RevocationStatus.REVOKED, RevocationReason.KEY_COMPROMISE),
        (0x12, RevocationStatus.ON_HOLD, RevocationReason.CERTIFICATE_HOLD),
        (0x13, RevocationStatus.GOOD, None),
        (2**158, RevocationStatus.GOOD, None),
        (2**158 + 1, RevocationStatus.REVOKED, RevocationReason.UNSPECIFIED),
    ],
)
def test_a_certificate_has_the_status_and_reason_of_its_serial(
    index: Index, serial: int, status: RevocationStatus, reason: RevocationReason | None
) -> None:
    result = index.status(device(serial), NOW)

    assert (result.status, result.reason, index.reason(serial)) == (status, reason, reason)
    if reason is not None:
        assert result.detail == f"serial {serial:x} is on CRL number 7 with reason {reason.label}"
    else:
        assert result.detail == f"serial {serial:x} is on no CRL that covers it"


def test_the_index_contains_the_origin_of_its_crl(index: Index) -> None:
    [record] = index.crls

    assert (index.ca_certificate_id, index.max_age) == (CA_ID, None)
    assert (record.number, record.entries, record.issuer) == (7, 4, CA.certificate.subject)
    assert (record.this_update, record.next_update) == (NOW - timedelta(hours=1), NOW + DAY)
    assert record.origin == Origin("crl-0", "0")
    assert len(record.digest) == 64


def test_any_sqlite_can_read_it(index: Index) -> None:
    with sqlite3.connect(index.path) as database:
        rows = database.execute("SELECT hex(serial), reason FROM revoked ORDER BY serial").fetchall()

    assert rows[:3] == [("10", 0), ("11", 1), ("12", 6)]


def test_the_index_is_fresh_until_next_update_plus_the_tolerance(index: Index) -> None:
    last = NOW + DAY + CLOCK_TOLERANCE - timedelta(seconds=1)

    assert index.status(device(0x13), last).status is RevocationStatus.GOOD
    for serial in (0x10, 0x12, 0x13):
        assert index.status(device(serial), last + timedelta(seconds=1)).status is RevocationStatus.STALE


def test_the_configured_maximum_age_makes_it_stale_before_next_update(path: Path) -> None:
    index = compile_index(path, CA, CrlSpec(), max_age=timedelta(hours=2))

    assert index.max_age == timedelta(hours=2)
    assert index.status(device(1), NOW).status is RevocationStatus.GOOD
    stale = index.status(device(1), NOW + timedelta(hours=1, minutes=1))
    assert stale.status is RevocationStatus.STALE
    assert stale.detail == f"its CRL has been stale since {NOW + timedelta(hours=1):%Y-%m-%d %H:%M:%SZ}"


@pytest.mark.parametrize(
    ("serial", "urls", "hours", "status"),
    [
        (1, [ONE], 0, RevocationStatus.REVOKED),
        (2, [ONE], 0, RevocationStatus.GOOD),
        (1, [TWO], 0, RevocationStatus.GOOD),
        (2, [TWO], 0, RevocationStatus.REVOKED),
        (1, ["http://crl.example/3.crl"], 0, RevocationStatus.NOT_COVERED),
        (1, [], 0, RevocationStatus.NOT_COVERED),
        (1, [ONE], 2, RevocationStatus.STALE),
        (1, [TWO], 2, RevocationStatus.GOOD),
    ],
)
def test_a_fresh_partition_decides_about_the_certificates_that_it_covers(
    path: Path, serial: int, urls: list[str], *, hours: int, status: RevocationStatus
) -> None:
    soon = NOW + timedelta(hours=1)
    index = compile_index(path, CA, partition(ONE, Entry(1), next_update=soon), partition(TWO, Entry(2)))

    result = index.status(device(serial, *urls), NOW + timedelta(hours=hours))

    assert result.status is status
    assert ("no CRL covers this certificate" in result.detail) is (status is RevocationStatus.NOT_COVERED)


def test_a_stale_crl_does_not_count_while_another_that_covers_is_fresh(path: Path) -> None:
    stale = CrlSpec(entries=[Entry(1, HOLD)], next_update=NOW + timedelta(hours=1))
    index = compile_index(path, CA, stale, partition(ONE))

    assert index.status(device(1, ONE), NOW).status is RevocationStatus.ON_HOLD
    assert index.status(device(1, ONE), NOW + timedelta(hours=2)).status is RevocationStatus.GOOD


@pytest.mark.parametrize(("of_all", "of_one"), [(HOLD, KEY_COMPROMISE), (KEY_COMPROMISE, HOLD)])
def test_a_revocation_on_one_crl_outweighs_a_hold_on_another(
    path: Path, of_all: "x509.ReasonFlags", of_one: "x509.ReasonFlags"
) -> None:
    index = compile_index(path, CA, CrlSpec(entries=[Entry(1, of_all)]), partition(ONE, Entry(1, of_one)))

    result = index.status(device(1, ONE), NOW)

    assert (result.status, result.reason) == (RevocationStatus.REVOKED, RevocationReason.KEY_COMPROMISE)
    assert index.reason(1) is RevocationReason.KEY_COMPROMISE


def test_a_serial_listed_twice_is_revoked_rather_than_on_hold(path: Path) -> None:
    twice = [Entry(1, HOLD), Entry(1, KEY_COMPROMISE), Entry(2, KEY_COMPROMISE), Entry(2, HOLD)]
    index = compile_index(path, CA, CrlSpec(entries=twice))

    assert {index.reason(1), index.reason(2)} == {RevocationReason.KEY_COMPROMISE}
    assert [record.entries for record in index.crls] == [2]


def test_without_a_former_index_all_entries_are_new(index: Index) -> None:
    assert sorted(index.newly_revoked(None)) == [
        (0x10, RevocationReason.UNSPECIFIED),
        (0x11, RevocationReason.KEY_COMPROMISE),
        (0x12, RevocationReason.CERTIFICATE_HOLD),
        (2**158 + 1, RevocationReason.UNSPECIFIED),
    ]


def test_newly_revoked_can_continue_after_a_serial_number(index: Index) -> None:
    """In the order of the index, which is that of their octets."""
    everything = list(index.newly_revoked(None))

    rest = [list(index.newly_revoked(None, after=entry.serial)) for entry in everything]

    assert rest == [everything[number:] for number in range(1, len(everything) + 1)]


def test_negative_serials_are_returned_as_they_are(index: Index) -> None:
    """RFC 5280 section 4.1.2.2 forbids them, and requires that readers handle them."""
    negative = changed(index, "UPDATE revoked SET serial = x'ff80' WHERE serial = x'10'")

    assert -128 in {entry.serial for entry in negative.newly_revoked(None)}


def test_one_index_is_compared_with_several(index: Index, tmp_path: Path) -> None:
    formers = [
        compile_index(tmp_path / f"{serial}", CA, CrlSpec(entries=[Entry(serial)])) for serial in (0x10, 0x20)
    ]

    found = [len(list(index.newly_revoked(former))) for former in formers]

    assert found == [3, 4]


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
    assert list(new.newly_revoked(new)) == []
    old.close()
    new.close()


def test_versions_of_later_indexes_are_greater(path: Path, tmp_path: Path) -> None:
    first = compile_index(path, CA, CrlSpec())
    second = compile_index(tmp_path / "second", CA, CrlSpec(), compiled_at=NOW + timedelta(milliseconds=1))

    assert second.version > first.version
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{12}", first.version)


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "garbage": lambda _: b"\x30\x82" * 4096,
    "html": lambda _: b"<html>not here</html>" * 500,
    "half": lambda data: data[: len(data) // 2],
    "first page": lambda data: data[:4096],
    "another application's": lambda data: data[:68] + b"\x00\x00\x00\x01" + data[72:],
    "a later format": lambda data: data[:60] + b"\x00\x00\x00\x63" + data[64:],
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_file_is_no_index(index: Index, damage: Callable[[bytes], bytes]) -> None:
    index.path.write_bytes(damage(index.path.read_bytes()))

    with pytest.raises(DamagedIndexError, match=r"^index\.sqlite [^\n]+$"):
        Index.open(index.path).status(device(0x10), NOW)


def test_a_missing_file_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(DamagedIndexError, match=r"^missing cannot be opened: "):
        Index.open(tmp_path / "missing")


@pytest.mark.parametrize("mark", ["application_id", "user_version"])
def test_the_error_names_the_wrong_sqlite_mark(index: Index, mark: str) -> None:
    with pytest.raises(DamagedIndexError, match=f"is not a revocation index: its {mark} is 7, not "):
        changed(index, f"PRAGMA {mark} = 7")


def test_an_index_that_says_nothing_about_itself_is_damaged(index: Index) -> None:
    with pytest.raises(DamagedIndexError, match="is not a revocation index"):
        changed(index, "DELETE FROM about")


READS: list[Callable[[Index], Any]] = [
    lambda index: index.reason(0x10),
    lambda index: index.status(device(0x10), NOW),
    lambda index: list(index.newly_revoked(None)),
]


@pytest.mark.parametrize("read", [*READS, lambda index: list(index.newly_revoked(index))])
def test_an_index_without_a_table_is_damaged(index: Index, read: Callable[[Index], Any]) -> None:
    damaged = changed(index, "DROP TABLE revoked")

    with pytest.raises(DamagedIndexError, match=r"^index\.sqlite is damaged: no such table"):
        read(damaged)


@pytest.mark.parametrize("read", READS)
def test_an_index_with_an_unknown_reason_is_damaged(index: Index, read: Callable[[Index], Any]) -> None:
    damaged = changed(index, "UPDATE revoked SET reason = 7")

    with pytest.raises(DamagedIndexError):
        read(damaged)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.data())
def test_a_file_with_changed_bytes_raises_only_damaged_index_error(index: Index, data: st.DataObject) -> None:
    content = bytearray(index.path.read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    copy = index.path.with_name("changed")
    copy.write_bytes(content)
    try:
        opened = Index.open(copy)
        opened.status(device(0x10), NOW)
        list(opened.newly_revoked(index))
    except DamagedIndexError:
        return
    opened.close()
