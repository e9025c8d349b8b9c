"""The measurements of a run of the storm."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

RESULTS = Path(__file__).with_name("results")
ACTIVATIONS_PER_SECOND = 10
"""Activations a second in a default account; the ideal time of N devices is N ÷ this."""


@dataclass(frozen=True)
class Result:
    """One run: one system, one behaviour, N devices."""

    system: str
    behaviour: str
    devices: int
    real_devices: bool
    """Whether the devices were real TLS and MQTT clients; else their events were injected."""
    active: int
    """Certificates that are ACTIVE at the end."""
    seconds_to_last: float | None
    """Time from the first connect until the last device was active; None if a device was never active."""
    seconds_observed: float
    p50_seconds: float | None
    p99_seconds: float | None
    """Time from a device's first connect until it was active."""
    connects_refused: int
    """Connects above the account's quota, which cause no event."""
    events: int
    iot_calls: dict[str, int]
    """Calls by operation, throttled ones included."""
    throttled_calls: int
    peak_waiting: int
    """Maximum number of messages in the queue, with those that wait for their slot."""
    peak_backlog: int
    """Maximum number of visible messages in the queue."""
    left_at_last: int
    """Messages in the queue when the last device was active, or when observation ended."""
    seconds_to_empty: float | None
    """Time from the last activation until the queue was empty; None if it was not empty within the limit."""
    dead_letters: int
    other_cpu_percent: float
    """Share of this machine's processors that other programs used meanwhile."""

    @property
    def lost(self) -> int:
        """Number of devices that are not active at the end."""
        return self.devices - self.active

    @property
    def ratio(self) -> float | None:
        """Time until the last device is active ÷ ideal time."""
        if self.seconds_to_last is None:
            return None
        return self.seconds_to_last / (self.devices / ACTIVATIONS_PER_SECOND)

    @property
    def events_per_device(self) -> float:
        """Events."""
        return self.events / self.devices

    @property
    def calls_per_device(self) -> float:
        """AWS IoT calls, throttled ones included."""
        return sum(self.iot_calls.values()) / self.devices


def save(folder: Path, results: list[Result], about: dict[str, object]) -> None:
    """Write one JSON file for each result, so that runs can be repeated one by one."""
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        kind = "real" if result.real_devices else "injected"
        name = f"{result.system}-{result.behaviour}-{result.devices}-{kind}.json"
        document = {"about": about, "result": asdict(result)}
        (folder / name).write_text(json.dumps(document, indent=2) + "\n")


def load(folder: Path) -> list[Result]:
    """Read all results."""
    return [Result(**json.loads(path.read_text())["result"]) for path in sorted(folder.glob("*.json"))]
