"""The storm in closed form: `python -m bench.storm.model` prints the tables of `docs/performance.md`.

A fleet has N devices, `r` activations a second, and `c` MQTT connects a second for the account. Each waiting
device connects again after `w` seconds on average. The dollars are those of `tools.cost`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bench.storm.devices import POLITE, RUDE, SPREAD
from bench.storm.results import ACTIVATIONS_PER_SECOND, RESULTS, Result, load
from iot_jitr.capacity import Capacity
from iot_jitr_runtime.rate_limiter import UTILISATION
from tools import cost
from tools.prices import total

MILLION = 1_000_000
MEAN_WAIT = {POLITE.name: 8.0, RUDE.name: 1 + SPREAD / 2}
"""Seconds between two connects of a waiting device: a random delay from 1 to 15, and one."""
CALLS_A_DEVICE = 3
"""DescribeCertificate, AttachPolicy, UpdateCertificate."""
_HEADINGS = (
    *("devices", "a second", "time", "÷ ideal", "events a device", "workers", "$", "$ a million devices"),
    "if refused CONNECTs are billed",
)


@dataclass(frozen=True)
class Storm:
    """A whole fleet that is switched on at once."""

    devices: int
    activations_per_second: int
    behaviour: str = POLITE.name
    connects_per_second: int | None = None
    """The account's quota of MQTT connects; None: the stack's setting, 500 at the default rate."""

    @property
    def capacity(self) -> Capacity:
        """The stack's settings."""
        return Capacity(self.activations_per_second)

    @property
    def seconds(self) -> float:
        """Time until the last device is active: slots at 97 % of the rate, plus 1 s for the queue's clock."""
        return self.devices / (self.activations_per_second * UTILISATION) + 1

    @property
    def ratio(self) -> float:
        """That time ÷ the ideal one."""
        return self.seconds / (self.devices / self.activations_per_second)

    @property
    def events(self) -> float:
        """All events: the waiting devices connect every `w` seconds, at most at the connect quota."""
        wait, quota = MEAN_WAIT[self.behaviour], self.connects_per_second or self.capacity.events_per_second
        connects = self.devices / wait
        if connects <= quota:
            return self.devices + connects * self.seconds / 2
        # The rate is the quota until the waiting devices are so few that they stay below it; then it falls
        # linearly to zero.
        at_quota = (self.devices - quota * wait) / (self.activations_per_second * UTILISATION)
        return quota * (at_quota + self.seconds) / 2

    @property
    def dollars(self) -> float:
        """The cost of the storm without logs, refused CONNECTs and the traffic of active devices."""
        return total(cost.activations(self.devices, self.events, self.capacity.batch_size))

    @property
    def dollars_of_refused_connects(self) -> float:
        """The additional cost if AWS IoT bills refused CONNECTs."""
        return total(cost.refused_connects(self.events))

    @property
    def dollars_of_logs(self) -> float:
        """The cost of the log lines."""
        return total(cost.logs(self.devices, self.events, self.capacity.batch_size))


def duration(seconds: float) -> str:
    """Return a duration as text.

    >>> duration(90), duration(5400), duration(200_000)
    ('90 s', '1.5 h', '2.3 d')
    """
    if seconds < 3600:
        return f"{seconds:.0f} s"
    return f"{seconds / 3600:.1f} h" if seconds < 86_400 else f"{seconds / 86_400:.1f} d"


def table() -> str:
    """The table, in Markdown."""
    lines = [
        f"| {' | '.join(_HEADINGS)} |",
        "|---" * len(_HEADINGS) + "|",
    ]
    for devices in (2_000, 10_000, 100_000, MILLION, 10 * MILLION):
        for rate in (10, 100, 1000):
            storm = Storm(devices, rate)
            lines.append(
                f"| {devices:,} | {rate} | {duration(storm.seconds)} | {storm.ratio:.2f} "
                f"| {storm.events / devices:.1f} | {storm.capacity.concurrency} | {storm.dollars:,.2f} "
                f"| {storm.dollars / devices * MILLION:,.0f} "
                f"| {(storm.dollars + storm.dollars_of_refused_connects) / devices * MILLION:,.0f} |"
            )
    return "\n".join(lines)


def check(results: Iterable[Result]) -> str:
    """Compare the closed form with the measured runs of this pipeline, in Markdown."""
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
