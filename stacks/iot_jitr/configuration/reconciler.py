"""How often certificates that nobody decided about are looked for."""

from datetime import timedelta
from typing import TYPE_CHECKING

from iot_jitr.reconciler import ReconcilerSettings

if TYPE_CHECKING:
    from iot_jitr.configuration.reader import Section

_MINUTES_A_DAY = 24 * 60
_RETENTION_MINUTES = 14 * _MINUTES_A_DAY
"""What has been pending for longer than the queue keeps messages is lost for sure."""


def read_reconciler(root: "Section") -> ReconcilerSettings:
    """Read the key `reconciler`.

    Raises:
        ConfigurationError: A value is wrong.
    """
    section = root.section("reconciler")
    settings = ReconcilerSettings(
        every=timedelta(minutes=section.number("schedule_minutes", 60, low=1, high=_MINUTES_A_DAY)),
        pending_after=timedelta(
            minutes=section.number("pending_minutes", 15, low=1, high=_RETENTION_MINUTES)
        ),
        full_pass_every=timedelta(days=section.number("full_pass_days", 7, low=1, high=366)),
    )
    section.finish()
    return settings
