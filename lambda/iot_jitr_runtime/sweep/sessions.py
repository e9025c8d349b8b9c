"""Closes the MQTT session of a certificate that the sweep has revoked or suspended.

AWS IoT ends such a session itself, but only "within a few minutes" (Developer Guide, "Revoke a device
certificate"). `DeleteConnection` ends it at once. The device may reconnect at once, so the certificate's
status is changed first. Some brokers may get the new status later, so a scheduled task repeats the call once,
after `REPEAT_AFTER`. The task is written before the ledger's row records the certificate as done, so a crash
can delay the closing and cannot lose it. A failed closing does not affect the revocation.
https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_DeleteConnection.html
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.device_certificate import describe
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import Ledger, Row, State
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.ledger.tasks import ScheduledTask, TaskResult
from iot_jitr_runtime.policy.client_id import client_id
from iot_jitr_runtime.rate_limiter import NoSlotError, RateLimiter
from iot_jitr_runtime.revocation.model import RevocationReason

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient
    from mypy_boto3_iot_data import IoTDataPlaneClient

SESSION_REPEATED = "session_repeated"
"""Message of the log for the second closing of a session."""
REPEAT_AFTER = timedelta(minutes=1)
"""The closing is repeated after this time, by the next run of the sweep."""
_FAILURES = 3
_PAUSE = timedelta(minutes=1)
"""After `_FAILURES` failures in succession, only the scheduled tasks close sessions for this long: each
attempt could take its full time-outs, and the next revocations must not wait for them."""


class SessionResult(StrEnum):
    """The result of closing a session; the values are a stable interface."""

    CLOSED = "closed"
    """AWS IoT has closed it."""
    NONE = "none"
    """There was no session: the device was not connected."""
    NOT_CLOSED = "not_closed"
    """It could not be closed now. Its task tries again."""
    UNKNOWN = "client_id_unknown"
    """The ledger does not have a value that the client id contains, so nothing was closed."""
    RENEWED = "renewed"
    """Left open: the certificate is superseded, and the one that replaces it has the same client id."""


@dataclass
class Sessions:
    """Closes sessions by the client id that the device policy gives their certificates."""

    iot_data: "IoTDataPlaneClient"
    iot: "IoTClient"
    ledger: Ledger
    rate_limiter: RateLimiter
    template: str
    """The client id, see `iot_jitr_runtime.policy.client_id`."""
    report: Callable[..., None]
    """Called for each repetition, with the parameters of `Sweep.report`."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    _failed: int = 0
    _paused_until: datetime | None = None

    def schedule(self, row: Row, reason: RevocationReason) -> None:
        """Schedule the repetition for a certificate that is not ACTIVE any more; botocore's errors propagate.

        Args:
            row: The certificate's row, before its new state is in it.
            reason: Why its CA has revoked it.
        """
        if client_id(self.template, row) is not None and not self._is_renewed(row, reason):
            at = milliseconds(self.clock() + REPEAT_AFTER)
            self.ledger.tasks.schedule_session_close(row.certificate_id, at=at)

    def close(self, row: Row, reason: RevocationReason, *, until: datetime) -> dict[str, str]:
        """Close the session of a certificate that is not ACTIVE any more; no error of AWS propagates.

        Args:
            row: The certificate's row.
            reason: Why its CA has revoked it.
            until: The latest time of a slot.

        Returns:
            `session`, the `SessionResult`, and `session_error` where it could not be closed: for the log.
        """
        name = client_id(self.template, row)
        if name is None:
            return {"session": SessionResult.UNKNOWN}
        if self._paused_until is not None and self.clock() < self._paused_until:
            return _not_closed(f"the last {_FAILURES} failed, so it is left to its task")
        try:
            renewed = self._is_renewed(row, reason)
            result = SessionResult.RENEWED if renewed else self._disconnect(name, until)
        except NoSlotError as error:
            return _not_closed(str(error))
        except AwsError as error:
            self._failed += 1
            if self._failed >= _FAILURES:
                self._failed, self._paused_until = 0, self.clock() + _PAUSE
            return _not_closed(str(error))
        self._failed = 0
        return {"session": result}

    def repeat(self, due: ScheduledTask, until: datetime) -> TaskResult:
        """Close the session of a certificate again, if it is still not ACTIVE; botocore's errors propagate.

        Raises:
            NoSlotError: The rate limiter has no slot until `until`.
        """
        row = self.ledger.row(due.certificate_id)
        name = client_id(self.template, row) if row is not None else None
        if row is None or name is None or not self._is_not_active(row, until):
            return TaskResult.CANCELLED
        self.report(
            "info",
            SESSION_REPEATED,
            row.ca_certificate_id or CaCertificateId(""),
            certificate_id=row.certificate_id,
            common_name=row.common_name,
            session=self._disconnect(name, until),
        )
        return TaskResult.DONE

    def _is_not_active(self, row: Row, until: datetime) -> bool:
        """Whether the certificate is not ACTIVE. REVOKED is final; a hold may have been released since."""
        if row.state is State.REVOKED:
            return True
        self.rate_limiter.wait_for_background_slot(until=until)
        description = describe(self.iot, row.certificate_id)
        # Only a certificate that is not ACTIVE can be deleted.
        return description is None or description["status"] in {"INACTIVE", "REVOKED"}

    def _disconnect(self, name: str, until: datetime) -> SessionResult:
        self.rate_limiter.wait_to_disconnect(name, until=until)
        try:
            self.iot_data.delete_connection(clientId=name)
        except self.iot_data.exceptions.ResourceNotFoundException:
            return SessionResult.NONE
        return SessionResult.CLOSED

    def _is_renewed(self, row: Row, reason: RevocationReason) -> bool:
        """Whether the session belongs to a newer certificate, according to the ledger's rows.

        `superseded` means that there is no cause to suspect that the key was compromised (ITU-T X.509, reason
        code extension). With any other reason, an attacker with the old key may be connected, so the session
        is closed, and the renewed device reconnects.
        """
        if reason is not RevocationReason.SUPERSEDED or row.superseded_by is None:
            return False
        successor = self.ledger.row(row.superseded_by)
        return (
            successor is not None
            and successor.state is State.ACTIVATED
            and client_id(self.template, successor) == client_id(self.template, row)
        )


def _not_closed(why: str) -> dict[str, str]:
    return {"session": SessionResult.NOT_CLOSED, "session_error": why}
