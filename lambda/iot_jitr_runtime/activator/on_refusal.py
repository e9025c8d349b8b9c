"""The status of a refused certificate: it stays pending, unless another status is configured.

A pending certificate causes an event at its device's next connect, so it is activated when the reason no
longer applies. An INACTIVE or REVOKED certificate causes no event. So these statuses are not allowed for a
temporary reason.
"""

from collections.abc import Mapping
from enum import StrEnum

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.outcomes import Outcome, Reason

CAN_PASS = frozenset({Reason.NOT_LISTED, Reason.ON_HOLD, Reason.NOT_YET_VALID})
"""Temporary refusals, which end with time or by an operator's action: the certificate must stay pending."""


class RefusalStatusError(JitrError):
    """A reason was given a status that it cannot have."""


class RefusalStatus(StrEnum):
    """The status of a certificate after its refusal."""

    PENDING = "pending"
    """It stays PENDING_ACTIVATION."""
    INACTIVE = "inactive"
    """It cannot connect until an operator activates it."""
    REVOKED = "revoked"
    """It can never connect again: this status is final."""


def check_statuses(statuses: Mapping[str, str]) -> dict[Reason, RefusalStatus]:
    """Read the statuses of refused certificates, by reason.

    Raises:
        RefusalStatusError: Not the reason of a refusal, not a status, or a status for a temporary reason.
    """
    found = {}
    for name, status in statuses.items():
        reason = next((each for each in Reason if each == name and each.outcome is Outcome.REFUSED), None)
        if reason is None:
            known = ", ".join(each for each in Reason if each.outcome is Outcome.REFUSED)
            raise RefusalStatusError(f"'{name}' is not the reason of a refusal; these are: {known}")
        if status not in set(RefusalStatus):
            raise RefusalStatusError(
                f"'{name}' has the status '{status}', expected one of {', '.join(RefusalStatus)}"
            )
        if reason in CAN_PASS and status != RefusalStatus.PENDING:
            raise RefusalStatusError(
                f"'{name}' can pass, so its certificates must stay 'pending': no certificate that is "
                f"'{status}' is ever checked again"
            )
        found[reason] = RefusalStatus(status)
    return found
