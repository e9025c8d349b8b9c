"""Which certificates nobody decided about, and which the ledger does not know."""

from datetime import datetime, timedelta

from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import Outcome
from iot_jitr_runtime.reconciler.listing import Listed

_STILL_OPEN = {None, State.DEFERRED, State.ACTIVATING}
_CLOCKS = timedelta(seconds=5)


def is_undecided(certificate: Listed, row: Row, now: datetime, pending_after: timedelta) -> bool:
    """Whether a certificate has been pending for long and nothing is under way for it.

    A decision about an earlier registration does not count: the certificate was deleted since, and registered
    again.

    Args:
        certificate: What AWS IoT's list says.
        row: What the ledger says; an empty row where it says nothing.
        now: This moment.
        pending_after: How long a certificate may be pending before its event counts as lost.
    """
    if not certificate.is_pending or now - certificate.created_at < pending_after:
        return False
    if row.state in _STILL_OPEN or (row.reason and row.reason.outcome is Outcome.DEFERRED):
        # A worker is at it, or its message comes back, until one of these moments.
        busy_until = max(row.look_again_at, row.claim_expires_at)
        return milliseconds(now - pending_after) > busy_until
    return row.decided_at < milliseconds(certificate.created_at - _CLOCKS)


def is_unknown(certificate: Listed, row: Row) -> bool:
    """Whether somebody else decided about a certificate, so that the ledger cannot find it by serial."""
    return not certificate.is_pending and row.serial_number is None
