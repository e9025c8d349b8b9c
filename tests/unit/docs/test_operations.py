"""The pages for operators name what the code names: every cause, every alarm, every saved query."""

import re

import pytest

from iot_jitr.observability import AlarmName
from iot_jitr.observability.queries import FAILURES_OF_AWS_IOT, QUERIES
from iot_jitr_cli.doctor.causes import Cause
from tests.support.pages import ROOT, anchors

DOCS = ROOT / "docs"
TROUBLESHOOTING = (DOCS / "troubleshooting.md").read_text()
RUNBOOK = (DOCS / "runbook.md").read_text()
SECTIONS = {alarm.section for alarm in AlarmName}


def sections() -> dict[str, str]:
    parts = re.split(r"^### (\w+)$", TROUBLESHOOTING, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_page_lists_the_same_causes_as_the_doctor() -> None:
    assert sorted(sections()) == sorted(cause.value for cause in Cause)


@pytest.mark.parametrize("cause", Cause)
def test_a_cause_has_its_headline_a_symptom_a_check_and_a_fix(cause: Cause) -> None:
    section = sections()[cause]

    assert section.strip().lower().startswith(f"*{cause.headline.lower()}.*")
    for part in ("Symptom", "Check", "Fix"):
        (text,) = re.findall(rf"^- \*\*{part}:\*\* (.+)$", section, flags=re.MULTILINE)
        assert len(text) > 3


def test_every_cause_is_reproduced_on_the_local_cloud() -> None:
    """And each in all its variants: `tests/unit/cli/doctor/test_causes.py`."""
    tests = ROOT / "tests"
    sources = [*(tests / "e2e").glob("test_doctor*.py"), tests / "support" / "revoking.py"]
    injected = {name for source in sources for name in re.findall(r"Cause\.([A-Z_]+)", source.read_text())}

    assert injected == {cause.name for cause in Cause}


@pytest.mark.parametrize("section", sorted(SECTIONS))
def test_every_alarm_has_its_section_in_the_runbook(section: str) -> None:
    assert section in anchors(DOCS / "runbook.md")


def test_each_alarms_section_says_when_it_is_active() -> None:
    assert RUNBOOK.count("**Active when**") == len(SECTIONS)


def test_saved_queries_are_called_by_their_titles() -> None:
    titles = {re.sub(r" \(.*\)", "", query.title) for query in (*QUERIES, FAILURES_OF_AWS_IOT)}
    called = re.findall(r"saved quer(?:y|ies) \*([^*]+)\*", RUNBOOK + TROUBLESHOOTING)

    assert called
    assert set(called) <= titles
