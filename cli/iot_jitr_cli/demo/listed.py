"""Beside the first scene: a device whose certificate is on the CRL comes with the others, and stays out."""

from typing import TYPE_CHECKING, Self

from iot_jitr_cli.connect import Step
from iot_jitr_cli.demo.door import at_the_door, turned_away
from iot_jitr_cli.demo.fleet import Fleet
from iot_jitr_cli.demo.model import Expectation, Outsider
from iot_jitr_cli.lab.process import wait_until
from iot_jitr_runtime.ledger.rows import State
from iot_jitr_runtime.outcomes import Reason

if TYPE_CHECKING:
    from types import TracebackType

    from iot_jitr_cli.connect import Endpoint, TimelineEvent
    from iot_jitr_cli.demo.narrator import Narrator
    from iot_jitr_cli.demo.records import Records
    from iot_jitr_cli.pki.device import DeviceIdentity
    from iot_jitr_runtime.ledger.rows import Row

_PATIENCE = 300.0
"""Seconds it would keep knocking, were it not called off."""
_DECISION_LIMIT = 120.0
_LOOK_EVERY = 0.1
_OUT = {State.REFUSED, State.REVOKED}
"""What the activator makes of it, and the sweep, should that come by while it knocks."""


class Listed:
    """As a context manager, the device knocks until the end of the block."""

    def __init__(
        self, narrator: "Narrator", endpoint: "Endpoint", records: "Records", identity: "DeviceIdentity"
    ) -> None:
        self._narrator = narrator
        self._records = records
        self._identity = identity
        self._name = identity.certificate.common_names[0]
        self._outsider = Outsider(self._name, "signed by our CA, and on its revocation list")
        self._fleet = Fleet(endpoint, _PATIENCE, self._heard)
        self._refused_at = 0.0

    def __enter__(self) -> Self:
        """Let it begin."""
        self._narrator.stage.outsiders.append(self._outsider)
        self._fleet.start([self._identity])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        """Call it off."""
        self._fleet.call_off()

    def judged(self) -> list[Expectation]:
        """Wait until it is refused once more after the decision; say what was expected, and what came."""
        wait_until(self._was_refused_again, limit=_DECISION_LIMIT, interval=_LOOK_EVERY)
        self._fleet.call_off()
        self._fleet.wait()
        result, row = self._fleet.results[self._name], self._row()
        reason = row.reason if row and row.state in _OUT else None
        said = row.detail or str(reason) if row and reason else "no decision"
        if row and row.state is State.REVOKED:
            said = f"revoked by the sweep since, with reason {said}"
        self._narrator.stays_out(self._outsider, f"{at_the_door(result)}; the pipeline refuses it: {said}")
        status = self._records.statuses().get(self._identity.certificate.fingerprint)
        return [
            turned_away(f"{self._name}, which is on the CRL, was turned away each time", result),
            Expectation("the pipeline refused its certificate as 'revoked'", reason is Reason.REVOKED, said),
            Expectation(
                "that certificate is registered, and not ACTIVE", status not in {None, "ACTIVE"}, str(status)
            ),
        ]

    def _heard(self, identity: "DeviceIdentity", event: "TimelineEvent") -> None:
        del identity
        if event.step is Step.REFUSED:
            self._refused_at = event.at.timestamp()

    def _was_refused_again(self) -> bool:
        row = self._row()
        return row is not None and row.state in _OUT and self._refused_at > row.decided_at / 1000

    def _row(self) -> "Row | None":
        return next(iter(self._records.rows([self._identity.certificate.fingerprint])), None)
