"""Letting a device in again whose hold was lifted: a hold that this pipeline set, and after all checks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr_runtime.activator.patience import ON_THEIR_WAY
from iot_jitr_runtime.activator.ports import PolicyAttachment, ThingRegistration
from iot_jitr_runtime.activator.vetting import Vetting
from iot_jitr_runtime.aws_errors import AwsError, deferral
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import CLAIM_MARGIN, Claim, State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import DecisionError, Reason, Verdict
from iot_jitr_runtime.sweep.enforcement import CLAIM_LASTS

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef

RETRY_AFTER = timedelta(minutes=5)
"""How long a release that failed waits for its next try."""


class Released(StrEnum):
    """What became of one certificate on hold; the values are a stable interface."""

    RELEASED = "released"
    """It is ACTIVE again."""
    NOT_RELEASED = "not_released"
    """A check said no, or could not say: it stays INACTIVE, and is looked at again."""
    DECIDED_ELSEWHERE = "decided_elsewhere"
    """Somebody else has decided about it."""
    GONE = "gone"
    """AWS IoT knows no such certificate any more."""


@dataclass(frozen=True)
class Release:
    """Releases certificates."""

    iot: "IoTClient"
    ledger: RevocationLedger
    vetting: Vetting
    things: ThingRegistration
    policy: PolicyAttachment
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def release(self, certificate_id: CertificateId) -> tuple[Released, Verdict | None]:
        """Release one certificate, and say why not where it is not released.

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
        if claim.row.state is not State.SUSPENDED:
            self.ledger.record_decided_elsewhere(claim, state=claim.row.state)
            return Released.DECIDED_ELSEWHERE, None
        try:
            return self._release(claim), None
        except DecisionError as decided:
            verdict = decided.verdict
        except AwsError as error:
            verdict = deferral(error).verdict
        # CAs take expired certificates off their lists, which ends no hold: nothing would come of a retry.
        again = None if verdict.reason is Reason.EXPIRED else milliseconds(self.clock() + RETRY_AFTER)
        self.ledger.record_not_released(claim, detail=f"{verdict.reason}: {verdict.detail}", retry_at=again)
        return Released.NOT_RELEASED, verdict

    def _release(self, claim: Claim) -> Released:
        try:
            response = self.iot.describe_certificate(certificateId=claim.certificate_id)
        except self.iot.exceptions.ResourceNotFoundException:
            self.ledger.record_gone(claim)
            return Released.GONE
        description = response["certificateDescription"]
        status = description["status"]
        if status not in {"INACTIVE", "ACTIVE"}:
            self.ledger.record_decided_elsewhere(claim, state=State.KNOWN)
            return Released.DECIDED_ELSEWHERE
        if status == "ACTIVE":
            # Cut off after the change, or the operator was faster: either way, it is in service.
            self._record(claim, None, None)
            return Released.RELEASED
        self._let_in(claim, description)
        return Released.RELEASED

    def _let_in(self, claim: Claim, description: "CertificateDescriptionTypeDef") -> None:
        candidate = self.vetting.candidate(claim.certificate_id, description)
        vetted = self.vetting.vet(candidate, self.clock())
        self.ledger.record_releasing(claim, index_version=vetted.index_version)
        thing_name = self.things.register(candidate, vetted.attributes)
        policy_name = self.policy.attach(candidate, thing_name)
        self.iot.update_certificate(certificateId=claim.certificate_id, newStatus="ACTIVE")
        self._record(claim, policy_name, thing_name)

    def _record(self, claim: Claim, policy_name: str | None, thing_name: str | None) -> None:
        now = self.clock()
        self.ledger.record_released(
            claim,
            policy_name=policy_name,
            thing_name=thing_name,
            now=milliseconds(now),
            look_again_at=milliseconds(now + ON_THEIR_WAY),
        )
