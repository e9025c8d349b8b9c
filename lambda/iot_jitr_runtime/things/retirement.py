"""The end of a renewal's grace period: the old certificate leaves its thing and becomes INACTIVE.

Whoever keeps the schedule calls `Retirement.retire_due` every few minutes. Four IoT calls a certificate,
each of which may be repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Ledger, State
from iot_jitr_runtime.ledger.follow_ups import Due, FollowUp, FollowUps
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.rate_limiter import NoSlotError, RateLimiter

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef


_LOOK_AGAIN = timedelta(hours=1)
_ENDED = {State.REFUSED, State.REVOKED, State.RETIRED, State.KNOWN}
"""States of the new certificate in which it will not take the old one's place."""


class RetirementResult(StrEnum):
    """What became of one old certificate whose grace period was over."""

    RETIRED = "retired"
    """Detached from its thing and INACTIVE."""
    POSTPONED = "postponed"
    """The new certificate is not active yet, or has not been for the whole grace period."""
    CANCELLED = "cancelled"
    """There is nothing to retire, or nothing that takes its place: it stays as it is."""


@dataclass(frozen=True)
class Retirement:
    """Retires the certificates that renewals have replaced."""

    iot: "IoTClient"
    ledger: Ledger
    follow_ups: FollowUps
    grace_period: timedelta
    rate_limiter: RateLimiter
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def retire_due(self, limit: int, *, until: datetime) -> dict[CertificateId, RetirementResult]:
        """Retire what is due, at most `limit` (1 to 100) certificates; botocore's errors propagate.

        A device is never left without a certificate: the old one goes only when the new one has been
        active for the whole grace period.
        """
        due = self.follow_ups.due(FollowUp.RETIRE, now=milliseconds(self.clock()), limit=limit)
        results = {}
        for each in due:
            try:
                results[each.certificate_id] = self._retire(each, until)
            except NoSlotError:
                break
        return results

    def _retire(self, due: Due, until: datetime) -> RetirementResult:
        successor = self.ledger.row(due.superseded_by) if due.superseded_by else None
        if successor is None or successor.state in _ENDED:
            self.follow_ups.cancel(due.certificate_id, FollowUp.RETIRE)
            return RetirementResult.CANCELLED
        if successor.state is not State.ACTIVATED:
            return self._postponed(due, milliseconds(self.clock() + _LOOK_AGAIN))
        over = successor.decided_at + int(self.grace_period.total_seconds() * 1000)
        if over > milliseconds(self.clock()):
            return self._postponed(due, over)
        # Two slots: two certificates are described.
        self.rate_limiter.wait_for_background_slot(until=until)
        self.rate_limiter.wait_for_background_slot(until=until)
        # The ledger does not know what operators do: one may have switched the new certificate off since.
        description = self._describe(successor.certificate_id)
        if description is None or description["status"] == "REVOKED":
            self.follow_ups.cancel(due.certificate_id, FollowUp.RETIRE)
            return RetirementResult.CANCELLED
        if description["status"] != "ACTIVE":
            return self._postponed(due, milliseconds(self.clock() + _LOOK_AGAIN))
        return self._leave(due)

    def _postponed(self, due: Due, at: int) -> RetirementResult:
        self.follow_ups.postpone(due.certificate_id, FollowUp.RETIRE, at=at)
        return RetirementResult.POSTPONED

    def _leave(self, due: Due) -> RetirementResult:
        description = self._describe(due.certificate_id)
        if description is None:
            self.follow_ups.cancel(due.certificate_id, FollowUp.RETIRE)
            return RetirementResult.CANCELLED
        if due.thing_name:
            self._detach(due.thing_name, description["certificateArn"])
        if description["status"] == "ACTIVE":
            self.iot.update_certificate(certificateId=due.certificate_id, newStatus="INACTIVE")
        self.follow_ups.retired(due.certificate_id, now=milliseconds(self.clock()))
        return RetirementResult.RETIRED

    def _describe(self, certificate_id: CertificateId) -> "CertificateDescriptionTypeDef | None":
        try:
            response = self.iot.describe_certificate(certificateId=certificate_id)
        except self.iot.exceptions.ResourceNotFoundException:
            return None
        return response["certificateDescription"]

    def _detach(self, thing_name: str, certificate_arn: str) -> None:
        try:
            self.iot.detach_thing_principal(thingName=thing_name, principal=certificate_arn)
        except self.iot.exceptions.ResourceNotFoundException:
            return  # the thing is gone, or the certificate has left it
