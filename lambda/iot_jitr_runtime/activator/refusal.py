"""What becomes of a certificate that was refused: it stays pending, unless the configuration says otherwise.

A pending certificate knocks again at its device's next connect, so it is let in once the reason has passed.
One that is INACTIVE or REVOKED never does. That is why a reason that can pass may not have a status.
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
"""Refusals that end by themselves or by an operator's deed: the device must be able to knock again."""


class RefusalStatusError(JitrError):
    """A reason was given a status that it cannot have."""


class RefusalStatus(StrEnum):
    """The status of a certificate after its refusal."""

    PENDING = "pending"
    """It is left as it is: PENDING_ACTIVATION."""
    INACTIVE = "inactive"
    """It is out until an operator lets it in."""
    REVOKED = "revoked"
    """It is out for good: AWS IoT lets no certificate leave this status."""


def check_statuses(statuses: Mapping[str, str]) -> dict[Reason, RefusalStatus]:
    """Read what is to become of refused certificates, by reason.

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
                f"'{name}' can pass, so its certificates must stay 'pending': one that is '{status}' would "
                "never knock again"
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
        self, status: str | None, claim: "Claim", verdict: Verdict, identity: "Identity | None"
    ) -> None:
        """Set the status that the refusal's reason calls for, if the certificate is pending.

        The refusal is written down first, so that it is known why even if the function is cut off between.

        Args:
            status: The certificate's status as AWS IoT said under this claim; None where it did not.
            claim: The claim on the certificate.
            verdict: The refusal.
            identity: What the certificate says of itself, where it can be read.

        Raises:
            ClaimLostError: The claim is somebody else's now.
        """
        wanted = self.statuses.get(verdict.reason) if verdict.reason else None
        if status != "PENDING_ACTIVATION" or wanted in (None, RefusalStatus.PENDING):
            return
        self.ledger.record_refusing(claim, verdict, identity, status=wanted.value)
        try:
            self.iot.update_certificate(
                certificateId=claim.certificate_id,
                newStatus="INACTIVE" if wanted is RefusalStatus.INACTIVE else "REVOKED",
            )
        except self.iot.exceptions.CertificateStateException:
            return  # somebody has revoked it meanwhile
