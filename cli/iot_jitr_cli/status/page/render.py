"""Makes the page: one HTML file that loads nothing, and runs only its own script.

The template escapes all text from certificates, AWS and logs. Before that, control characters and characters
that change the direction of writing are replaced (`printable`).
"""

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from iot_jitr_cli.console import printable
from iot_jitr_cli.doctor.causes import cause_of
from iot_jitr_cli.durations import format_time, in_words
from iot_jitr_cli.status.figures import History
from iot_jitr_cli.status.fleet import OVERVIEW, Fleet, Unknown
from iot_jitr_cli.status.ledger import WITH_CAUSE, Group, group_of
from iot_jitr_cli.status.page.plots import HEIGHT, hourly, plots
from iot_jitr_cli.status.parts import SOON
from iot_jitr_cli.status.waiting_view import rate_in_words, seconds_in_words
from iot_jitr_runtime.certificates import NO_END
from iot_jitr_runtime.ledger import Row

CERTIFICATES = 100_000
"""Maximum number of certificates in a page, for its search: about 15 MB."""


@dataclass
class CertificateSelection:
    """The certificates in the page; certificates in service are added only if there is room for them."""

    limit: int = CERTIFICATES
    others: list[Row] = field(default_factory=list)
    in_service: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Add a row, unless its group already has `limit` rows."""
        rows = self.in_service if group_of(row) is Group.IN_SERVICE else self.others
        if len(rows) < self.limit:
            rows.append(row)

    @property
    def certificates(self) -> list[Row]:
        """The certificates; those that are not in service are the first."""
        return [*self.others, *self.in_service][: self.limit]


def page(fleet: Fleet, certificates: list[Row]) -> str:
    """The page's HTML.

    Args:
        fleet: The fleet that the page shows.
        certificates: The certificates for the search.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=_to_text, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "grouped": "{:,}".format,
        "moment": format_time,
        "duration": seconds_in_words,
        "time": lambda moment: f"{moment:%Y-%m-%d %H:%M}Z",
    }
    environment.tests["unknown"] = lambda part: isinstance(part, Unknown)
    style, script = _asset("page.css"), _asset("page.js")
    drawn = fleet.history if isinstance(fleet.history, History) and not fleet.history.empty else None
    return environment.from_string(_asset("page.html.jinja")).render(
        fleet=fleet,
        unknown=fleet.unknown(*OVERVIEW),
        rate=rate_in_words(fleet),
        groups=[*Group],
        shares=_shares(fleet),
        by_ca=_by_ca(fleet),
        by_reason=_by_reason(fleet),
        plots=plots(drawn) if drawn else (),
        hourly=hourly(drawn) if drawn else (),
        plot_height=HEIGHT,
        end=partial(_end, now=fleet.taken_at),
        soon=fleet.taken_at + SOON,
        data=_data(fleet, certificates),
        kept=len(certificates),
        style=Markup(style),  # noqa: S704  ours
        script=Markup(script),  # noqa: S704  ours
        style_hash=_hash(style),
        script_hash=_hash(script),
    )


def _to_text(value: object) -> object:
    """A value for the template; text is made printable, and the template engine escapes it afterwards."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> str:
    return files(__package__ or "").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression of a Content-Security-Policy for an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _shares(fleet: Fleet) -> list[tuple[Group, int, float, float]]:
    """For each group: its number of certificates, and the start and length of its bar in percent."""
    ledger, cas = fleet.ledger, fleet.cas
    counts = {group: 0 if isinstance(ledger, Unknown) else ledger.group(group) for group in Group}
    if not isinstance(cas, Unknown):
        # The counters count all devices, even if not all rows were read.
        counts[Group.IN_SERVICE] = sum(ca.devices for ca in cas)
    total = sum(counts.values())
    found, begin = [], 0.0
    for group, count in counts.items():
        share = 100 * count / total if total else 0.0
        found.append((group, count, round(begin, 3), round(share, 3)))
        begin += share
    return found


def _by_ca(fleet: Fleet) -> list[tuple[str, dict[Group, int]]]:
    """Name of each CA with its certificates by group, those without a known CA last."""
    ledger, cas = fleet.ledger, fleet.cas
    rows = {} if isinstance(ledger, Unknown) else {ca: dict(groups) for ca, groups in ledger.by_ca.items()}
    found = []
    for ca in () if isinstance(cas, Unknown) else cas:
        groups = rows.pop(ca.certificate_id, {})
        found.append((ca.name, {**groups, Group.IN_SERVICE: ca.devices}))
    return found + [
        (f"CA {ca}" if ca else "unknown CA", groups) for ca, groups in sorted(rows.items(), reverse=True)
    ]


def _by_reason(fleet: Fleet) -> list[tuple[str, int, int | None]]:
    """For each reason: the certificates that are not active, and the messages of the day (None: unknown)."""
    not_active: Counter[str] = Counter()
    for cluster in fleet.clusters:
        not_active.update(cluster.reasons)
    decisions = fleet.decisions
    messages = None if isinstance(decisions, Unknown) else decisions.reasons
    found = [
        (reason, not_active[reason], None if messages is None else messages.get(reason, 0))
        for reason in {*not_active, *(messages or ())}
    ]
    return sorted(found, key=lambda row: (-row[1], -(row[2] or 0), row[0]))


def _end(moment: datetime, now: datetime) -> str:
    """The time until or since a moment, in words."""
    if moment == NO_END:
        return "no end"
    return f"in {in_words(moment - now)}" if moment > now else f"{in_words(now - moment)} ago"


def _data(fleet: Fleet, certificates: list[Row]) -> dict[str, object]:
    """The data of the search: a line for each certificate, and the kinds of certificates.

    A line is `id|serial|kind|decided|name`: `kind` is an index into `kinds`, whose entries are the CA's name,
    the group and its title, the state, the reason and the cause; `decided` is in seconds since the epoch; the
    name is at the end because it may contain the separator.
    """
    known = () if isinstance(fleet.cas, Unknown) else fleet.cas
    cas: dict[str, str] = {ca.certificate_id: ca.name for ca in known}
    kinds: dict[tuple[str, ...], int] = {}
    lines = []
    for row in certificates:
        group, ca = group_of(row), row.ca_certificate_id or ""
        cause = cause_of(row).value if group in WITH_CAUSE else ""
        kind = (cas.get(ca, ca), group, group.heading, row.state or "unknown", row.reason or "", cause)
        numbers = (kinds.setdefault(kind, len(kinds)), row.decided_at // 1000)
        name = printable(row.common_name or "")
        lines.append("|".join((row.certificate_id, row.serial_number or "", *map(str, numbers), name)))
    return {"lines": "\n".join(lines), "kinds": [*kinds]}
