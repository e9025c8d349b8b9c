"""Every link in the documentation leads somewhere, and so does every page that the code names."""

import re
from pathlib import Path

import pytest

from tests.support.pages import ROOT, anchors, inline_code, links, name_of, pages, text_of

PACKAGES = [
    ROOT / folder
    for folder in ("stacks/iot_jitr", "stacks/iot_jitr_policy", "lambda/iot_jitr_runtime", "cli/iot_jitr_cli")
]


def broken(page: Path, link: str) -> str | None:
    """Say what is wrong with a link of `page`."""
    if link.startswith("https://"):
        return None
    target, _, fragment = link.partition("#")
    path = (page.parent / target).resolve() if target else page
    if not path.is_relative_to(ROOT) or not path.exists():
        return f"{link}: no such file"
    if fragment and fragment not in anchors(path):
        return f"{link}: no such heading; there are {', '.join(sorted(anchors(path)))}"
    return None


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_link_resolves(page: Path) -> None:
    assert [problem for link in links(page) if (problem := broken(page, link))] == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("docs/ca.md", None),
        ("docs/nothing.md", "docs/nothing.md: no such file"),
        ("../elsewhere.md", "../elsewhere.md: no such file"),
        ("http://plain.example", "http://plain.example: no such file"),
        ("docs/ca.md#nowhere", "docs/ca.md#nowhere: no such heading"),
    ],
)
def test_a_broken_link_is_found(link: str, problem: str | None) -> None:
    found = broken(ROOT / "README.md", link)

    assert found is None if problem is None else str(found).startswith(problem)


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, ahead = set(), [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        seen.add(page)
        targets = [
            (page.parent / link.partition("#")[0]).resolve() for link in links(page) if "://" not in link
        ]
        ahead += [each for each in targets if each.suffix == ".md" and each.exists() and each not in seen]

    assert {name_of(page) for page in set(pages()) - seen} == set()


def named_in_code() -> list[str]:
    return sorted(
        {
            match
            for package in PACKAGES
            for source in package.rglob("*.py")
            for match in re.findall(r"docs/[\w-]+\.md(?:#[\w-]+)?", source.read_text(encoding="utf-8"))
        }
    )


@pytest.mark.parametrize("link", named_in_code())
def test_every_page_named_in_the_code_exists(link: str) -> None:
    assert broken(ROOT / "README.md", link) is None


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_file_named_on_a_page_exists(page: Path) -> None:
    named = [
        code
        for code in inline_code(page)
        if re.fullmatch(r"(stacks|lambda|cli|tests|docs|examples|bench)(/[\w.-]+)+/?", code)
    ]

    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_a_page_has_one_title(page: Path) -> None:
    outside = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)

    assert len(re.findall(r"^# .+$", outside, re.MULTILINE)) == 1
