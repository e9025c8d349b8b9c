"""The deadline of a background task: each step checks it before it begins."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


@dataclass(frozen=True)
class Deadline:
    """The moment after which a task begins nothing more."""

    at: datetime
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @classmethod
    def of_invocation(cls, context: "LambdaContext", *, kept_free: timedelta = timedelta(0)) -> "Deadline":
        """Return the deadline of a Lambda invocation.

        Args:
            context: Lambda's context, which has the time that is left.
            kept_free: How long the last step that is begun may take.
        """
        left = timedelta(milliseconds=context.get_remaining_time_in_millis())
        return cls(datetime.now(UTC) + left - kept_free)

    def allows(self, duration: timedelta = timedelta(0)) -> bool:
        """Return whether there is time for one more step, which takes `duration` at most."""
        return self.clock() + duration < self.at

    def share(self, fraction: float) -> "Deadline":
        """Return the deadline of a step that gets a fraction of the time left, more than 0 and at most 1.

        If each of several steps gets 1 / (number of steps left), they share the time equally, and what a step
        does not use is shared by those that follow.
        """
        now = self.clock()
        return replace(self, at=now + (self.at - now) * fraction)
