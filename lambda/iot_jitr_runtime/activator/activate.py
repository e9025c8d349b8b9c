"""The activation of one certificate: claim, describe, validate, attach the policy, set ACTIVE, record.

Three IoT calls: DescribeCertificate, AttachPolicy, UpdateCertificate. The worker may stop after any call and
each step may be repeated; the ledger's row shows which steps are complete. The policy is attached before the
status changes, because AWS IoT refuses the connect of an ACTIVE certificate that has no policy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from iot_jitr_runtime.activator.on_refusal import RefusalStatus
from iot_jitr_runtime.activator.retry import AFTER_ACTIVATION, attempt, decision_ttl, retry_delay
from iot_jitr_runtime.activator.validate import Validation
from iot_jitr_runtime.device_certificate import DeviceCertificate, describe
from iot_jitr_runtime.events import Message
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import CLAIM_MARGIN, Claim, Identity, Ledger, State
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import ACTIVATED, DeferredError, Outcome, Reason, StaleError, Verdict
from iot_jitr_runtime.policy.attachment import PerDevicePolicy, SharedPolicy

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

    from iot_jitr_runtime.things.registration import Things

TIME_FOR_ONE = timedelta(seconds=8)
"""How long one certificate may take: it is begun only with this much time left, and its status is changed
only within this time after it was read. It is far more than the calls take where nothing fails."""

_PENDING = "PENDING_ACTIVATION"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_READS_UNTIL_GONE = 3
"""A certificate that AWS IoT does not return may not be visible yet; after this many reads it counts as
deleted."""


@dataclass(frozen=True)
class Decision:
    """The verdict on one message, and all values of its log line."""

    message: Message
    certificate_id: CertificateId | None
    """None if the message is not a registration event."""
    verdict: Verdict
    retry_in: int | None = None
    """Seconds until the message is retried; None if the message is final."""
    identity: Identity | None = None
    waited: float | None = None
    """Seconds since the certificate was first seen; only for an activation."""

    @classmethod
    def about(cls, message: Message, certificate_id: CertificateId | None, verdict: Verdict) -> "Decision":
        """Return the decision about a message, with the delay of its retry."""
        retry_in = None
        if verdict.reason is not None and verdict.outcome is Outcome.DEFERRED:
            retry_in = retry_delay(verdict.reason, message.receive_count)
        return cls(message, certificate_id, verdict, retry_in)


@dataclass
class Progress:
    """The state of one activation: the values for its record and log line if a step raises an exception."""

    message: Message
    certificate_id: CertificateId
    claim: Claim | None = None
    status: str | None = None
    """The certificate's status at AWS IoT."""
    status_read_at: datetime = _LONG_AGO
    """A moment before the request for the status."""
    identity: Identity | None = None
    """CA, serial number and common name, where the certificate can be read."""


@dataclass(frozen=True)
class Activation:
    """Activates certificates. It has no state of its own."""

    iot: "IoTClient"
    ledger: Ledger
    validation: Validation
    things: "Things | None"
    """Registers things; None where devices have none."""
    policy: SharedPolicy | PerDevicePolicy
    on_refusal: Mapping[Reason, RefusalStatus] = field(default_factory=dict)
    """The status that a refused certificate gets, by reason; for any other reason its status does not
    change."""
    time_for_one: timedelta = TIME_FOR_ONE
    """Longer where an admission function is called."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def decide(self, message: Message, certificate_id: CertificateId, *, stops_at: datetime) -> Decision:
        """Activate one certificate, or record why not.

        Args:
            message: The registration event's message.
            certificate_id: The certificate it names.
            stops_at: The time at which the function must stop; the claim lasts a little longer.
        """
        if self.clock() + self.time_for_one > stops_at:
            return Decision.about(message, certificate_id, Verdict(Reason.OUT_OF_TIME))
        progress = Progress(message, certificate_id)
        result = attempt(self.activate, progress, stops_at)
        if not isinstance(result, Verdict):
            return Decision(message, certificate_id, ACTIVATED, identity=progress.identity, waited=result)
        decision = replace(Decision.about(message, certificate_id, result), identity=progress.identity)
        unrecorded = attempt(self.record, progress, decision)
        if unrecorded is None:
            return decision
        # A decision that is not recorded does not count: the message is retried, and the claim expires.
        return Decision.about(message, certificate_id, unrecorded)

    def activate(self, progress: Progress, stops_at: datetime) -> float:
        """Run all steps for the certificate; a step that fails raises an exception.

        Returns:
            How long the device has waited since the certificate was first seen, in seconds.
        """
        claim = progress.claim = self.claim(progress, stops_at)
        device = self.describe(progress)
        progress.identity = device.identity
        if progress.status == "ACTIVE" and claim.row.state is State.ACTIVATING:
            # This pipeline set the status, and stopped before the record. The thing exists; this returns its
            # name.
            attributes: Mapping[str, str] = {}
        elif progress.status != _PENDING:
            raise StaleError(Reason.NOT_PENDING, f"the certificate is {progress.status}")
        else:
            evidence = self.validation.validate(device, self.clock())
            claim = progress.claim = self.ledger.record_activating(
                claim, progress.identity, evidence.index_version
            )
            attributes = evidence.attributes
        thing_name = self.things.register(device, attributes) if self.things else None
        policy_name = self.policy.attach(device, thing_name)
        self.set_active(progress)
        now = self.clock()
        self.ledger.record_activated(
            claim,
            policy_name=policy_name,
            thing_name=thing_name,
            now=milliseconds(now),
            valid_until=milliseconds(now + AFTER_ACTIVATION),
        )
        return (milliseconds(now) - claim.row.first_seen_at) / 1000

    def claim(self, progress: Progress, stops_at: datetime) -> Claim:
        """Claim the certificate: no other worker changes it while the claim lasts."""
        return self.ledger.claim(
            progress.certificate_id,
            sent_at=progress.message.sent_at,
            message_id=progress.message.message_id,
            now=milliseconds(self.clock()),
            expires_at=milliseconds(stops_at + CLAIM_MARGIN),
        )

    def describe(self, progress: Progress) -> DeviceCertificate:
        """Read the certificate and its status from AWS IoT, as late as possible."""
        if self.validation.revocation is not None:
            self.validation.revocation.prepare()
        progress.status_read_at = self.clock()
        description = describe(self.iot, progress.certificate_id)
        if description is None:
            if progress.message.receive_count < _READS_UNTIL_GONE:
                raise DeferredError(Reason.NOT_VISIBLE_YET, "AWS IoT has no such certificate yet")
            raise StaleError(Reason.CERTIFICATE_GONE, "AWS IoT has no such certificate")
        progress.status = description["status"]
        return self.validation.identify(description)

    def set_active(self, progress: Progress) -> None:
        """Change a pending certificate's status, unless it was read too long ago.

        UpdateCertificate has no compare-and-set: an operator may have changed the status since it was read.
        """
        if progress.status != _PENDING:
            return
        if self.clock() - progress.status_read_at > self.time_for_one:
            raise DeferredError(
                Reason.OUT_OF_TIME, f"the checks took longer than {self.time_for_one.total_seconds():.0f} s"
            )
        try:
            self.iot.update_certificate(certificateId=progress.certificate_id, newStatus="ACTIVE")
        except self.iot.exceptions.CertificateStateException as error:
            raise StaleError(Reason.NOT_PENDING, f"the certificate changed meanwhile: {error}") from error

    def record(self, progress: Progress, decision: Decision) -> None:
        """Record why a claimed certificate was not activated, and release the claim."""
        claim, verdict, identity = progress.claim, decision.verdict, decision.identity
        if claim is None or verdict.reason is None:
            return
        message_id = progress.message.message_id
        now = self.clock()
        at, valid_until = milliseconds(now), milliseconds(now + decision_ttl(verdict.reason))
        if verdict.outcome is Outcome.REFUSED:
            self.set_refused(progress, claim, verdict, now=at)
            self.ledger.record_refused(claim, verdict, identity, now=at, valid_until=valid_until)
        elif decision.retry_in is not None:
            retry_at = milliseconds(now + timedelta(seconds=decision.retry_in))
            self.ledger.record_deferred(claim, verdict, message_id=message_id, now=at, valid_until=retry_at)
        else:
            self.ledger.record_stale(
                claim,
                identity,
                active=progress.status == "ACTIVE",
                message_id=message_id,
                now=at,
                valid_until=valid_until,
            )

    def set_refused(self, progress: Progress, claim: Claim, verdict: Verdict, *, now: int) -> None:
        """Set the status that is configured for the refusal's reason, if the certificate is pending.

        The refusal is recorded first: the reason of a status is known even if the function stops in between.
        """
        wanted = self.on_refusal.get(verdict.reason) if verdict.reason else None
        if progress.status != _PENDING or wanted in (None, RefusalStatus.PENDING):
            return
        self.ledger.record_refusing(claim, verdict, progress.identity, status=wanted.value, now=now)
        try:
            self.iot.update_certificate(
                certificateId=progress.certificate_id,
                newStatus="INACTIVE" if wanted is RefusalStatus.INACTIVE else "REVOKED",
            )
        except self.iot.exceptions.CertificateStateException:
            return  # an operator has revoked it meanwhile
