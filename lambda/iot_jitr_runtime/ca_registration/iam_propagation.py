"""Repeats calls that are denied while IAM does not know a new permission everywhere yet.

A deployment allows the function to use a secret or a key and creates the CA a second later. IAM tells other
services about changed policies some seconds after the change.
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
"""

from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.aws_errors import DENIED

if TYPE_CHECKING:
    import boto3

DELAYS = (1.0, 2.0, 4.0, 8.0)
"""Seconds to wait before each further try; a call that is still denied then fails."""


def retry_denied_calls(session: "boto3.Session") -> None:
    """Let every client that `session` makes from now on repeat calls that are denied."""
    session.events.register("needs-retry", _delay)  # type: ignore[arg-type]  # this event takes an answer


def _delay(response: tuple[Any, dict[str, Any]] | None, attempts: int, **_: Any) -> float | None:
    """Seconds to wait before the next try, as botocore asks for them; None for no further try."""
    if response is None or attempts > len(DELAYS):
        return None
    code = response[1].get("Error", {}).get("Code")
    return DELAYS[attempts - 1] if code in DENIED else None
