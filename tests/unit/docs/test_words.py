"""One idea has one name: a word that a term of the field replaced is nowhere but on the glossary's list."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
GLOSSARY = ROOT / "docs" / "glossary.md"
ALLOWED = {"CHANGELOG.md", "docs/glossary.md"}
SUFFIXES = {".in", ".json", ".md", ".py", ".toml"}


def replaced_words() -> list[str]:
    listed = GLOSSARY.read_text().partition("## Words that are not used")[2].partition("\n\n`")[2]
    return re.findall(r"`([^`]+)`", "`" + listed)


def files() -> list[Path]:
    """The files of the project: those under version control, or all below its folders."""
    folders = ("bench", "cli", "docs", "examples", "lambda", "stacks", "tests", "tools")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*")] + [*ROOT.glob("*.md")]
    return [path for path in found if path.suffix in SUFFIXES and str(path.relative_to(ROOT)) not in ALLOWED]


def test_replaced_words_are_not_used() -> None:
    words = replaced_words()
    pattern = re.compile("|".join(rf"\b{re.escape(word)}" for word in words), re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        for match in pattern.finditer(line)
    ]

    assert len(words) > 15
    assert found == []
