"""The sweep over a ledger of millions of rows: bounded memory, and the runs and the time of the model."""

import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.sweep import LIMIT, ROW_BYTES, SECONDS_A_LOOK_UP, SECONDS_A_MEGABYTE, TIME_OUT, Pass, table
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.rate_limiter import UTILISATION, NoSlotError
from iot_jitr_runtime.revocation.store import Published
from iot_jitr_runtime.sweep.enforce import RevocationResult
from iot_jitr_runtime.sweep.sweep import PASS_SHARE, TIME_FOR_ONE, Sweep
from tests.support.clock import Clock
from tests.support.crls import CrlSpec
from tests.support.indexes import CA_ID, compile_index
from tests.support.synthetic_ledger import SyntheticLedger, serial_of

PERFORMANCE = Path(__file__).parents[3] / "docs" / "performance.md"
MEMORY = 48 * 2**20
"""Bytes that a sweep may need more than before, whatever it goes through."""
SETTLE = timedelta(minutes=2)
MILLION = 1_000_000


@dataclass
class Scale:
    """A sweep of one CA with a synthetic ledger, whose clock goes by the model's figures."""

    folder: Path
    made: Pass
    share: int

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.index = self.folder / "index.sqlite"
        self.published_at = self.clock()
        self._write_index()
        # The pass that begins now may settle the index.
        self.clock.pass_time(seconds=SETTLE.total_seconds() + 1)
        self.dynamodb = SyntheticLedger(
            self.made.rows, CA_ID, share=self.share, row_bytes=ROW_BYTES, spend=self._spend
        )
        client: Any = self.dynamodb
        self.peak = 0
        ledger = RevocationLedger(client, "ledger")
        self.sweep = Sweep(
            store=self,  # type: ignore[arg-type]
            ledger=ledger,
            enforcement=self,  # type: ignore[arg-type]
            rate_limiter=SimpleNamespace(wait_for_background_slot=self._wait),  # type: ignore[arg-type]
            report=lambda *_, **__: None,
            settle=SETTLE,
            limit=LIMIT,
            dry_run=False,
            clock=self.clock,
        )

    def _write_index(self) -> None:
        compile_index(self.index, DevelopmentCa.create(), CrlSpec([]), ca_id=CA_ID).close()
        step = max(1, self.made.rows // self.made.devices // self.share) * self.share
        registered = range(0, self.made.devices * step, step)
        unknown = range(self.made.rows, self.made.rows + self.made.serials - self.made.devices)
        with closing(sqlite3.connect(self.index, isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN")
            keys = sorted(serial_of(row).to_bytes(16, "big") for row in (*registered, *unknown))
            database.executemany("INSERT INTO revoked VALUES (?, 1, 0)", ((key,) for key in keys))
            database.execute("COMMIT")

    # The store.

    def current(self, _ca: str) -> Published:
        return Published("1", "v1", "etag", self.published_at, None)

    def download(self, _ca: str, path: Path, *, version_id: str) -> None:
        assert version_id == "v1"
        os.link(self.index, path)

    # The enforcement.

    sessions = None

    def is_active(self, _certificate_id: str) -> bool:
        return True

    def revoke(self, certificate_id: Any, *_: object) -> RevocationResult:
        self.dynamodb.revoke(certificate_id)
        return RevocationResult.REVOKED

    def _wait(self, *, until: datetime) -> None:
        if self.clock() >= until:
            raise NoSlotError
        self.clock.pass_time(seconds=1 / (self.made.activations_per_second * UTILISATION))

    def _spend(self, operation: str, megabytes: float) -> None:
        self.peak = max(self.peak, resident())
        if operation == "Query":
            self.clock.pass_time(seconds=SECONDS_A_LOOK_UP)
        self.clock.pass_time(seconds=megabytes * SECONDS_A_MEGABYTE)

    @property
    def settled(self) -> bool:
        """Whether the sweep is done with its index."""
        return bool(self.dynamodb.written) and json.loads(self.dynamodb.written[-1])["settled"] is not None

    def run(self, time_out: float) -> None:
        """One run; the next one begins with the next minute."""
        began = self.clock()
        self.sweep.run(CA_ID, stops_at=began + timedelta(seconds=time_out))
        assert self.clock() - began < timedelta(seconds=time_out)


def resident() -> int:
    """Bytes of memory in use by this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("made", "share", "time_out"),
    [
        pytest.param(Pass(10 * MILLION, 10 * MILLION, 10, 10), 1, TIME_OUT, id="10 serials, 10 million rows"),
        pytest.param(Pass(10 * MILLION, 10 * MILLION, 3_000, 30), 1, 30, id="look-ups in short runs"),
        pytest.param(Pass(100_000, 10_000, 3_000, 30), 10, 30, id="counted by a scan in short runs"),
        pytest.param(
            Pass(10 * MILLION, 10 * MILLION, 100_000, 1_000),
            1,
            TIME_OUT,
            id="100,000 serials, 10 million rows",
            marks=pytest.mark.exhaustive,
        ),
        pytest.param(
            # Every twentieth row is the CA's, for the sake of the processor: the scan reads them all.
            Pass(10 * MILLION, MILLION // 2, MILLION, 1_000),
            20,
            TIME_OUT,
            id="a million serials, 10 million rows",
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_a_sweep_takes_the_runs_and_the_time_of_the_model(
    tmp_path: Path, made: Pass, share: int, time_out: float
) -> None:
    scale = Scale(tmp_path, made, share)
    before = resident()
    worked, runs, seen = timedelta(), 0, set()

    while not scale.settled:
        start = scale.clock()
        scale.run(time_out)
        worked += scale.clock() - start
        runs += 1
        progress = (scale.dynamodb.written[-1], len(scale.dynamodb.revoked))
        assert progress not in seen, "each run makes progress"
        seen.add(progress)

    seconds_a_run = PASS_SHARE * (time_out - TIME_FOR_ONE.total_seconds())
    assert len(scale.dynamodb.revoked) == made.devices
    assert worked.total_seconds() == pytest.approx(made.seconds, rel=0.05, abs=1.5)
    assert runs == pytest.approx(made.runs(seconds_a_run), rel=0.1, abs=1)
    assert scale.peak - before < MEMORY


def test_the_documented_table_is_what_the_model_prints() -> None:
    assert table() in PERFORMANCE.read_text()
