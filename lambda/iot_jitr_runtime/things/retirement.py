"""The end of a grace period: the replaced certificate is detached from its thing and becomes INACTIVE."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from iot_jitr_runtime.device_certificate import describe
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Ledger, State
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.ledger.tasks import ScheduledTask, TaskResult
from iot_jitr_runtime.rate_limiter import RateLimiter

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot.type_defs import CertificateDescriptionTypeDef

_RETRY_AFTER = timedelta(hours=1)
_ENDED = {State.REFUSED, State.REVOKED, State.RETIRED, State.KNOWN}
"""States of the new certificate in which it does not replace the old one."""


@dataclass(frozen=True)
class Retirement:
    """Retires certificates that renewals have replaced: four IoT calls each, every one of them repeatable."""

    iot: "IoTClient"
    ledger: Ledger
    grace_period: timedelta
    rate_limiter: RateLimiter
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def retire(self, due: ScheduledTask, until: datetime) -> TaskResult | timedelta:
        """Retire one certificate; botocore's errors propagate.

        A device is never left without a certificate: the old one is retired only when the new one has been
        active for the whole grace period.

        Args:
            due: The task.
            until: The latest time of a slot.

        Returns:
            The result of the task, or the time to wait until the certificate can be retired.

        Raises:
            NoSlotError: The rate limiter has no slot until `until`.
        """
        if (unchanged := self._wait_for_successor(due, until)) is not None:
            return unchanged
        old = self._describe(due.certificate_id, until)
        if old is None:
            return TaskResult.CANCELLED
        if due.thing_name:
            self._detach(due.thing_name, old["certificateArn"])
        if old["status"] == "ACTIVE":
            self.iot.update_certificate(certificateId=due.certificate_id, newStatus="INACTIVE")
        self.ledger.record_retired(due.certificate_id, now=milliseconds(self.clock()))
        return TaskResult.DONE

    def _wait_for_successor(self, due: ScheduledTask, until: datetime) -> TaskResult | timedelta | None:
        """Return the result of the task if the new certificate does not replace the old one now."""
        successor = self.ledger.row(due.superseded_by) if due.superseded_by else None
        if successor is None or successor.state in _ENDED:
            return TaskResult.CANCELLED
        if successor.state is not State.ACTIVATED:
            return _RETRY_AFTER
        active_for = timedelta(milliseconds=milliseconds(self.clock()) - successor.decided_at)
        if active_for < self.grace_period:
            return self.grace_period - active_for
        # The ledger does not record what operators do: the new certificate may have been deactivated since.
        found = self._describe(successor.certificate_id, until)
        if found is None or found["status"] == "REVOKED":
            return TaskResult.CANCELLED
        return None if found["status"] == "ACTIVE" else _RETRY_AFTER

    def _describe(
        self, certificate_id: CertificateId, until: datetime
    ) -> "CertificateDescriptionTypeDef | None":
        self.rate_limiter.wait_for_background_slot(until=until)
        return describe(self.iot, certificate_id)

    def _detach(self, thing_name: str, certificate_arn: str) -> None:
        try:
            self.iot.detach_thing_principal(thingName=thing_name, principal=certificate_arn)
        except self.iot.exceptions.ResourceNotFoundException:
            return  # the thing is gone, or the certificate was detached from it
