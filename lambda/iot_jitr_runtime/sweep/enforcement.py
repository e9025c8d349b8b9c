"""Putting one certificate out because it is on its CA's CRL: REVOKED, or INACTIVE while it is on hold.

REVOKED is final, so nothing is written before the change: done twice, it is the same. A hold is written
before the change, for only a hold that this pipeline set may be lifted by it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import CLAIM_MARGIN, Claim, State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.policy.own_policy import Withdrawal
from iot_jitr_runtime.revocation.reasons import RevocationReason

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

CLAIM_LASTS = timedelta(minutes=3)
"""Longer than the calls for one certificate can take, all their retries included."""


class Enforced(StrEnum):
    """What became of one certificate; the values are a stable interface."""

    REVOKED = "revoked"
    """It is REVOKED."""
    SUSPENDED = "suspended"
    """It is INACTIVE, until its hold is lifted."""
    UNTOUCHED = "untouched"
    """It is not ACTIVE, so its hold needs nothing done; who made it so decides about it."""
    GONE = "gone"
    """AWS IoT knows no such certificate any more."""
    IMPOSSIBLE = "impossible"
    """AWS IoT does not let its status change, because it is being transferred to another account, say."""


@dataclass(frozen=True)
class Enforcement:
    """Puts certificates out; botocore's errors fly."""

    iot: "IoTClient"
    ledger: RevocationLedger
    withdrawal: Withdrawal
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def put_out(
        self,
        certificate_id: CertificateId,
        ca: CaCertificateId,
        reason: RevocationReason,
        index_version: str | None,
    ) -> Enforced:
        """Revoke or suspend one certificate of a CA.

        Raises:
            DeferredError: `CLAIMED_ELSEWHERE`: somebody is at it, try again.
            ClaimLostError: Somebody else was faster, try again.
        """
        now = self.clock()
        claim = self.ledger.seize(
            certificate_id,
            now=milliseconds(now),
            expires_at=milliseconds(now + CLAIM_LASTS + CLAIM_MARGIN),
        )
        try:
            description = self.iot.describe_certificate(certificateId=certificate_id)[
                "certificateDescription"
            ]
        except self.iot.exceptions.ResourceNotFoundException:
            self.ledger.record_gone(claim)
            return Enforced.GONE
        try:
            if reason is RevocationReason.CERTIFICATE_HOLD:
                return self._suspend(claim, ca, description["status"], index_version)
            if description["status"] != "REVOKED":
                self.iot.update_certificate(certificateId=certificate_id, newStatus="REVOKED")
        except self.iot.exceptions.CertificateStateException:
            self.ledger.give_back(claim)
            return Enforced.IMPOSSIBLE
        if claim.row.policy_name is not None:
            self.withdrawal.withdraw(certificate_id, description["certificateArn"], claim.row.policy_name)
        self.ledger.record_revoked(
            claim, detail=reason.label, index_version=index_version, now=milliseconds(self.clock())
        )
        return Enforced.REVOKED

    def _suspend(self, claim: Claim, ca: CaCertificateId, status: str, index_version: str | None) -> Enforced:
        if status == "ACTIVE":
            detail = RevocationReason.CERTIFICATE_HOLD.label
            self.ledger.record_suspending(claim, ca, detail=detail, index_version=index_version)
            self.iot.update_certificate(certificateId=claim.certificate_id, newStatus="INACTIVE")
        elif status != "INACTIVE" or claim.row.state is not State.SUSPENDED:
            self.ledger.give_back(claim)
            return Enforced.UNTOUCHED
        self.ledger.record_suspended(claim, now=milliseconds(self.clock()))
        return Enforced.SUSPENDED
