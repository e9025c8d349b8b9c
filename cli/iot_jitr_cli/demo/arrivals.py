"""First scene: all devices connect at once, and each one's way in is followed from both ends."""

import threading
import time
from typing import TYPE_CHECKING

from iot_jitr_cli.connect import Ending, Step
from iot_jitr_cli.demo.fleet import Fleet
from iot_jitr_cli.demo.model import DeviceProgress, Expectation, Mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from iot_jitr_cli.connect import ConnectResult, Endpoint, TimelineEvent
    from iot_jitr_cli.demo.narrator import Narrator
    from iot_jitr_cli.demo.records import Records
    from iot_jitr_cli.pki.device import DeviceIdentity

PATIENCE = 120.0
"""Seconds a device keeps trying; some two are needed."""
_LOOK_EVERY = 0.15
_AT_THE_DEVICE = {Step.CONNECTED: Mark.CONNECTED, Step.RECEIVED: Mark.PUBLISHED}
"""Marks that only the device itself can tell."""


class Arrivals:
    """Devices on their way in."""

    def __init__(self, narrator: "Narrator", endpoint: "Endpoint", records: "Records") -> None:
        self._narrator = narrator
        self._records = records
        self._devices: dict[str, DeviceProgress] = {}
        self._fleet = Fleet(endpoint, PATIENCE, self._heard)
        self._began = 0.0

    def play(self, identities: "Sequence[DeviceIdentity]") -> list[Expectation]:
        """Let them in; say what was expected and what came of it."""
        for identity in identities:
            certificate = identity.certificate
            device = DeviceProgress(certificate.common_names[0], certificate.fingerprint)
            self._devices[device.certificate_id] = device
            self._narrator.stage.devices.append(device)
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,), daemon=True)
        self._began = time.time()
        try:
            self._fleet.start(identities)
            watcher.start()
            self._fleet.wait()
        finally:
            self._fleet.call_off()
            done.set()
        watcher.join()
        return self._expectations()

    def _heard(self, identity: "DeviceIdentity", event: "TimelineEvent") -> None:
        """A device says how far it is."""
        if mark := _AT_THE_DEVICE.get(event.step):
            device = self._devices[identity.certificate.fingerprint]
            self._narrator.mark(device, mark, event.at.timestamp() - self._began)

    def _watch(self, done: threading.Event) -> None:
        while not done.wait(_LOOK_EVERY):
            self._look()
        # Once more: the records have the last word after the devices are in.
        self._look()

    def _look(self) -> None:
        for certificate_id, mark, at in self._records.marks(self._devices):
            self._narrator.mark(self._devices[certificate_id], mark, at - self._began)

    def _expectations(self) -> list[Expectation]:
        results = self._fleet.results
        statuses = self._records.statuses()
        count = len(self._devices)
        refused_first = [result for result in results.values() if _refused_first(result)]
        published = [result for result in results.values() if result.ending is Ending.PUBLISHED]
        active = [each for each in self._devices if statuses.get(each) == "ACTIVE"]
        complete = [device for device in self._devices.values() if len(device.marks) == len(Mark)]
        return [
            _expect("were refused at their first connect, which registers them", len(refused_first), count),
            _expect("connected and published later", len(published), count),
            _expect("have an ACTIVE certificate", len(active), count),
            _expect("were seen at every point on the way", len(complete), count),
        ]


def _refused_first(result: "ConnectResult") -> bool:
    endings = [event.step for event in result.events if event.step in (Step.REFUSED, Step.CONNECTED)]
    return endings[:1] == [Step.REFUSED]


def _expect(claim: str, found: int, wanted: int) -> Expectation:
    return Expectation(f"{wanted} of {wanted} devices {claim}", found == wanted, f"{found} of {wanted}")
