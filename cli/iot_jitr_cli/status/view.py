"""How a snapshot is shown: a few small tables, one below the other."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from iot_jitr_cli.console import printable
from iot_jitr_cli.status.snapshot import CaState, CrlState, Decisions, Ledger, Queues, Snapshot, Unknown
from iot_jitr_runtime.certificates import NO_END

_SOON = timedelta(days=90)
_LINE = 200


def view(snapshot: Snapshot) -> RenderableType:
    """Everything, top down: what needs a person first."""
    head = f"{snapshot.stack} in {snapshot.region}, {snapshot.taken_at:%Y-%m-%d %H:%M:%SZ}"
    return Group(
        Text(head, style="bold"),
        _alarms(snapshot.alarms),
        _section("Fleet", _fleet(snapshot.ledger)),
        _section("Decisions", _decisions(snapshot.decisions, snapshot.quota_per_second)),
        _section("Queues", _queues(snapshot.queues)),
        _section("CAs", _cas(snapshot.cas, snapshot.taken_at)),
        _section("CRLs", _crls(snapshot.crls, snapshot.taken_at)),
        _section("Last errors", _errors(snapshot)),
    )


def spoken(span: timedelta) -> str:
    """A duration as people say it, in its two largest units.

    >>> spoken(timedelta(hours=26, minutes=10)), spoken(timedelta(seconds=-90))
    ('1 d 2 h', '-1 min 30 s')
    """
    seconds = round(abs(span.total_seconds()))
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= size or (unit == "s" and not parts):
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return ("-" if span < timedelta(0) else "") + " ".join(parts[:2])


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(f"\n{title}", style="bold"), body)


def _unknown(part: Unknown) -> Text:
    return Text(f"  ? {printable(part.why)}", style="yellow")


def _alarms(alarms: "Sequence[str] | Unknown") -> RenderableType:
    if isinstance(alarms, Unknown):
        return _unknown(alarms)
    if not alarms:
        return Text("no alarm rings", style="green")
    return Group(*(Text(f"✗ {printable(each)}", style="bold red") for each in alarms))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=bool(any(columns)))
    table.add_column("", width=1)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _rows(table: Table, rows: Iterable[Sequence[str]]) -> Table:
    for row in rows:
        table.add_row("", *row)
    return table


def _fleet(ledger: "Ledger | Unknown") -> RenderableType:
    if isinstance(ledger, Unknown):
        return _unknown(ledger)
    total = sum(ledger.states.values())
    read = "all rows" if ledger.complete else f"the first {ledger.rows:,} rows, there are more: see --rows"
    lines = _rows(_table("", ""), ((state, f"{count:,}") for state, count in ledger.states.items()))
    return Group(lines, Text(f"  {total:,} certificates in the ledger ({read})", style="dim"))


def _decisions(decisions: "Decisions | Unknown", quota: float | None) -> RenderableType:
    if isinstance(decisions, Unknown):
        return _unknown(decisions)
    if not decisions.outcomes:
        none = f"  no figures in {decisions.hours} hours (the local cloud makes none)"
        bound = f"; at most {quota:g} activations a second" if quota else ""
        return Text(none + bound, style="dim")
    outcomes = _rows(_table("", ""), ((name, f"{count:,}") for name, count in decisions.outcomes.items()))
    reasons = _rows(_table("", ""), ((name, f"{count:,}") for name, count in decisions.reasons.items()))
    against = f" of {quota:g}" if quota else ""
    now = f"  now {decisions.activated_per_second:.1f}{against} activations a second"
    rate = f"{now}; last {decisions.hours} hours:"
    return Group(Text(rate), outcomes, Text("  by reason:"), reasons)


def _queues(queues: "Queues | Unknown") -> RenderableType:
    if isinstance(queues, Unknown):
        return _unknown(queues)
    seconds = queues.oldest_seconds
    oldest = "" if seconds is None else f", the oldest {spoken(timedelta(seconds=seconds))}"
    activation = (
        f"  activation queue: {queues.waiting:,} waiting, {queues.in_flight:,} at work or put back, "
        f"{queues.delayed:,} delayed{oldest}"
    )
    style = "bold red" if queues.dead_letters else ""
    return Group(Text(activation), Text(f"  dead letters: {queues.dead_letters:,}", style=style))


def _cas(cas: "tuple[CaState, ...] | Unknown", now: datetime) -> RenderableType:
    if isinstance(cas, Unknown):
        return _unknown(cas)
    rows = (
        (
            ca.name,
            ca.status,
            f"auto-registration {ca.auto_registration}",
            f"{ca.devices:,} in service",
            _expiry(ca.not_after, now),
        )
        for ca in cas
    )
    return _rows(_table(*[""] * 5), rows)


def _expiry(not_after: datetime, now: datetime) -> str:
    if not_after == NO_END:
        return "without an end"
    return f"expires in {spoken(not_after - now)}" + (" ← soon" if not_after - now < _SOON else "")


def _crls(crls: "tuple[CrlState, ...] | Unknown", now: datetime) -> RenderableType:
    if isinstance(crls, Unknown):
        return _unknown(crls)
    if not crls:
        return Text("  none: every CA was declared to have no CRL", style="dim")
    rows = (
        (
            crl.ca,
            f"number {crl.number}",
            f"{crl.entries:,} entries",
            f"issued {spoken(now - crl.this_update)} ago",
            _next_issue(crl.next_update, now),
            printable(crl.location),
        )
        for crl in crls
    )
    return _rows(_table(*[""] * 6), rows)


def _next_issue(next_update: datetime, now: datetime) -> str:
    if next_update == NO_END:
        return "without an end"
    return f"next in {spoken(next_update - now)}" if next_update > now else "STALE"


def _errors(snapshot: Snapshot) -> RenderableType:
    errors = snapshot.errors
    if isinstance(errors, Unknown):
        return _unknown(errors)
    if not errors:
        return Text(f"  none in the last 15 minutes ({', '.join(snapshot.log_groups)})", style="dim")
    lines = (f"  {group}: {printable(line[:_LINE])}" for group, line in errors.items())
    return Group(*(Text(line, style="red") for line in lines))
