"""The model of cost counts what is deployed, and `docs/cost.md` prints what it says."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.storm.model import MILLION, Storm
from iot_jitr import CrlBucket, JitrConfiguration, RevocationSettings
from iot_jitr.activator import MEMORY_MIB
from iot_jitr.allowed import as_timedelta
from iot_jitr.configuration import AccountLoggingMode
from iot_jitr.revocation.publisher import WATCH_EVERY
from iot_jitr.revocation.sweep import SWEEP_EVERY
from tests.support.scenarios import WORKSHOP_CA
from tests.support.stacks import DEFAULTS, FACTORY_CA, named, of_type, template_of
from tools import cost, cost_page
from tools.cost import Pipeline
from tools.prices import Item, Price, total

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "cost.md").read_text()
WITH_CRL = replace(FACTORY_CA, revocation=CrlBucket())
ONE_A_MILLION = Price(1.0, MILLION, "requests", "https://aws.amazon.com")


@pytest.mark.parametrize(
    ("deployed", "pipeline"),
    [
        (DEFAULTS, Pipeline()),
        (replace(DEFAULTS, cas=(FACTORY_CA, WORKSHOP_CA)), Pipeline(cas=2)),
        (replace(DEFAULTS, cas=(WITH_CRL,)), Pipeline(crls=1)),
        (replace(DEFAULTS, cas=(WITH_CRL, WORKSHOP_CA)), Pipeline(cas=2, crls=1)),
        (
            replace(DEFAULTS, account_logging=AccountLoggingMode.MANAGE),
            Pipeline(account_logging=True),
        ),
    ],
    ids=["one CA", "two CAs", "a CRL", "two CAs and a CRL", "account logging"],
)
def test_the_model_counts_the_deployed_alarms(deployed: JitrConfiguration, pipeline: Pipeline) -> None:
    template = template_of(deployed)

    assert len(of_type(template, "AWS::CloudWatch::Alarm")) == pipeline.alarms
    assert len(of_type(template, "AWS::CloudWatch::Dashboard")) == 1


def memory(template: dict[str, Any], function: str) -> float:
    _, resource = named(template, "AWS::Lambda::Function", function)
    return float(resource["Properties"]["MemorySize"]) / 1024


def test_the_model_uses_the_deployed_memory_and_schedules() -> None:
    template = template_of(replace(DEFAULTS, cas=(WITH_CRL,)))

    assert MEMORY_MIB / 1024 == memory(template, "Activator") == cost.ACTIVATOR_GB
    assert memory(template, "Reconciler") == cost.RECONCILER_GB
    assert memory(template, "Sweep") == cost.SWEEP_GB
    assert memory(template, "Publisher") == cost.PUBLISHER_GB
    assert 3600 / SWEEP_EVERY.total_seconds() == cost.SWEEPS_AN_HOUR
    assert 3600 / WATCH_EVERY.total_seconds() == cost.WATCHES_AN_HOUR
    assert as_timedelta(RevocationSettings().every).total_seconds() == 3600
    assert as_timedelta(DEFAULTS.reconciler.every).total_seconds() == 3600


def test_an_item_costs_its_share_of_the_price() -> None:
    assert Item("requests", 2 * MILLION, ONE_A_MILLION).dollars == 2.0
    assert total([Item("requests", MILLION / 2, ONE_A_MILLION)] * 3) == 1.5


def test_refused_connects_that_are_billed_nearly_double_the_bill_at_the_default_quota() -> None:
    storm = Storm(MILLION, 10)

    assert round(storm.dollars) == 59
    assert round(storm.dollars + storm.dollars_of_refused_connects) == 114


def test_each_bill_of_the_page_adds_up() -> None:
    """From the page alone: the quantity times the price is each row's dollars, and the rows are the sum."""
    sums = 0
    for table in re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE):
        so_far = 0.0
        for line in table.splitlines()[2:]:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[0].startswith("**sum"):
                assert float(cells[-1].strip("*")) == pytest.approx(so_far, abs=0.05)
                sums += 1
            elif found := re.search(r"\[\$([\d.]+)(?: for (\d+) million)?\]", cells[-2] if cells[2:] else ""):
                quantity = float(cells[1].split()[0].replace(",", ""))
                amount = quantity * float(found[1]) / (int(found[2]) * MILLION if found[2] else 1)
                said = cells[-1]
                if said.startswith("below"):
                    assert amount < 0.01
                else:
                    assert float(said) == pytest.approx(amount, abs=0.011)
                so_far += amount
    assert sums == 5


def test_the_sentences_of_the_page_match_the_model() -> None:
    month = total(cost.month(Pipeline()))

    assert f"one CA costs about **{month:.0f} dollars**" in PAGE
    assert f"about\n{cost_page.figures()['dollars_10']} dollars; if each counts" in PAGE
    assert "@" not in PAGE


def test_the_readme_quotes_the_figures_of_the_model() -> None:
    figures, text = cost_page.figures(), (ROOT / "README.md").read_text()

    assert f"{figures['dollars_10']} to {figures['billed_10']}" in text
    assert figures["month"] == "6"
    assert "six dollars a month" in text


def test_the_cost_after_the_stack_is_deleted_matches_the_model() -> None:
    assert (
        f"${cost_page.figures()['storage']} for a million devices"
        in (ROOT / "docs" / "upgrading.md").read_text()
    )


def test_an_unknown_figure_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    template = tmp_path / "page.md.in"
    template.write_text("@figure(of_nothing)")
    monkeypatch.setattr(cost_page, "TEMPLATE", template)

    with pytest.raises(KeyError, match="of_nothing"):
        cost_page.page()
