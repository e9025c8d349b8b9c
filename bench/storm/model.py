"""The storm in closed form: `python -m bench.storm.model` prints the tables of `docs/performance.md`.

A fleet of N devices, `r` activations a second, `c` MQTT connects a second for the account, each device back
after `w` seconds on average while it waits. Prices are list prices of us-east-1 in US dollars, entered by
hand: check them against the pricing pages before you rely on them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.storm.devices import POLITE, RUDE, SPREAD
from bench.storm.results import ACTIVATIONS_PER_SECOND, RESULTS, Result, load
from iot_jitr.capacity import Capacity
from iot_jitr_runtime.rate_limiter import UTILISATION

MILLION = 1_000_000
MEAN_WAIT = {POLITE.name: 8.0, RUDE.name: 1 + SPREAD / 2}
"""Seconds between two connects of a device that waits: from 1 to 15, and one."""
CALLS_A_DEVICE = 3
"""DescribeCertificate, AttachPolicy, UpdateCertificate."""

SQS_REQUEST = 0.40 / MILLION
LAMBDA_INVOCATION = 0.20 / MILLION
LAMBDA_GB_SECOND = 0.0000133334
DYNAMODB_READ = 0.125 / MILLION
DYNAMODB_WRITE = 0.625 / MILLION
IOT_CONNECT_MINUTE_AND_RULE = 0.15 / MILLION + 0.15 / MILLION
MEMORY_GB = 0.5
SECONDS_A_STALE_BATCH = 0.05
SECONDS_AN_ACTIVATION = 0.4
WRITES_AN_ACTIVATION = 8
"""Slot (2), waiting, claim, activating and activated, each change of the serial's index once."""


@dataclass(frozen=True)
class Storm:
    """A whole fleet switched on at once."""

    devices: int
    activations_per_second: int
    behaviour: str = POLITE.name

    @property
    def capacity(self) -> Capacity:
        """What the stack is set to."""
        return Capacity(self.activations_per_second)

    @property
    def seconds(self) -> float:
        """Until the last device is active: slots at 97 % of the rate, and a second for the queue's clock."""
        return self.devices / (self.activations_per_second * UTILISATION) + 1

    @property
    def ratio(self) -> float:
        """That time ÷ the ideal one."""
        return self.seconds / (self.devices / self.activations_per_second)

    @property
    def events(self) -> float:
        """All events: the waiting devices connect every `w` seconds, at most at the connect quota."""
        wait, quota = MEAN_WAIT[self.behaviour], self.capacity.events_per_second
        connects = self.devices / wait
        if connects <= quota:
            return self.devices + connects * self.seconds / 2
        # At the quota until so few are left that they keep below it, then falling evenly to nothing.
        at_quota = (self.devices - quota * wait) / (self.activations_per_second * UTILISATION)
        return quota * (at_quota + self.seconds) / 2

    @property
    def dollars(self) -> float:
        """What the storm costs, without the devices' own traffic."""
        batches = self.events / self.capacity.batch_size
        requests = self.events + 2 * batches + 3 * self.devices
        compute = batches * SECONDS_A_STALE_BATCH + self.devices * SECONDS_AN_ACTIVATION
        return (
            requests * SQS_REQUEST
            + batches * LAMBDA_INVOCATION
            + compute * MEMORY_GB * LAMBDA_GB_SECOND
            + self.events * DYNAMODB_READ
            + self.devices * WRITES_AN_ACTIVATION * DYNAMODB_WRITE
            + self.events * IOT_CONNECT_MINUTE_AND_RULE
        )


def duration(seconds: float) -> str:
    """Write a duration for people.

    >>> duration(90), duration(5400), duration(200_000)
    ('90 s', '1.5 h', '2.3 d')
    """
    if seconds < 3600:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h" if seconds < 86_400 else f"{seconds / 86_400:.1f} d"


def table() -> str:
    """The table, in Markdown."""
    lines = [
        "| devices | a second | time | ÷ ideal | events a device | workers | $ | $ a million devices |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for devices in (2_000, 10_000, 100_000, MILLION, 10 * MILLION):
        for rate in (10, 100, 1000):
            storm = Storm(devices, rate)
            lines.append(
                f"| {devices:,} | {rate} | {duration(storm.seconds)} | {storm.ratio:.2f} "
                f"| {storm.events / devices:.1f} | {storm.capacity.concurrency} | {storm.dollars:,.2f} "
                f"| {storm.dollars / devices * MILLION:,.0f} |"
            )
    return "\n".join(lines)


def check(results: Iterable[Result]) -> str:
    """What the closed form says of the runs of this pipeline that were measured, in Markdown."""
    lines = [
        "| run | time: model | measured | events: model | measured | calls a device: model | measured |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in sorted(results, key=lambda result: (result.behaviour, result.devices)):
        if result.system != "ours" or result.real_devices or result.seconds_to_last is None:
            continue
        storm = Storm(result.devices, ACTIVATIONS_PER_SECOND, result.behaviour)
        cells = (
            f"{result.behaviour}, {result.devices:,}",
            f"{storm.seconds:.0f} s",
            f"{result.seconds_to_last:.0f} s",
            f"{storm.events:,.0f}",
            f"{result.events:,}",
            f"{CALLS_A_DEVICE:.2f}",
            f"{result.calls_per_device:.2f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
    print()
    print(check(load(RESULTS)))
