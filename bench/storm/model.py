"""The storm in closed form: `python -m bench.storm.model` prints the table of `docs/performance.md`.

A fleet of N devices, `r` activations a second, `c` MQTT connects a second for the account, each device back
after 8 s on average while it waits. Prices are list prices of us-east-1 in US dollars, entered by hand: check
them against the pricing pages before you rely on them.
"""

from dataclasses import dataclass

from iot_jitr.capacity import Capacity
from iot_jitr_runtime.ledger.turns import UTILISATION

MILLION = 1_000_000
RETRY_SECONDS = 8.0
"""Mean wait of a polite device: between 1 and 15 s."""

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
"""Turn (2), waiting, claim, activating and activated, each change of the serial's index once."""


@dataclass(frozen=True)
class Storm:
    """A whole fleet switched on at once."""

    devices: int
    activations_per_second: int

    @property
    def capacity(self) -> Capacity:
        """What the stack is set to."""
        return Capacity(self.activations_per_second)

    @property
    def seconds(self) -> float:
        """Until the last device is active: the line at 97 % of the rate, and one for the queue's clock."""
        return self.devices / (self.activations_per_second * UTILISATION) + 1

    @property
    def ratio(self) -> float:
        """That time ÷ the ideal one."""
        return self.seconds / (self.devices / self.activations_per_second)

    @property
    def events(self) -> float:
        """All events: half of the fleet waits on average, and connects come no faster than the quota."""
        wanted = self.devices / 2 / RETRY_SECONDS
        return self.devices + min(wanted, self.capacity.events_per_second) * self.seconds

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


if __name__ == "__main__":
    print(table())
