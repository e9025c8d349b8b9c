"""A fleet of any size as `jitr status --html` finds it, the same at each call."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from iot_jitr_cli.status.figures import STEP, STEPS, DecisionCounts, History, Series
from iot_jitr_cli.status.fleet import Fleet
from iot_jitr_cli.status.ledger import Group, LedgerCounts
from iot_jitr_cli.status.page.render import page
from iot_jitr_cli.status.parts import CaState, CrlState, QueueCounts
from iot_jitr_cli.status.quotas import ApiQuota
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.outcomes import Reason
from tests.support import doctor_account as da

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CAS = {"Factory": "fa" * 32, "Workshop": "3b" * 32}
HOSTILE = (
    "<script>document.title='taken over'</script>",
    '"><img src=x onerror="document.title=\'taken over\'">',
    "</script><script>document.title='taken over'</script><!--",
    "{{ 7*7 }}' onmouseover='x",
    "sensor-\u202egnp.exe",
    "line\nbreak|pipe\\u003c\u2028&amp;",
)
"""Common names that try to become markup of a page, or to be read as another name."""
_OUT = (
    ("refused", "not_listed", 38),
    ("deferred", "crl_stale", 30),
    ("refused", "expired", 9),
    ("deferred", "rate_limited", 17),
    ("refused", "thing_taken", 3),
    ("activating", None, 2),
)
_CA_SHARES = ("Factory", "Factory", "Factory", "Workshop")


def certificate(number: int, state: str = "activated", reason: str | None = None, **values: object) -> Row:
    """A certificate of a device with that number."""
    randomly = random.Random(number)
    decided = int((NOW - timedelta(minutes=randomly.randrange(1, 3000))).timestamp() * 1000)
    made = Row(
        certificate_id=f"{randomly.getrandbits(256):064x}",
        state=State(state),
        reason=Reason(reason) if reason else None,
        ca_certificate_id=CAS[_CA_SHARES[number % len(_CA_SHARES)]],
        serial_number=f"{randomly.getrandbits(158):x}",
        common_name=f"sensor-{number:06d}",
        in_fleet=state == "activated",
        first_seen_at=decided - randomly.randrange(60_000, 90_000_000),
        decided_at=decided,
    )
    return replace(made, **values)  # type: ignore[arg-type]


def certificates(devices: int) -> list[Row]:
    """The given number of certificates; about one in twelve is not in service."""
    return [_chosen(number) for number in range(devices)]


def written(file: Path, devices: int) -> Path:
    """Write the page of a fleet with the given number of devices."""
    found = certificates(devices)
    file.write_text(page(fleet(found), found), encoding="utf-8")
    return file


class GivenFleet(Fleet):
    """A fleet with given parts; no call of AWS is made."""

    def __init__(self, **parts: object) -> None:
        vars(self).update(parts)

    def but(self, **parts: object) -> "GivenFleet":
        """The same with these parts."""
        return GivenFleet(**{**vars(self), **parts})


def fleet(found: Sequence[Row], **values: object) -> GivenFleet:
    """The fleet of these certificates; `values` replace its parts."""
    ledger = LedgerCounts(rows=len(found), complete=True)
    for each in found:
        ledger.add(each)
    waiting = sum(each.state == "deferred" for each in found)
    healthy = GivenFleet(
        stack="factory-fleet",
        region=da.REGION,
        taken_at=NOW,
        quota_per_second=10,
        activated_per_second=9.4,
        log_groups=("/log/activator",),
        alarms=(),
        errors={},
        ledger=ledger,
        decisions=DecisionCounts(
            24,
            {"Activated": 36_210, "Refused": 412},
            {"not_listed": 380, "expired": 32, "rate_limited": 91_774},
            9.4,
        ),
        queues=QueueCounts(max(waiting - 3, 0), min(waiting, 3), 0, 754.0 if waiting else None, 0),
        cas=tuple(
            CaState(
                name,
                ca,
                "ACTIVE",
                "ENABLE",
                NOW - timedelta(days=3650 - days),
                NOW + timedelta(days=days),
                ledger.by_ca.get(ca, Counter())[Group.IN_SERVICE],
            )
            for (name, ca), days in zip(CAS.items(), (2915, 41), strict=True)
        ),
        crls=(
            CrlState(
                "Factory",
                118,
                21_904,
                NOW - timedelta(hours=3),
                NOW + timedelta(hours=21),
                "https://pki.example.com/factory.crl",
            ),
            CrlState(
                "Workshop",
                52,
                310,
                NOW - timedelta(hours=49),
                NOW - timedelta(hours=1),
                "s3://crls/workshop.crl",
            ),
        ),
        history=history(),
        quotas=tuple(
            ApiQuota(call, 10) for call in ("DescribeCertificate", "AttachPolicy", "UpdateCertificate")
        ),
    )
    return healthy.but(**values)


def history() -> History:
    """A day with a fleet of 36,000 devices that is switched on four hours before its end."""
    begins, ends = STEPS - 16, STEPS - 11

    def storm(step: int, peak: float) -> float:
        return peak * (ends - step) / (ends - begins) if begins <= step < ends else 0.0

    steps = range(STEPS)
    activated = [8460 if begins <= step < ends - 1 else 4 + step % 7 for step in steps]
    shapes = (
        ("activated", "Devices activated", "devices", activated, True),
        ("refused", "Refusals", "messages", [round(2 + storm(step, 90)) for step in steps], True),
        ("deferred", "Deferrals", "messages", [round(storm(step, 34_000)) for step in steps], True),
        ("queue", "Messages in the queue", "messages", [round(storm(step, 34_210)) for step in steps], False),
        (
            "oldest",
            "Age of the oldest message",
            "s",
            [storm(2 * begins + 4 - step, 3640) for step in steps],
            False,
        ),
        (
            "time",
            "From first connect to active, 95 %",
            "s",
            [1.4 + storm(2 * begins + 4 - step, 3630) if step % 5 else None for step in steps],
            False,
        ),
    )
    return History(
        NOW - STEPS * STEP,
        tuple(
            Series(name, title, unit, tuple(values), summed=summed)
            for name, title, unit, values, summed in shapes
        ),
    )


def _chosen(number: int) -> Row:
    randomly = random.Random(number + 7)
    if randomly.random() < 0.915:
        return certificate(number)
    if randomly.random() < 0.12:
        return certificate(number, randomly.choice(["revoked", "suspended", "retired"]))
    ((state, reason, _),) = randomly.choices(_OUT, [weight for *_, weight in _OUT])
    return certificate(number, state, reason)
