"""The sweep's changes of one certificate: revoke it, suspend it, or release its hold.

`REVOKED` is final, so nothing is written before that change: if it is repeated, the result is the same. A
hold is written before the change, because only a hold that this pipeline set may be released by it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr_runtime.activator.retry import AFTER_ACTIVATION
from iot_jitr_runtime.activator.validate import Validation
from iot_jitr_runtime.aws_errors import AwsError, deferral
from iot_jitr_runtime.device_certificate import describe
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import CLAIM_MARGIN, Claim, State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import DecisionError, Reason, Verdict
from iot_jitr_runtime.policy.attachment import PerDevicePolicy, SharedPolicy
from iot_jitr_runtime.policy.deletion import delete_or_schedule
from iot_jitr_runtime.revocation.model import RevocationReason
from iot_jitr_runtime.sweep.sessions import Sessions

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef

    from iot_jitr_runtime.things.registration import Things

CLAIM_LASTS = timedelta(minutes=3)
"""Longer than the calls for one certificate can take, all their retries included."""
RETRY_AFTER = timedelta(minutes=5)
"""How long a release that failed waits for its next try."""


class RevocationResult(StrEnum):
    """The result for a certificate on its CA's CRL; the values are a stable interface."""

    REVOKED = "revoked"
    """It is REVOKED."""
    SUSPENDED = "suspended"
    """It is INACTIVE until its hold is lifted."""
    NOT_ACTIVE = "not_active"
    """It is on hold and not ACTIVE, so nothing is done: another caller has deactivated it."""
    GONE = "gone"
    """AWS IoT has no such certificate."""
    CONFLICT = "conflict"
    """AWS IoT does not allow a change of its status, for example during a transfer to another account."""


class ReleaseResult(StrEnum):
    """The result for a certificate whose hold was lifted; the values are a stable interface."""

    RELEASED = "released"
    """It is ACTIVE again."""
    NOT_RELEASED = "not_released"
    """A check refused it or failed: it stays INACTIVE, and is checked again later."""
    DECIDED_ELSEWHERE = "decided_elsewhere"
    """Another caller has changed it since."""
    GONE = "gone"
    """AWS IoT has no such certificate."""


@dataclass(frozen=True)
class Enforcement:
    """Gives a certificate the status that its CA's CRL requires; botocore's errors propagate."""

    iot: "IoTClient"
    ledger: RevocationLedger
    validation: Validation
    things: "Things | None"
    policy: SharedPolicy | PerDevicePolicy
    sessions: Sessions | None = None
    """Closes sessions; None where it is not known which client ids the certificates may use."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def is_active(self, certificate_id: CertificateId) -> bool:
        """Whether AWS IoT has the certificate and it is ACTIVE; if not, it leaves the fleet."""
        description = describe(self.iot, certificate_id)
        if description is not None and description["status"] == "ACTIVE":
            return True
        self.ledger.fleet.correct(certificate_id, active=False)
        return False

    def revoke(
        self,
        certificate_id: CertificateId,
        ca: CaCertificateId,
        reason: RevocationReason,
        index_version: str,
    ) -> RevocationResult:
        """Revoke a certificate of a CA, or suspend it where the reason is a hold.

        Raises:
            DeferredError: `CLAIMED_ELSEWHERE`: another worker has the certificate, try again.
            LeaseLostError: Another worker has taken it since, try again.
        """
        claim = self._claim(certificate_id)
        description = describe(self.iot, certificate_id)
        if description is None:
            self.ledger.record_gone(claim)
            return RevocationResult.GONE
        try:
            if reason is RevocationReason.CERTIFICATE_HOLD:
                return self._suspend(claim, ca, description["status"], index_version)
            if description["status"] != "REVOKED":
                self.iot.update_certificate(certificateId=certificate_id, newStatus="REVOKED")
        except self.iot.exceptions.CertificateStateException:
            self.ledger.release(claim)
            return RevocationResult.CONFLICT
        if claim.row.policy_name is not None:
            delete_or_schedule(
                self.iot,
                self.ledger.tasks,
                certificate_id,
                description["certificateArn"],
                claim.row.policy_name,
                now=self.clock(),
            )
        self._schedule_session_close(claim, reason)
        self.ledger.record_revoked(
            claim, detail=reason.label, index_version=index_version, now=milliseconds(self.clock())
        )
        return RevocationResult.REVOKED

    def _suspend(
        self, claim: Claim, ca: CaCertificateId, status: str, index_version: str
    ) -> RevocationResult:
        if status == "ACTIVE":
            detail = RevocationReason.CERTIFICATE_HOLD.label
            self.ledger.record_suspending(claim, ca, detail=detail, index_version=index_version)
            self.iot.update_certificate(certificateId=claim.certificate_id, newStatus="INACTIVE")
        elif status != "INACTIVE" or claim.row.state is not State.SUSPENDED:
            self.ledger.release(claim)
            return RevocationResult.NOT_ACTIVE
        self._schedule_session_close(claim, RevocationReason.CERTIFICATE_HOLD)
        self.ledger.record_suspended(claim, now=milliseconds(self.clock()))
        return RevocationResult.SUSPENDED

    def _schedule_session_close(self, claim: Claim, reason: RevocationReason) -> None:
        """Schedule it after the change and before the ledger's record, so that no crash can lose it."""
        if self.sessions is not None:
            self.sessions.schedule(claim.row, reason)

    def release(self, certificate_id: CertificateId) -> tuple[ReleaseResult, Verdict | None]:
        """Release the hold of a certificate after all checks are repeated; return why if it is not released.

        Raises:
            DeferredError: `CLAIMED_ELSEWHERE`: another worker has the certificate, try again.
            LeaseLostError: Another worker has taken it since, try again.
        """
        claim = self._claim(certificate_id)
        if claim.row.state is not State.SUSPENDED:
            self.ledger.record_decided_elsewhere(claim, state=claim.row.state)
            return ReleaseResult.DECIDED_ELSEWHERE, None
        try:
            return self._release(claim), None
        except DecisionError as decided:
            verdict = decided.verdict
        except AwsError as error:
            verdict = deferral(error)
        # A CA removes an expired certificate from its CRL. That does not end the hold: a retry would not
        # help.
        again = None if verdict.reason is Reason.EXPIRED else milliseconds(self.clock() + RETRY_AFTER)
        self.ledger.record_not_released(claim, detail=f"{verdict.reason}: {verdict.detail}", retry_at=again)
        return ReleaseResult.NOT_RELEASED, verdict

    def _release(self, claim: Claim) -> ReleaseResult:
        description = describe(self.iot, claim.certificate_id)
        if description is None:
            self.ledger.record_gone(claim)
            return ReleaseResult.GONE
        if description["status"] == "ACTIVE":
            # The function stopped after the change, or an operator has activated the certificate.
            self._record_released(claim, None, None)
        elif description["status"] == "INACTIVE":
            self._activate(claim, description)
        else:
            self.ledger.record_decided_elsewhere(claim, state=State.KNOWN)
            return ReleaseResult.DECIDED_ELSEWHERE
        return ReleaseResult.RELEASED

    def _activate(self, claim: Claim, description: "CertificateDescriptionTypeDef") -> None:
        device = self.validation.identify(description)
        evidence = self.validation.validate(device, self.clock())
        self.ledger.record_releasing(claim, index_version=evidence.index_version)
        thing_name = self.things.register(device, evidence.attributes) if self.things else None
        policy_name = self.policy.attach(device, thing_name)
        self.iot.update_certificate(certificateId=claim.certificate_id, newStatus="ACTIVE")
        self._record_released(claim, policy_name, thing_name)

    def _record_released(self, claim: Claim, policy_name: str | None, thing_name: str | None) -> None:
        now = self.clock()
        self.ledger.record_released(
            claim,
            policy_name=policy_name,
            thing_name=thing_name,
            now=milliseconds(now),
            valid_until=milliseconds(now + AFTER_ACTIVATION),
        )

    def _claim(self, certificate_id: CertificateId) -> Claim:
        now = self.clock()
        return self.ledger.acquire(
            certificate_id,
            now=milliseconds(now),
            expires_at=milliseconds(now + CLAIM_LASTS + CLAIM_MARGIN),
        )
