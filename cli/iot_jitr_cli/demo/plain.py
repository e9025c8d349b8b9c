"""The demonstration as plain lines, for output that is not a terminal."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from iot_jitr_cli.demo.model import DeviceProgress, Mark, Outsider, Stage, Step


class PlainLines:
    """One line for each thing that happened, at once."""

    def step_began(self, step: "Step") -> None:
        """Say nothing: a line is printed when it is done."""

    def step_ended(self, step: "Step") -> None:
        """Print what was done, how long it took, and what it found out."""
        click.echo(f"{step.title:<24} {step.seconds:6.2f} s  {step.detail}")

    def mark_reached(self, device: "DeviceProgress", mark: "Mark") -> None:
        """Print how far the device is."""
        click.echo(f"{device.name:<24} {device.marks[mark]:6.2f} s  {mark.value}")

    def stayed_out(self, outsider: "Outsider") -> None:
        """Print why it stays out."""
        click.echo(f"{outsider.name:<24} stays out ({outsider.story}): {outsider.reason}")


def summary(stage: "Stage") -> list[str]:
    """What was expected, whether it came so, and the verdict."""
    lines = [
        f"{'ok' if expectation.met else 'NOT SO'}: {expectation.claim}"
        + ("" if expectation.met or not expectation.seen else f" (seen: {expectation.seen})")
        for expectation in stage.expectations
    ]
    return [*lines, verdict(stage)]


def verdict(stage: "Stage") -> str:
    """The last line."""
    met = sum(expectation.met for expectation in stage.expectations)
    fleet = ""
    if stage.all_in_after is not None:
        fleet = f"{len(stage.devices)} devices in after {stage.all_in_after:.1f} s; "
    return f"{fleet}{met} of {len(stage.expectations)} expectations met; {stage.seconds or 0:.0f} s in all"
