"""The documentation site: it builds, every link and anchor of it leads somewhere, and it fetches nothing."""

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import iot_jitr
from tests.support.browser import Browser, browser, open_page
from tools.locks import ROOT

pytestmark = pytest.mark.exhaustive

FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}
"""Elements for which a browser fetches what their attribute names."""


class Parsed(HTMLParser):
    """What a page links to, what can be linked to in it, and what a browser fetches to show it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.anchors |= {value for key, value in attrs if key in {"id", "name"} and value}
        if tag == "a" and (target := named.get("href")):
            self.links.append(target)
        # Canonical and neighbouring pages are named for search engines, not fetched.
        wanted = tag != "link" or named.get("rel") in {"stylesheet", "icon", "preload"}
        if tag in FETCHED and wanted and (target := named.get(FETCHED[tag])):
            self.fetched.append(target)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Parsed]:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "--quiet", "build", "--site-dir", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {page: Parsed(page.read_text(encoding="utf-8")) for page in sorted(folder.rglob("*.html"))}


def test_every_link_and_anchor_resolves(site: dict[Path, Parsed]) -> None:
    assert list(broken(site)) == []


def broken(site: dict[Path, Parsed]) -> Iterator[str]:
    for page, parsed in site.items():
        # The page for addresses that do not exist names the others from the root of the host.
        for link in [] if page.name == "404.html" else parsed.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            anchors = site[target].anchors if target in site else set()
            if not target.is_file() or not {unquote(parts.fragment)} <= anchors | {""}:
                yield f"{page.name}: {link}"


def test_nothing_is_fetched_from_elsewhere(site: dict[Path, Parsed]) -> None:
    elsewhere = {target for parsed in site.values() for target in parsed.fetched if urlsplit(target).netloc}

    assert elsewhere == set()


def test_the_reference_lists_all_exports(site: dict[Path, Parsed]) -> None:
    (reference,) = (parsed for page, parsed in site.items() if page.name == "reference.html")

    assert {f"iot_jitr.{name}" for name in iot_jitr.__all__} <= reference.anchors


def test_each_diagram_is_drawn_by_a_script_of_the_site(site: dict[Path, Parsed]) -> None:
    for page, parsed in site.items():
        if 'class="mermaid"' in page.read_text(encoding="utf-8"):
            assert any(target.endswith("assets/mermaid.js") for target in parsed.fetched), page.name


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


def test_no_page_is_wider_than_a_phone(site: dict[Path, Parsed], running: Browser) -> None:
    """Tables and code scroll in their own boxes."""
    widths = {
        page.name: open_page(running, page, width=390).run("document.documentElement.scrollWidth")
        for page in site
    }

    assert {name: width for name, width in widths.items() if width > 390} == {}


def test_pages_follow_the_colour_scheme_and_diagrams_are_drawn(
    site: dict[Path, Parsed], running: Browser
) -> None:
    (first,) = (page for page in site if page.name == "index.html")
    brightness = {}
    for dark in (False, True):
        page = open_page(running, first, dark=dark)
        # The theme puts the drawing where no script of the page can look at it, in place of its text.
        page.run(
            "new Promise(drawn => { const look = () => document.querySelector('div.mermaid')"
            " ? drawn() : requestAnimationFrame(look); look() })"
        )
        brightness[dark] = page.run(
            "getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).map(Number)"
        )
        assert [each for each in page.requested if not each.startswith(("file:", "data:", "blob:"))] == []

    assert sum(brightness[False]) > 3 * 200
    assert sum(brightness[True]) < 3 * 80
