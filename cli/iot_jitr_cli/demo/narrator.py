"""Tells an audience what happens on stage, one thing at a time, whichever thread it happens in."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from iot_jitr_cli.demo.model import DeviceProgress, Mark, Outsider, Stage, Step

if TYPE_CHECKING:
    from iot_jitr_cli.demo.audience import Audience


class Narrator:
    """Changes the stage and says so."""

    def __init__(self, stage: Stage, audience: "Audience") -> None:
        self.stage = stage
        self._audience = audience
        self._lock = threading.Lock()

    def step(self, title: str) -> AbstractContextManager[Step]:
        """A part of the preparation, timed; what it finds out goes into the step's `detail`."""
        return self._timed(Step(title), self.stage.steps)

    def revoking(self, title: str) -> AbstractContextManager[Step]:
        """A part of how a device that is in gets out again."""
        return self._timed(Step(title), self.stage.revocation)

    def clearing(self, title: str) -> AbstractContextManager[Step]:
        """A part of what is done at the end."""
        return self._timed(Step(title), self.stage.clearing)

    @contextmanager
    def _timed(self, step: Step, steps: list[Step]) -> Iterator[Step]:
        began = time.monotonic()
        with self._lock:
            steps.append(step)
            self._audience.step_began(step)
        yield step
        with self._lock:
            step.seconds = time.monotonic() - began
            self._audience.step_ended(step)

    def mark(self, device: DeviceProgress, mark: Mark, seconds: float) -> None:
        """A device came to `mark`, `seconds` after all began; told once for each mark."""
        with self._lock:
            if mark not in device.marks:
                device.marks[mark] = max(0.0, seconds)
                self._audience.mark_reached(device, mark)

    def stays_out(self, outsider: Outsider, reason: str) -> None:
        """It is known why a device stays out."""
        with self._lock:
            outsider.reason = reason
            self._audience.stayed_out(outsider)
