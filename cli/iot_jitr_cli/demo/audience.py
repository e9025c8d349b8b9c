"""Who watches a demonstration: told of every change, in the order in which things happen."""

from typing import Protocol

from iot_jitr_cli.demo.model import DeviceProgress, Mark, Outsider, Step


class Audience(Protocol):
    """Calls come from several threads, one at a time."""

    def step_began(self, step: Step) -> None:
        """A part of the preparation is under way."""

    def step_ended(self, step: Step) -> None:
        """It is done; how long it took is known."""

    def mark_reached(self, device: DeviceProgress, mark: Mark) -> None:
        """A device came one further."""

    def stayed_out(self, outsider: Outsider) -> None:
        """It is known why a device stays out."""


class Nobody:
    """An audience that only wants the end."""

    def step_began(self, step: Step) -> None:
        """Say nothing."""

    def step_ended(self, step: Step) -> None:
        """Say nothing."""

    def mark_reached(self, device: DeviceProgress, mark: Mark) -> None:
        """Say nothing."""

    def stayed_out(self, outsider: Outsider) -> None:
        """Say nothing."""
