"""How devices that must stay out are told at the door."""

from typing import TYPE_CHECKING

from iot_jitr_cli.connect import Cause, Step
from iot_jitr_cli.demo.model import Expectation

if TYPE_CHECKING:
    from iot_jitr_cli.connect import ConnectResult

_IN_TLS = {Cause.CERTIFICATE_REJECTED, Cause.CLOSED_IN_HANDSHAKE}


def at_the_door(result: "ConnectResult") -> str:
    """Where it was refused the last time."""
    return "refused in the TLS handshake" if result.last_cause in _IN_TLS else "refused at the connect"


def turned_away(claim: str, result: "ConnectResult") -> Expectation:
    """Expect that the device knocked and was refused, each time."""
    steps = {event.step for event in result.events}
    return Expectation(claim, Step.REFUSED in steps and Step.CONNECTED not in steps, result.ending.value)
