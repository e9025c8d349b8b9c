"""The page in a browser: it loads nothing, no name becomes markup, and it is accessible."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_cli.status.page.render import page as rendered
from tests.support.browser import Browser, Page, browser, open_page
from tests.support.fleet_page import HOSTILE, certificate, certificates, fleet, written

pytestmark = pytest.mark.timing
AXE = Path(__file__).parents[5] / "node_modules" / "axe-core" / "axe.min.js"
COUNT = 400
FOREIGN_SCRIPT = """(() => {
  const script = document.createElement("script");
  try { script.textContent = "window.foreign = 1"; } catch { }
  document.body.append(script);
  return typeof window.foreign;
})()"""
WRITTEN_MARKUP = """(() => {
  try { document.body.innerHTML = "<b>x</b>"; return "written"; } catch { return "refused"; }
})()"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of a fleet with hostile device names; the example of each cluster has one, too."""
    hostile = [
        certificate(n, "refused", "not_listed", common_name=name, decided_at=2**42)
        for n, name in enumerate(HOSTILE)
    ]
    found = [*hostile, *certificates(COUNT)[len(HOSTILE) :]]
    path = tmp_path_factory.mktemp("page") / "fleet.html"
    path.write_text(rendered(fleet(found), found), encoding="utf-8")
    return path


def results(page: Page) -> list[list[str]]:
    """The table of what was found."""
    script = (
        "[...document.querySelectorAll('#results tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    return list(page.run(script))


def search(page: Page, text: str) -> list[list[str]]:
    page.run("document.getElementById('query').value = ''; document.getElementById('query').focus()")
    page.type(text)
    return results(page)


def test_the_page_loads_no_other_resource_and_logs_no_error(running: Browser, file: Path) -> None:
    page = open_page(running, file)
    search(page, "sensor")

    assert page.requested == [file.as_uri()]
    assert not {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"} & {*page.happened}
    # Both hashes of the policy are right: the style applies, and the script has run.
    assert page.run("getComputedStyle(document.querySelector('.tile')).borderTopStyle") == "solid"
    assert page.run("document.querySelectorAll('button[data-query][hidden]').length") == 0


def test_only_the_script_of_the_page_runs(running: Browser, file: Path) -> None:
    page = open_page(running, file)

    assert page.run(FOREIGN_SCRIPT) == "undefined"
    assert page.run(WRITTEN_MARKUP) == "refused"


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_hostile_name_is_shown_as_text(running: Browser, file: Path, number: int) -> None:
    page = open_page(running, file)
    elements = "document.querySelectorAll('img, script, iframe').length"
    before = page.run(elements)

    (row,) = search(page, certificate(number).certificate_id)

    assert row[0] == "".join(each if each.isprintable() else "\ufffd" for each in HOSTILE[number])
    assert page.run("document.title") == "factory-fleet in eu-central-1: devices"
    assert page.run(elements) == before


def test_a_device_is_found_by_its_name_serial_number_and_certificate_id(running: Browser, file: Path) -> None:
    page = open_page(running, file)
    wanted = certificate(7)
    serial = wanted.serial_number or ""
    even = serial.zfill(len(serial) + len(serial) % 2).upper()
    colons = ":".join(even[place : place + 2] for place in range(0, len(even), 2))

    for text in (
        "sensor-000007",
        "SENSOR-000007",
        serial,
        colons,
        f"0x{even}",
        wanted.certificate_id,
        serial[3:25],
    ):
        assert [row[4] for row in search(page, text)] == [wanted.certificate_id], text

    assert search(page, "no such device") == []
    assert page.run("document.getElementById('found').textContent") == "No certificate in this page matches."
    assert page.run("document.getElementById('results').hidden") is True


def test_a_name_with_characters_that_are_not_shown_is_found_as_it_was_typed(
    running: Browser, file: Path
) -> None:
    assert len(search(open_page(running, file), "sensor-\u202egnp.exe")) == 1


def test_the_button_of_a_cause_shows_its_devices_and_only_them(running: Browser, file: Path) -> None:
    page = open_page(running, file)
    cards = page.run(
        "[...document.querySelectorAll('.causes li')].map(li => li.querySelector('.count').textContent)"
    )

    for number, count in enumerate(cards):
        page.run(f"document.querySelectorAll('.causes button')[{number}].click()")
        assert page.run("document.getElementById('found').textContent").split(" ")[0] == f"{count}"

    assert page.run("document.activeElement.id") == "query"


def test_every_control_can_be_reached_with_the_keyboard(running: Browser, file: Path) -> None:
    page = open_page(running, file)
    page.press("Tab")
    assert page.run("document.activeElement.textContent") == "Skip to the content"
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    reached = []
    for _ in range(60):
        page.press("Tab")
        reached.append(page.run("document.activeElement.id || document.activeElement.className "
                                "|| document.activeElement.localName"))  # fmt: skip
        if reached[-1] == "query":
            break

    assert {"a", "button", "summary", "scrolling", "query"} <= {*reached}


def test_the_enter_key_in_the_search_does_not_leave_the_page(running: Browser, file: Path) -> None:
    page = open_page(running, file)
    search(page, "sensor-000007")
    page.press("Enter")

    assert page.run("location.href") == file.as_uri()
    assert len(results(page)) == 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_is_accessible(running: Browser, file: Path, width: int, *, dark: bool) -> None:
    """By the rules of axe-core (WCAG 2.2 A and AA, best practices): contrast, landmarks, names, tables, …"""
    page = open_page(running, file, width=width, dark=dark)
    search(page, "sensor")
    page.run("document.querySelector('details').open = true")
    page.run(AXE.read_text(encoding="utf-8"))

    found: dict[str, Any] = page.run("axe.run()")

    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert "color-contrast" in {each["id"] for each in found["passes"]}


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_is_as_wide_as_the_screen(running: Browser, file: Path, width: int) -> None:
    page = open_page(running, file, width=width)
    search(page, "sensor")

    assert page.run("document.documentElement.scrollWidth") <= width


def test_the_page_uses_the_dark_or_light_scheme_of_the_system(running: Browser, file: Path) -> None:
    colour = "getComputedStyle(document.body).backgroundColor"

    assert open_page(running, file).run(colour) != open_page(running, file, dark=True).run(colour)


@pytest.mark.parametrize("devices", [0, 1, 100_000])
def test_the_search_works_for_fleets_of_any_size(running: Browser, tmp_path: Path, devices: int) -> None:
    page = open_page(running, written(tmp_path / "fleet.html", devices))

    if not devices:
        assert search(page, "sensor") == []
        return
    last = certificates(devices)[-1]
    assert [row[4] for row in search(page, last.certificate_id)] == [last.certificate_id]
    assert len(search(page, "sensor-")) == min(devices, 50)
    assert page.run("document.getElementById('found').textContent").startswith(f"{devices:,} found")
