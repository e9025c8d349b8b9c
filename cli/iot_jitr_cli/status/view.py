"""The text output of `jitr status`: small tables, one below the other."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from iot_jitr_cli.console import printable
from iot_jitr_cli.durations import in_words
from iot_jitr_cli.status.figures import DecisionCounts
from iot_jitr_cli.status.fleet import OVERVIEW, Fleet, Unknown
from iot_jitr_cli.status.ledger import LedgerCounts
from iot_jitr_cli.status.parts import SOON, CaState, CrlState, QueueCounts
from iot_jitr_runtime.certificates import NO_END

T = TypeVar("T")

_LINE = 200


def view(fleet: Fleet) -> RenderableType:
    """All parts, from top to bottom; the parts that need an operator's attention are the first."""
    now, groups = fleet.taken_at, ", ".join(fleet.log_groups)
    head = f"{fleet.stack} in {fleet.region}, {now:%Y-%m-%d %H:%M:%SZ}"
    return Group(
        Text(head, style="bold"),
        _known(fleet.alarms, _alarms),
        Text("\nFleet", style="bold"),
        _known(fleet.ledger, _fleet),
        Text("\nDecisions", style="bold"),
        _known(fleet.decisions, lambda part: _decisions(part, fleet.quota_per_second)),
        Text("\nQueues", style="bold"),
        _known(fleet.queues, _queues),
        Text("\nCAs", style="bold"),
        _known(fleet.cas, lambda part: _cas(part, now)),
        Text("\nCRLs", style="bold"),
        _known(fleet.crls, lambda part: _crls(part, now)),
        Text("\nLast errors", style="bold"),
        _known(fleet.errors, lambda part: _errors(part, groups)),
    )


def as_json(fleet: Fleet) -> dict[str, object]:
    """The same as `--json` prints it."""
    names = ("stack", "region", "taken_at", "quota_per_second", *OVERVIEW, "log_groups")
    return {name: getattr(fleet, name) for name in names}


def _known(part: T | Unknown, show: Callable[[T], RenderableType]) -> RenderableType:
    """A part as rendered by `show`, or the reason why it is unknown."""
    return Text(f"  ? {printable(part.why)}", style="yellow") if isinstance(part, Unknown) else show(part)


def _table(rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(width=1)
    for row in rows:
        while len(table.columns) <= len(row):
            table.add_column(overflow="fold")
        table.add_row("", *row)
    return table


def _counts(counts: Mapping[str, int]) -> Table:
    return _table((name, f"{count:,}") for name, count in counts.items())


def _alarms(alarms: Sequence[str]) -> RenderableType:
    if not alarms:
        return Text("no alarm is active", style="green")
    return Group(*(Text(f"✗ {printable(each)}", style="bold red") for each in alarms))


def _fleet(ledger: LedgerCounts) -> RenderableType:
    read = "all rows" if ledger.complete else f"the first {ledger.rows:,} rows, there are more: see --rows"
    return Group(
        _counts(dict(ledger.states.most_common())),
        Text(f"  {ledger.certificates:,} certificates in the ledger ({read})", style="dim"),
    )


def _decisions(decisions: DecisionCounts, quota: float | None) -> RenderableType:
    if not decisions.outcomes:
        none = f"  no figures in {decisions.hours} hours (the local cloud makes none)"
        return Text(none + (f"; at most {quota:g} activations a second" if quota else ""), style="dim")
    of_quota = f" of {quota:g}" if quota else ""
    rate = f"  now {decisions.activated_per_second:.1f}{of_quota} activations a second"
    return Group(
        Text(f"{rate}; last {decisions.hours} hours:"),
        _counts(decisions.outcomes),
        Text("  by reason:"),
        _counts(decisions.reasons),
    )


def _queues(queues: QueueCounts) -> RenderableType:
    seconds = queues.oldest_seconds
    oldest = "" if seconds is None else f", the oldest {in_words(timedelta(seconds=seconds))}"
    return Group(
        Text(
            f"  activation queue: {queues.waiting:,} waiting, {queues.in_flight:,} in flight, "
            f"{queues.delayed:,} delayed{oldest}"
        ),
        Text(f"  dead letters: {queues.dead_letters:,}", style="bold red" if queues.dead_letters else ""),
    )


def _cas(cas: Sequence[CaState], now: datetime) -> RenderableType:
    return _table(
        (
            ca.name,
            ca.status,
            f"auto-registration {ca.auto_registration}",
            f"{ca.devices:,} in service",
            _expiry(ca.not_after, now),
        )
        for ca in cas
    )


def _expiry(not_after: datetime, now: datetime) -> str:
    if not_after == NO_END:
        return "without an end"
    return f"expires in {in_words(not_after - now)}" + (" ← soon" if not_after - now < SOON else "")


def _crls(crls: Sequence[CrlState], now: datetime) -> RenderableType:
    if not crls:
        return Text("  none: every CA was declared to have no CRL", style="dim")
    return _table(
        (
            crl.ca,
            f"number {crl.number}",
            f"{crl.entries:,} entries",
            f"issued {in_words(now - crl.this_update)} ago",
            _next_issue(crl.next_update, now),
            printable(crl.location),
        )
        for crl in crls
    )


def _next_issue(next_update: datetime, now: datetime) -> str:
    if next_update == NO_END:
        return "without an end"
    return f"next in {in_words(next_update - now)}" if next_update > now else "STALE"


def _errors(errors: Mapping[str, str], groups: str) -> RenderableType:
    if not errors:
        return Text(f"  none in the last 15 minutes ({groups})", style="dim")
    lines = (f"  {group}: {printable(line[:_LINE])}" for group, line in errors.items())
    return Group(*(Text(line, style="red") for line in lines))
