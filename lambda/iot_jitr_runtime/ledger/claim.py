"""A worker's claim on a certificate, the condition for a claim, and the attributes of a verdict in a row."""

from dataclasses import dataclass

from boto3.dynamodb.conditions import Attr, ConditionBase

from iot_jitr_runtime.dynamodb import Item
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger.lease import Lease
from iot_jitr_runtime.ledger.rows import VALID_UNTIL, Row
from iot_jitr_runtime.outcomes import DeferredError, Reason, StaleError, Verdict

_DETAIL_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Claim:
    """One worker's exclusive use of one certificate: the lease on its row."""

    lease: Lease
    row: Row
    """The row when the claim was acquired."""

    @property
    def certificate_id(self) -> CertificateId:
        """The certificate that is claimed."""
        return self.row.certificate_id


def not_stale(sent_at: int, message_id: str) -> ConditionBase:
    """Return the condition that a row's decision does not apply to an event: not `Row.makes_stale`."""
    valid_until = Attr(VALID_UNTIL)
    return valid_until.not_exists() | valid_until.lt(sent_at) | Attr("waitingMessageId").eq(message_id)


def why_not(found: Item, sent_at: int, message_id: str) -> StaleError | DeferredError:
    """Return the reason why an event can neither claim the certificate of this row nor wait for it."""
    if found and (row := Row.read(found)).makes_stale(sent_at, message_id):
        return StaleError(Reason.ALREADY_DECIDED, f"{row.state} already")
    return DeferredError(Reason.CLAIMED_ELSEWHERE, "another worker has claimed it")


def reasons(verdict: Verdict) -> dict[str, object]:
    """Return the attributes of a row with a verdict's reason."""
    return {"reason": verdict.reason, "detail": verdict.detail[:_DETAIL_LENGTH] or None}
