"""A check of the checklist: a function from the case to a finding, with its id, title and causes."""

from collections.abc import Callable
from dataclasses import dataclass

from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_cli.doctor.facts.case import Case
from iot_jitr_cli.doctor.findings import Finding


@dataclass(frozen=True)
class Check:
    """One line of the checklist."""

    id: str
    """Stable, in `--json`: added to, never renamed."""
    title: str
    causes: frozenset[Cause]
    """The causes that it can find."""
    run: Callable[[Case], Finding]


def check(check_id: str, title: str, *causes: Cause) -> Callable[[Callable[[Case], Finding]], Check]:
    """Make a function the check `check_id`, which can find `causes`."""
    return lambda run: Check(check_id, title, frozenset(causes), run)
