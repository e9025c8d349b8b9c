"""Waits for permissions that a deployment has only just given.

The same deployment that lets the function use a secret or a key creates the CA a second later; IAM tells its
services about changed policies some seconds after it says that they are changed.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.aws_errors import DENIED

if TYPE_CHECKING:
    import boto3

DELAYS = (1.0, 2.0, 4.0, 8.0)
"""Seconds to wait before each further try; what is denied after them is denied."""


def wait_for_permissions(session: "boto3.Session") -> None:
    """Let every client that `session` makes from now on repeat calls that are denied."""
    session.events.register("needs-retry", _delay)  # type: ignore[arg-type]  # this event wants an answer


def _delay(response: tuple[Any, dict[str, Any]] | None, attempts: int, **_: Any) -> float | None:
    """Seconds to wait before the next attempt, as botocore asks for them; None for no further one."""
    if response is None or attempts > len(DELAYS):
        return None
    code = response[1].get("Error", {}).get("Code")
    return DELAYS[attempts - 1] if code in DENIED else None
