"""Writes `docs/cost.md`: all values are from `tools.cost`, the prose is from `cost_page.md.in`."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from bench.storm.model import Storm
from tools import cost
from tools.cost import Pipeline
from tools.prices import MILLION, Item, total

TEMPLATE = Path(__file__).with_name("cost_page.md.in")
RATES = (10, 100, 1000)
CONNECTS_PER_SECOND = 3000
"""AWS's default quota in most regions: https://docs.aws.amazon.com/general/latest/gr/iot-core.html"""
_CENT = 0.01
FULL = Pipeline(cas=1, crls=1, encryption_key=True)
"""The pipeline in the table of a month."""


def page() -> str:
    """Return the page.

    Raises:
        KeyError: The template uses a table or value that does not exist.
    """
    text = TEMPLATE.read_text(encoding="utf-8")
    text = re.sub(r"@figure\((\w+)\)", lambda found: figures()[found[1]], text)
    return re.sub(r"@(\w+)\(\)", lambda found: TABLES[found[1]](), text)


def figures() -> Mapping[str, str]:
    """Return the values that are used in sentences, by their names."""
    million, forty_thousand = Storm(MILLION, 10), Storm(40_000, 10)
    return {
        "dollars_10": f"{million.dollars:.0f}",
        "billed_10": f"{million.dollars + million.dollars_of_refused_connects:.0f}",
        "most_10": f"{_most(million):.0f}",
        "dollars_40000": f"{forty_thousand.dollars:.2f}",
        "billed_40000": f"{forty_thousand.dollars + forty_thousand.dollars_of_refused_connects:.2f}",
        "writes": str(sum(cost.LEDGER_WRITES.values())),
        "month": f"{total(cost.month(Pipeline())):.0f}",
        "month_crl": f"{total(cost.month(Pipeline(crls=1))):.0f}",
        "month_key": f"{total(cost.month(FULL)):.0f}",
        "alarms": str(Pipeline().alarms),
        "metrics": str(Pipeline().metrics),
        "kms": f"{cost.KMS_REQUESTS:,}",
        "snapshot": dollars(total(cost.guard_snapshot(0))),
        "starts": dollars(total(cost.guard_snapshot(1000)) - total(cost.guard_snapshot(0))),
        "storage": dollars(total(cost.ledger_storage(MILLION))),
    }


def fleets() -> str:
    """Return the cost of a million devices at each rate, with possible additional costs."""
    storms = [Storm(MILLION, rate) for rate in RATES]
    # The stack uses ten connects for each activation, if that is more.
    more = [max(CONNECTS_PER_SECOND, storm.capacity.events_per_second) for storm in storms]
    faster = [
        Storm(MILLION, rate, connects_per_second=connects) for rate, connects in zip(RATES, more, strict=True)
    ]
    with_things = total(cost.things(MILLION))
    rows: list[tuple[str, list[str]]] = [
        ("MQTT connects a second", [f"{storm.capacity.events_per_second:,}" for storm in storms]),
        *_fleet(storms),
        ("MQTT connects a second, AWS's default in most regions or more", [f"{each:,}" for each in more]),
        *_fleet(faster),
        ("logs, on top", [f"{storm.dollars_of_logs:.1f}" for storm in storms]),
        ("things, on top, where devices get one", [f"{with_things:.2f}"] * len(storms)),
    ]
    return "\n".join(f"| {name} | {' | '.join(cells)} |" for name, cells in rows)


def _fleet(storms: list[Storm]) -> list[tuple[str, list[str]]]:
    return [
        (
            "→ events, and refused CONNECTs, of a device",
            [f"{storm.events / MILLION:.1f}" for storm in storms],
        ),
        ("→ **dollars**, refused CONNECTs not billed", [f"**{storm.dollars:.0f}**" for storm in storms]),
        (
            "→ **dollars**, refused CONNECTs billed",
            [f"**{storm.dollars + storm.dollars_of_refused_connects:.0f}**" for storm in storms],
        ),
    ]


def devices() -> str:
    """Return the items of a million devices at AWS's default quota."""
    storm = Storm(MILLION, 10)
    batch = storm.capacity.batch_size
    certain = cost.activations(MILLION, storm.events, batch)
    return _bill(
        [
            (certain, "sum, refused CONNECTs not billed"),
            (cost.refused_connects(storm.events), "sum, refused CONNECTs billed"),
        ]
    )


def writes() -> str:
    """Return the ledger's writes of a device."""
    return "\n".join(f"| {what} | {units} |" for what, units in cost.LEDGER_WRITES.items())


def month() -> str:
    """Return the items of a month at rest."""
    return _bill([(cost.month(FULL), "sum")])


def events() -> str:
    """Return the items of a million outcome events."""
    return _bill([(cost.outcome_events(MILLION), "sum")])


def guard() -> str:
    """Return the items of a million connects that the guard answers."""
    return _bill([(cost.guarded_connects(MILLION), "sum")])


def guard_month() -> str:
    """Return the monthly cost of the guard at each rate of connects."""
    rows = []
    for rate in (100, 500, 3_000):
        environments = cost.guard_environments(rate)
        monthly = [cost.guard_refresh(environments), cost.guard_kept_ready(environments)]
        cells = [f"{rate:,}", str(environments), *(dollars(total(each)) for each in monthly)]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


TABLES: dict[str, Callable[[], str]] = {
    "fleets": fleets,
    "devices": devices,
    "writes": writes,
    "month": month,
    "events": events,
    "guard": guard,
    "guard_month": guard_month,
}


def _most(storm: Storm) -> float:
    """The dollars of a storm at AWS's default quota of connects, if refused CONNECTs are billed."""
    faster = replace(storm, connects_per_second=CONNECTS_PER_SECOND)
    return faster.dollars + faster.dollars_of_refused_connects


def _bill(parts: Iterable[tuple[list[Item], str]]) -> str:
    rows, so_far = [], 0.0
    for items, sum_of in parts:
        rows += [_row(item) for item in items]
        so_far += total(items)
        rows.append(f"| **{sum_of}** | | | **{dollars(so_far)}** |")
    return "\n".join(rows)


def _row(item: Item) -> str:
    price = item.price
    per = "" if price.per == 1 else f" for {price.per // MILLION} million"
    of_one = f"{price.dollars:.10f}".rstrip("0") if price.dollars < _CENT else f"{price.dollars:.2f}"
    if price.dollars >= _CENT and price.dollars * 100 % 1:
        of_one = f"{price.dollars:.3f}"
    quantity = f"{item.quantity:,.0f}" if item.quantity >= 1 else f"{item.quantity:.3f}"
    cells = item.what, f"{quantity} {price.unit}", f"[${of_one}{per}]({price.page})", dollars(item.dollars)
    return f"| {' | '.join(cells)} |"


def dollars(amount: float) -> str:
    """Return an amount as text.

    >>> dollars(0.004), dollars(0.04), dollars(114.3)
    ('below 0.01', '0.04', '114.30')
    """
    return f"{amount:.2f}" if amount >= _CENT / 2 else f"below {_CENT}"
