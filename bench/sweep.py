"""The duration of a sweep in closed form: `python -m bench.sweep` prints the table of `docs/performance.md`.

The ledger is read by one look-up for each new serial number, or by a scan if that is faster. The devices
found are revoked at the rate of the rate limiter. `tests/unit/bench/test_sweep_at_scale.py` compares these
values with the sweep itself.
"""

import math
from dataclasses import dataclass

from bench.storm.model import MILLION, duration
from iot_jitr_runtime.rate_limiter import UTILISATION
from iot_jitr_runtime.sweep.sweep import CHECKED_AT_MOST, PASS_SHARE, TIME_FOR_ONE
from iot_jitr_runtime.sweep.targets import LOOK_UPS_A_PAGE, ROWS_A_LOOK_UP, MassRevocationLimit

CPU_SHARE = 512 / 1769
"""The share of one processor at the function's 512 MiB
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
SECONDS_A_LOOK_UP = 0.0014 / CPU_SHARE + 0.005
"""1.4 ms of CPU time, measured, and a round trip to DynamoDB."""
SECONDS_A_MEGABYTE = 0.09 / CPU_SHARE
"""Seconds to scan a megabyte; 90 ms of CPU time, measured."""
ROW_BYTES = 650
ROWS_A_MEGABYTE = MILLION // ROW_BYTES
TIME_OUT = 300
"""The function's time-out, in seconds."""
SECONDS_A_RUN = PASS_SHARE * (TIME_OUT - TIME_FOR_ONE.total_seconds())
"""Seconds of a run for a pass; the rest is for releases, and for the last certificate."""
SCHEDULE = 60
"""Seconds between two invocations."""
LIMIT = MassRevocationLimit(share=0.1, minimum=50)
"""The default of `mass_revocation_limit_percent` and `mass_revocation_limit_minimum`."""


@dataclass(frozen=True)
class Pass:
    """One pass of the sweep."""

    rows: int
    """Number of rows of the ledger's table."""
    fleet: int
    """Number of devices of the CA in service."""
    serials: int
    """Number of new serial numbers on the CA's CRL."""
    devices: int
    """Number of these that are registered and not revoked yet."""
    activations_per_second: float = 10

    @property
    def scanning(self) -> bool:
        """Whether the ledger is scanned."""
        return self.serials > max(LOOK_UPS_A_PAGE, self.rows // ROWS_A_LOOK_UP)

    @property
    def counting(self) -> bool:
        """Whether the devices are counted before the first one is revoked."""
        return not LIMIT.allows(self.serials, self.fleet)

    @property
    def seconds(self) -> float:
        """Seconds of work."""
        if self.scanning:
            reading = math.ceil(self.rows / ROWS_A_MEGABYTE) * SECONDS_A_MEGABYTE
        else:
            reading = self.serials * SECONDS_A_LOOK_UP
        changes = self.devices
        if self.counting:
            reading *= 2
            changes += min(self.devices, CHECKED_AT_MOST)
        return reading + changes / (self.activations_per_second * UTILISATION)

    def runs(self, seconds_a_run: float = SECONDS_A_RUN) -> int:
        """The number of runs."""
        return math.ceil(self.seconds / seconds_a_run)

    @property
    def elapsed(self) -> float:
        """Seconds until its end; a run begins with the first invocation after the end of the previous run."""
        *_, last = divmod(self.seconds, SECONDS_A_RUN)
        between = math.ceil(SECONDS_A_RUN / SCHEDULE) * SCHEDULE
        return (self.runs() - 1) * between + (last or SECONDS_A_RUN)


def table() -> str:
    """The table, in Markdown."""
    lines = [
        "| rows | new serial numbers | of them registered | a second | found by | runs | time |",
        "|---|---|---|---|---|---|---|",
    ]
    for rows, serials, devices in (
        (10_000, 10, 10),
        (10_000, 100_000, 500),
        (MILLION, 1_000, 1_000),
        (10 * MILLION, 10, 10),
        (10 * MILLION, 100_000, 1_000),
        (10 * MILLION, MILLION, 1_000),
        (10 * MILLION, MILLION, 100_000),
    ):
        for rate in (10, 100):
            made = Pass(rows, rows, serials, devices, rate)
            found = ("scan" if made.scanning else "look-ups") + (", twice" if made.counting else "")
            lines.append(
                f"| {rows:,} | {serials:,} | {devices:,} | {rate} | {found} | {made.runs()} "
                f"| {duration(made.elapsed)} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
