"""The deadline of a background task: each step checks it before it begins."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@dataclass(frozen=True)
class Deadline:
    """The time after which a task begins no new step."""

    at: datetime
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @classmethod
    def of_invocation(cls, context: "LambdaContext", *, reserved: timedelta = timedelta(0)) -> "Deadline":
        """Return the deadline of a Lambda invocation.

        Args:
            context: Lambda's context, which contains the remaining time.
            reserved: The time that is reserved for the last step: its longest duration.
        """
        left = timedelta(milliseconds=context.get_remaining_time_in_millis())
        return cls(datetime.now(UTC) + left - reserved)

    def allows(self, duration: timedelta = timedelta(0)) -> bool:
        """Return whether there is time for one more step, which takes `duration` at most."""
        return self.clock() + duration < self.at

    def share(self, fraction: float) -> "Deadline":
        """Return the deadline of a step that gets a fraction (above 0, at most 1) of the remaining time.

        If each of several steps gets 1 / (number of remaining steps), they share the time equally, and the
        following steps share the time that a step does not use.
        """
        now = self.clock()
        return replace(self, at=now + (self.at - now) * fraction)
