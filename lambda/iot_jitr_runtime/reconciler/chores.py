"""What is due: grace periods that are over, and policies that could not be deleted when they were revoked."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from iot_jitr_runtime.ledger.follow_ups import FollowUp, FollowUps
from iot_jitr_runtime.policy.own_policy import withdraw
from iot_jitr_runtime.rate_limiter import NoSlotError, RateLimiter
from iot_jitr_runtime.things.retirement import Retirement

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient

AT_ONCE = 100
"""How many a run does at most; the rest is still due at the next one."""
_AGAIN = timedelta(hours=1)


class Chore(Protocol):
    """Something that is done when it is due."""

    def do(self, *, until: datetime) -> Counter[str]:
        """Do it, as far as there is time, and count what became of it; botocore's errors propagate."""


@dataclass(frozen=True)
class RetireReplaced:
    """Ends the grace periods of certificates that renewals have replaced."""

    retirement: Retirement

    def do(self, *, until: datetime) -> Counter[str]:
        """Retire what is due."""
        return Counter(str(result) for result in self.retirement.retire_due(AT_ONCE, until=until).values())


@dataclass(frozen=True)
class DeletePolicies:
    """Deletes the own policies of revoked certificates that AWS still saw attached when they were revoked."""

    iot: "IoTClient"
    follow_ups: FollowUps
    rate_limiter: RateLimiter
    arn_prefix: str
    """The ARN of a certificate without its id."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def do(self, *, until: datetime) -> Counter[str]:
        """Delete what is due."""
        done: Counter[str] = Counter()
        now = int(self.clock().timestamp() * 1000)
        for due in self.follow_ups.due(FollowUp.DELETE_POLICY, now=now, limit=AT_ONCE):
            try:
                self.rate_limiter.wait_for_background_slot(until=until)
                if due.policy_name:
                    withdraw(
                        self.iot, due.certificate_id, self.arn_prefix + due.certificate_id, due.policy_name
                    )
            except NoSlotError:
                break
            except self.iot.exceptions.DeleteConflictException:
                at = now + int(_AGAIN.total_seconds() * 1000)
                self.follow_ups.postpone(due.certificate_id, FollowUp.DELETE_POLICY, at=at)
                done["policy_postponed"] += 1
            else:
                self.follow_ups.cancel(due.certificate_id, FollowUp.DELETE_POLICY)
                done["policy_deleted"] += 1
        return done
