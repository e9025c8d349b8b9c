"""The page's HTML: what it holds, how large it gets, and that its colours can be read."""

import base64
import hashlib
import json
import time
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from iot_jitr_cli.status.figures import STEPS, History
from iot_jitr_cli.status.fleet import OVERVIEW, Unknown
from iot_jitr_cli.status.ledger import Group, group_of
from iot_jitr_cli.status.page.render import CertificateSelection, page
from tests.support.crls import NO_END
from tests.support.fleet_page import HOSTILE, NOW, certificate, certificates, fleet

BYTES_A_CERTIFICATE = 170
PROCESSOR_SECONDS = 30
"""For 100,000 devices; measured: about 1."""


class Read(HTMLParser):
    """Texts of a page, its elements, and the content of its script and style elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if (tag := self.elements[-1][0] if self.elements else "") in {"script", "style"} and self.cdata_elem:
            self.raw.append((tag, data))
        else:
            self.text += f" {data.strip()}"

    @property
    def data(self) -> Any:
        """What the search reads."""
        return json.loads(self.raw[1][1])


def test_the_content_security_policy_allows_only_the_own_style_and_script() -> None:
    read = Read(page(fleet(certificates(3)), certificates(3)))
    policy = next(
        a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    hashes = {
        tag: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for tag, text in (read.raw[0], read.raw[-1])
    }

    assert policy is not None
    directives = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["style-src"] == f"'sha256-{hashes['style']}'"
    assert directives["script-src"] == f"'sha256-{hashes['script']}'"
    assert [tag for tag, _ in read.raw] == ["style", "script", "script"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_stays_text(name: str) -> None:
    found = [certificate(1, "refused", "expired", common_name=name)]
    plain = page(fleet([certificate(1, "refused", "expired")]), [certificate(1, "refused", "expired")])

    read = Read(page(fleet(found), found))

    shown = "".join(each if each.isprintable() else "\ufffd" for each in name)
    assert [tag for tag, _ in read.elements] == [tag for tag, _ in Read(plain).elements]
    assert " ".join(shown.split()) in " ".join(read.text.split())
    assert read.data["lines"].split("|", 4)[-1] == shown


def test_a_search_line_has_the_fields_of_the_ledger_row() -> None:
    found = [certificate(2, "deferred", "crl_stale"), certificate(3)]

    data = Read(page(fleet(found), found)).data

    (first, second) = (line.split("|", 4) for line in data["lines"].split("\n"))
    assert first[:2] == [found[0].certificate_id, found[0].serial_number]
    assert first[3:] == [str(found[0].decided_at // 1000), "sensor-000002"]
    kinds = [data["kinds"][int(each[2])] for each in (first, second)]
    assert kinds == [
        ["Factory", "waiting", "Waiting", "deferred", "crl_stale", "crl_stale"],
        ["Workshop", "in_service", "In service", "activated", "", ""],
    ]


@pytest.mark.parametrize("devices", [0, 1, 100_000])
def test_the_size_of_the_page_and_its_rendering_time_are_bounded(devices: int) -> None:
    found = certificates(devices)
    of_fleet = fleet(found)
    begun = time.process_time()

    html = page(of_fleet, found)

    assert time.process_time() - begun < PROCESSOR_SECONDS
    assert len(html.encode()) < 100_000 + devices * BYTES_A_CERTIFICATE


def test_certificates_not_in_service_are_kept_first_up_to_the_limit() -> None:
    selection = CertificateSelection(limit=3)
    for number in range(4):
        selection.add(certificate(number))
    for number in range(4, 6):
        selection.add(certificate(number, "refused", "expired"))

    assert [group_of(each) for each in selection.certificates] == [Group.REFUSED] * 2 + [Group.IN_SERVICE]


def test_an_incomplete_scan_takes_devices_in_service_from_the_counters() -> None:
    some = fleet(certificates(10))
    cas = [replace(ca, devices=700) for ca in some.cas]

    text = Read(page(some.but(ledger=replace(some.ledger, complete=False), cas=cas), [])).text

    assert "1,400" in text
    assert "10 rows were read, and there are more" in text


def test_a_part_that_could_not_be_read_is_shown_with_its_reason_and_the_others_are_shown() -> None:
    unknown = dict.fromkeys((*OVERVIEW, "history", "quotas"), Unknown("the permission a:b is missing", "a:b"))

    text = Read(page(fleet(certificates(5), quota_per_second=None, **unknown), [])).text

    assert text.count("the permission a:b is missing") == len(unknown) + 1  # the ledger's at two places
    assert "0 certificates in this page" in text


def test_reasons_are_listed_with_certificates_and_messages() -> None:
    some = fleet([certificate(1, "refused", "thing_taken")])
    found = replace(some.decisions, reasons={"expired": 1234})

    text, unknown = (
        " ".join(Read(page(some.but(decisions=each), [])).text.split()) for each in (found, Unknown("no"))
    )

    assert "thing_taken 1 0 expired 0 1,234" in text
    assert "thing_taken 1 unknown" in unknown


def test_cas_and_crls_are_shown_with_their_ages() -> None:
    text = " ".join(Read(page(fleet([]), [])).text.split())

    assert "Workshop ACTIVE yes 3609 d ago in 41 d, soon" in text
    assert "Workshop 52 310 2 d 1 h ago 1 h ago: stale" in text


def test_an_empty_queue_is_shown_as_empty() -> None:
    text = Read(page(fleet([certificate(1)]), [])).text

    assert "it is empty" in text
    assert "unknown time" not in text


def test_a_day_without_figures_has_a_note() -> None:
    series = tuple(replace(each, values=(None,) * STEPS) for each in fleet([]).history.series)

    assert "no figures of the last 24 hours" in Read(page(fleet([], history=History(NOW, series)), [])).text


def test_problems_are_marked() -> None:
    endless, ended = fleet([]).cas
    trouble = fleet(
        certificates(5),
        alarms=("Dead letters", "CRL stale"),
        errors={"/log": "boom"},
        cas=[replace(endless, not_after=NO_END), replace(ended, not_after=NOW - timedelta(days=1))],
        crls=(),
        quota_per_second=40,
    )

    text = Read(page(trouble, [])).text

    for part in (
        "2 alarms are active",
        "Dead letters",
        "boom",
        "no end",
        "1 d ago",
        "No CRL",
        "more than the quota",
    ):
        assert part in text


def test_without_a_problem_the_page_shows_one_line() -> None:
    assert (
        "No alarm is active and no device is waiting or refused"
        in Read(page(fleet([certificate(1)]), [])).text
    )
