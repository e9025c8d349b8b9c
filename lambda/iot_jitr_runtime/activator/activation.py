"""The activation of one certificate: claim, look, check, attach, activate, record.

Three IoT calls: DescribeCertificate, AttachPolicy, UpdateCertificate. Each step may be cut off after any call
and repeated; the ledger's row says how far it came. The policy is attached before the status changes, because
AWS IoT refuses the connect of an ACTIVE certificate that has none.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from iot_jitr_runtime.activator.patience import ON_THEIR_WAY, remembered_for, retry_delay
from iot_jitr_runtime.activator.ports import (
    Admission,
    Candidate,
    PolicyAttachment,
    RevocationCheck,
    ThingRegistration,
)
from iot_jitr_runtime.activator.vetting import Vetting
from iot_jitr_runtime.aws_errors import AwsError, deferral
from iot_jitr_runtime.events import Message
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import CLAIM_MARGIN, Claim, ClaimLostError, Identity, Ledger, State
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import (
    ACTIVATED,
    DecisionError,
    DeferredError,
    Outcome,
    Reason,
    StaleError,
    Verdict,
)

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef

    from iot_jitr_runtime.activator.issuers import Issuers
    from iot_jitr_runtime.activator.refusal import OnRefusal

TIME_FOR_ONE = timedelta(seconds=8)
"""How long one certificate may take: it is begun only with this much time left, and its status is changed
only within this time after it was read. It is far more than the calls take where nothing fails."""

_TRIES_UNTIL_GONE = 3
"""A certificate that AWS IoT does not know may not be visible yet; after so many looks it is gone."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of one message, with all that a log line needs."""

    verdict: Verdict
    certificate_id: CertificateId | None = None
    identity: Identity | None = None
    message_id: str = ""
    """The queue's id of the message: the same in every line about it, however often it is tried."""
    retry_in: int = 0
    """Seconds until the message is tried again; only for a deferral."""
    waited: float | None = None
    """Seconds since the certificate was first seen; only for an activation."""
    defect: Exception | None = None
    """What went wrong, where it should not have been able to."""
    drop_message: bool = False
    """The message ends although nothing is decided, see `rate_limiter.Later.drop_message`."""

    @classmethod
    def unrecorded(
        cls, message: Message, certificate_id: CertificateId | None, verdict: Verdict
    ) -> "Decision":
        """Return the decision about a message that changes nothing in the ledger."""
        return cls(verdict, certificate_id, retry_in=retry_in(verdict, message))


@dataclass
class _Examination:
    """What is known so far, while a certificate is examined."""

    message: Message
    claim: Claim
    status: str | None = None
    read_at: datetime | None = None
    """Just before AWS IoT was asked for the status."""
    identity: Identity | None = None
    defect: Exception | None = None


@dataclass(frozen=True)
class Activation:
    """Decides about certificates. Holds no state of its own besides its collaborators."""

    iot: "IoTClient"
    ledger: Ledger
    issuers: "Issuers"
    revocation: RevocationCheck
    admission: Admission
    things: ThingRegistration
    policy: PolicyAttachment
    on_refusal: "OnRefusal"
    ca_devices: Collection[CaCertificateId] = ()
    """CAs whose devices may present a certificate with basicConstraints CA:TRUE, by configuration."""
    time_for_one: timedelta = TIME_FOR_ONE
    """Longer where an admission function is waited for."""
    clock: Callable[[], datetime] = field(default=_now)

    def decide(self, message: Message, certificate_id: CertificateId, *, stopped_by: datetime) -> Decision:
        """Bring one certificate to its outcome and record it.

        Args:
            message: The registration event's message.
            certificate_id: The certificate it names.
            stopped_by: When this function is stopped for sure; the claim lasts a little longer.
        """
        now = self.clock()
        try:
            claim = self.ledger.claim(
                certificate_id,
                sent_at=message.sent_at,
                message_id=message.message_id,
                now=milliseconds(now),
                expires_at=milliseconds(stopped_by + CLAIM_MARGIN),
            )
        except DecisionError as decided:
            return Decision.unrecorded(message, certificate_id, decided.verdict)
        except AwsError as error:
            return Decision.unrecorded(message, certificate_id, deferral(error).verdict)
        examination = _Examination(message, claim)
        verdict = self._examine(examination)
        return self._record(examination, verdict)

    def _examine(self, examination: _Examination) -> Verdict:
        try:
            self._activate(examination)
        except DecisionError as decided:
            return decided.verdict
        except AwsError as error:
            return deferral(error).verdict
        except ClaimLostError as error:
            return Verdict.because(Reason.CLAIMED_ELSEWHERE, str(error))
        except Exception as defect:  # noqa: BLE001 - a defect of ours must cost time, never a device
            examination.defect = defect
            return Verdict.because(Reason.INTERNAL_ERROR, f"{type(defect).__name__}: {defect}")
        return ACTIVATED

    @property
    def _vetting(self) -> Vetting:
        return Vetting(self.issuers, self.policy, self.revocation, self.admission, self.ca_devices)

    def _activate(self, examination: _Examination) -> None:
        self.revocation.prepare()
        examination.read_at = self.clock()
        description = self._describe(examination)
        status = examination.status = description["status"]
        candidate = self._identify(examination, description)
        if status == "ACTIVE" and examination.claim.row.state is State.ACTIVATING:
            # Ours: cut off after the change, before it could be recorded. Its thing is there; this names it.
            thing_name = self.things.register(candidate, {})
        elif status != "PENDING_ACTIVATION":
            raise StaleError(Reason.NOT_PENDING, f"the certificate is {status}")
        else:
            thing_name = self._check(examination, candidate)
        policy_name = self.policy.attach(candidate, thing_name)
        if status == "PENDING_ACTIVATION":
            self._set_active(examination, candidate)
        now = self.clock()
        self.ledger.record_activated(
            examination.claim,
            policy_name=policy_name,
            thing_name=thing_name,
            now=milliseconds(now),
            look_again_at=milliseconds(now + ON_THEIR_WAY),
        )

    def _describe(self, examination: _Examination) -> "CertificateDescriptionTypeDef":
        try:
            response = self.iot.describe_certificate(certificateId=examination.claim.certificate_id)
        except self.iot.exceptions.ResourceNotFoundException:
            if examination.message.receive_count < _TRIES_UNTIL_GONE:
                raise DeferredError(Reason.NOT_VISIBLE_YET, "AWS IoT knows no such certificate yet") from None
            raise StaleError(Reason.CERTIFICATE_GONE, "AWS IoT knows no such certificate") from None
        return response["certificateDescription"]

    def _identify(self, examination: _Examination, description: "CertificateDescriptionTypeDef") -> Candidate:
        candidate = self._vetting.candidate(examination.claim.certificate_id, description)
        examination.identity = Identity(
            candidate.ca_certificate_id,
            candidate.certificate.serial_number,
            next(iter(candidate.certificate.common_names), None),
        )
        return candidate

    def _check(self, examination: _Examination, candidate: Candidate) -> str | None:
        vetted = self._vetting.vet(candidate, self.clock())
        assert examination.identity is not None  # noqa: S101 - `_identify` came first
        examination.claim = self.ledger.record_activating(
            examination.claim, examination.identity, vetted.index_version
        )
        return self.things.register(candidate, vetted.attributes)

    def _set_active(self, examination: _Examination, candidate: Candidate) -> None:
        """Change the status, unless it was read so long ago that an operator's change is not unlikely.

        UpdateCertificate has no compare-and-set.
        """
        if examination.read_at is None or self.clock() - examination.read_at > self.time_for_one:
            raise DeferredError(
                Reason.OUT_OF_TIME, f"the checks took longer than {self.time_for_one.total_seconds():.0f} s"
            )
        try:
            self.iot.update_certificate(certificateId=candidate.certificate_id, newStatus="ACTIVE")
        except self.iot.exceptions.CertificateStateException as error:
            raise StaleError(Reason.NOT_PENDING, f"the certificate changed meanwhile: {error}") from error

    def _record(self, examination: _Examination, verdict: Verdict) -> Decision:
        message, claim, identity = examination.message, examination.claim, examination.identity
        now = self.clock()
        decision = Decision(
            verdict,
            claim.certificate_id,
            identity,
            retry_in=retry_in(verdict, message),
            waited=(milliseconds(now) - claim.row.first_seen_at) / 1000
            if verdict.outcome is Outcome.ACTIVATED
            else None,
            defect=examination.defect,
        )
        at = milliseconds(now)
        try:
            match verdict.outcome:
                case Outcome.REFUSED if verdict.reason:
                    self.on_refusal.apply(examination.status, claim, verdict, identity)
                    again = milliseconds(now + remembered_for(verdict.reason))
                    self.ledger.record_refused(claim, verdict, identity, now=at, look_again_at=again)
                case Outcome.DEFERRED:
                    self.ledger.record_deferred(
                        claim,
                        verdict,
                        message_id=message.message_id,
                        now=at,
                        look_again_at=milliseconds(now + timedelta(seconds=decision.retry_in)),
                    )
                case Outcome.STALE | Outcome.DEAD_LETTERED if verdict.reason:
                    again = milliseconds(now + remembered_for(verdict.reason))
                    self.ledger.record_stale(
                        claim,
                        identity,
                        active=examination.status == "ACTIVE",
                        message_id=message.message_id,
                        now=at,
                        look_again_at=again,
                    )
        except ClaimLostError as error:
            return Decision.unrecorded(
                message, claim.certificate_id, Verdict.because(Reason.CLAIMED_ELSEWHERE, str(error))
            )
        except AwsError as error:
            # What could not be recorded has not happened: the message comes back, the claim expires.
            return Decision.unrecorded(message, claim.certificate_id, deferral(error).verdict)
        return decision


def retry_in(verdict: Verdict, message: Message) -> int:
    """Return after how many seconds the message is tried again: 0 unless the verdict is a deferral."""
    if verdict.outcome is not Outcome.DEFERRED or verdict.reason is None:
        return 0
    return retry_delay(verdict.reason, message.receive_count)
