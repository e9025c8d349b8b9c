"""The status of a refused certificate: it stays pending, unless the configuration says otherwise.

A pending certificate causes an event at its device's next connect, so it is activated once the reason has
passed. An INACTIVE or REVOKED one causes none. So a reason that can pass may not have such a status.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.outcomes import Outcome, Reason, Verdict

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

    from iot_jitr_runtime.ledger import Claim, Identity, Ledger

CAN_PASS = frozenset({Reason.NOT_LISTED, Reason.ON_HOLD, Reason.NOT_YET_VALID})
"""Refusals that can end, by themselves or by an operator: the certificate must stay pending."""


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
        RefusalStatusError: Not a refusal's reason, not a status, or a status for a reason that can pass.
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


@dataclass(frozen=True)
class OnRefusal:
    """Sets the status of refused certificates."""

    iot: "IoTClient"
    ledger: "Ledger"
    statuses: Mapping[Reason, RefusalStatus] = field(default_factory=dict)

    def apply(
        self, status: str | None, claim: "Claim", verdict: Verdict, identity: "Identity | None", *, now: int
    ) -> None:
        """Set the status that is configured for the refusal's reason, if the certificate is pending.

        The refusal is recorded first: the reason of a status is known even if the function stops in between.

        Args:
            status: The certificate's status as read under this claim; None where it was not read.
            claim: The claim on the certificate.
            verdict: The refusal.
            identity: What the certificate says of its device, where it can be read.
            now: This moment, in milliseconds since the epoch.

        Raises:
            LeaseLostError: Another worker holds the claim.
        """
        wanted = self.statuses.get(verdict.reason) if verdict.reason else None
        if status != "PENDING_ACTIVATION" or wanted in (None, RefusalStatus.PENDING):
            return
        self.ledger.record_refusing(claim, verdict, identity, status=wanted.value, now=now)
        try:
            self.iot.update_certificate(
                certificateId=claim.certificate_id,
                newStatus="INACTIVE" if wanted is RefusalStatus.INACTIVE else "REVOKED",
            )
        except self.iot.exceptions.CertificateStateException:
            return  # an operator has revoked it meanwhile
