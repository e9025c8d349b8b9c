"""One run of the reconciler: for each CA what is new, then what is due, then a piece of the full pass."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.reconciler.bookmarks import PassKind
from iot_jitr_runtime.reconciler.chores import Chore
from iot_jitr_runtime.reconciler.passes import Passes

if TYPE_CHECKING:
    from iot_jitr_runtime.activator.issuers import Issuers
    from iot_jitr_runtime.reconciler.telemetry import Telemetry

_SHARE_OF_NEWEST = 0.5
"""Of the time; what is left is for what is due and for the full pass."""


class ReconciliationFailedError(JitrError):
    """Parts of a run failed; the others were done."""


@dataclass(frozen=True)
class Reconciliation:
    """Puts a run together from its parts, none of which keeps the others from theirs."""

    cas: Sequence[CaCertificateId]
    issuers: "Issuers"
    passes: Passes
    chores: Mapping[str, Chore]
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def run(self, telemetry: "Telemetry", *, stop_at: datetime) -> None:
        """Do what can be done until `stop_at`.

        Raises:
            ReconciliationFailedError: Something failed; all else was done.
        """
        begun = self.clock()
        failed = []
        for what, part in self._parts(telemetry, begun + (stop_at - begun) * _SHARE_OF_NEWEST, stop_at):
            try:
                part()
            except Exception as error:  # noqa: BLE001 - one part's trouble must not keep the others from theirs
                telemetry.failed(what, error)
                failed.append(what)
        if failed:
            raise ReconciliationFailedError(f"these parts failed: {', '.join(failed)}; see the log")

    def _parts(
        self, telemetry: "Telemetry", newest_until: datetime, stop_at: datetime
    ) -> list[tuple[str, Callable[[], None]]]:
        def expiry(ca: CaCertificateId) -> None:
            telemetry.ca(ca, self.issuers.certificate(ca), self.clock())

        def newest(ca: CaCertificateId) -> None:
            telemetry.passed(ca, PassKind.NEWEST, self.passes.newest(ca, stop_at=newest_until))

        def chore(name: str) -> None:
            telemetry.did(name, self.chores[name].do(until=stop_at))

        def full(ca: CaCertificateId) -> None:
            tally = self.passes.full(ca, stop_at=stop_at)
            if tally is not None:
                telemetry.passed(ca, PassKind.FULL, tally)

        return [
            *((f"expiry of CA {ca}", lambda ca=ca: expiry(ca)) for ca in self.cas),
            *((f"newest certificates of CA {ca}", lambda ca=ca: newest(ca)) for ca in self.cas),
            *((name, lambda name=name: chore(name)) for name in self.chores),
            *((f"all certificates of CA {ca}", lambda ca=ca: full(ca)) for ca in self.cas),
        ]
