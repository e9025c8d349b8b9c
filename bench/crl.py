"""Measures publication and look-up of CRLs with 1k to 1M revoked serials.

    .venv/bin/python -m bench.crl            # prints a table and writes bench/crl-results.json

Each value is measured in its own process, on the same file in the same run.

- publish: the work of the publisher. Read the file, verify the CRL, build the index.
- direct: the minimal work for an index in SQLite. Iterate over the entries with `cryptography`, insert them
  with `executemany`; nothing is verified or checked.
- plain: without an index. Load the CRL with `cryptography`, `is_signature_valid`,
  `get_revoked_certificate_by_serial_number`.

Times are CPU times. The time of the first look-up is elapsed time, because it opens a file.
"""

import json
import os
import platform
import random
import resource
import sqlite3
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cryptography
from cryptography import x509

if TYPE_CHECKING:
    from iot_jitr_runtime.revocation.index import Index

SIZES = (1_000, 10_000, 100_000, 1_000_000)
RESULTS = Path(__file__).with_name("crl-results.json")
LOOK_UPS = 1_000
"""Number of warm look-ups in a round, of a thousand serials spread over the whole index."""
ROUNDS = 30
"""Number of rounds. The fastest one counts: slower rounds include other load of the machine."""

TARGETS = {
    "publish_to_direct": 1.3,
    "publish_peak_mb": 128.0,
    "first_look_up_ms": 5.0,
    "warm_look_up_us": 20.0,
    "resident_mb_more": 15.0,
}
"""Maximum values for the largest CRL."""


@dataclass(frozen=True)
class Measured:
    """The measurements for one size."""

    entries: int
    crl_bytes: int
    index_bytes: int
    publish_cpu_seconds: float
    publish_peak_mb: float
    direct_cpu_seconds: float
    direct_peak_mb: float
    publish_to_direct: float
    """CPU time of publish ÷ CPU time of direct."""
    first_look_up_ms: float
    warm_look_up_us: float
    resident_mb_more: float
    plain_verify_cpu_seconds: float
    plain_look_up_us: float
    plain_peak_mb: float


def make_crl(entries: int, folder: Path) -> None:
    """Write a CRL with random serials of 16 to 20 bytes and a reason on every other entry, and its CA.

    The CRL is assembled from bytes: the library's builder would take minutes for a million entries.
    """
    from iot_jitr_cli.pki.authority import DevelopmentCa
    from tests.support.crls import raw_crl

    draw = random.Random(entries)
    ca = DevelopmentCa.create("Benchmark CA")
    listed = [_entry(draw, number) for number in range(entries)]
    (folder / "ca.crl").write_bytes(raw_crl(ca, entries=listed))
    (folder / "ca.pem").write_text(ca.certificate.pem)


def _entry(draw: random.Random, number: int) -> bytes:
    from tests.support.pkix_der import entry
    from tests.support.pkix_sound import reason_code

    serial = bytes([draw.randrange(1, 0x80)]) + draw.randbytes(draw.randint(15, 19))
    reason = [reason_code(draw.choice((1, 3, 4, 5)))] if number % 2 else []
    return entry(serial, b"\x17\x0d260101000000Z", *reason)


def publish(folder: Path) -> dict[str, float]:
    """Do the work of the publisher with a fetched CRL."""
    from iot_jitr_runtime.certificates import Certificate
    from iot_jitr_runtime.identifiers import CaCertificateId
    from iot_jitr_runtime.revocation.build import IndexBuilder
    from iot_jitr_runtime.revocation.model import Origin

    ca, now = Certificate.load((folder / "ca.pem").read_bytes()), datetime.now(UTC)
    began = time.process_time()
    (folder / "index.sqlite").unlink(missing_ok=True)
    with IndexBuilder(folder / "index.sqlite", ca, now) as builder:
        builder.add_crl((folder / "ca.crl").read_bytes(), Origin("ca.crl"))
        builder.complete()
        builder.finish(CaCertificateId("benchmark"))
    return {"cpu_seconds": time.process_time() - began, "peak_mb": _peak_mb()}


def direct(folder: Path) -> dict[str, float]:
    """Iterate and insert, without verifying or checking anything."""
    path = folder / "direct.sqlite"
    path.unlink(missing_ok=True)
    reasons = {flag: number for number, flag in enumerate(x509.ReasonFlags)}

    def row(entry: x509.RevokedCertificate) -> tuple[bytes, int, int]:
        serial, reason = entry.serial_number, 0
        for extension in entry.extensions:
            reason = reasons[extension.value.reason]
        return serial.to_bytes(serial.bit_length() // 8 + 1, "big"), 1, reason

    began = time.process_time()
    crl = x509.load_der_x509_crl((folder / "ca.crl").read_bytes())
    database = sqlite3.connect(path, isolation_level=None)
    for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
        database.execute(f"PRAGMA {setting}")
    database.execute(
        "CREATE TABLE revoked (serial BLOB, crl INTEGER, reason INTEGER, PRIMARY KEY (serial, crl))"
        " WITHOUT ROWID"
    )
    database.execute("BEGIN")
    database.executemany("INSERT INTO revoked VALUES (?, ?, ?)", map(row, crl))
    database.execute("COMMIT")
    database.close()
    return {"cpu_seconds": time.process_time() - began, "peak_mb": _peak_mb()}


def look_up(folder: Path) -> dict[str, float]:
    """Do the work of the activator with a downloaded index."""
    from iot_jitr_runtime.certificates import Certificate
    from iot_jitr_runtime.revocation.index import Index, RevocationStatus

    serials = json.loads((folder / "serials.json").read_text())
    ca = Certificate.load((folder / "ca.pem").read_bytes())
    unlisted = ca.x509  # any certificate whose serial is not on the CRL
    now = datetime.now(UTC)
    before = _resident_mb()
    began = time.perf_counter()
    index = Index.open(folder / "index.sqlite")
    assert index.status(unlisted, now).status is RevocationStatus.GOOD
    first = time.perf_counter() - began
    warm = min(_look_ups(index, serials) for _ in range(ROUNDS))
    return {
        "first_ms": first * 1e3,
        "warm_us": warm / LOOK_UPS * 1e6,
        "more_mb": max(0.0, _resident_mb() - before),
    }


def _look_ups(index: "Index", serials: list[int]) -> float:
    began = time.process_time()
    for number in range(LOOK_UPS):
        assert index.reason(serials[number % len(serials)]) is not None
    return time.process_time() - began


def plain(folder: Path) -> dict[str, float]:
    """Load, verify and look up with `cryptography` alone."""
    serials = json.loads((folder / "serials.json").read_text())
    ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    began = time.process_time()
    crl = x509.load_der_x509_crl((folder / "ca.crl").read_bytes())
    assert crl.is_signature_valid(ca.public_key())  # type: ignore[arg-type]
    verified = time.process_time() - began
    sample = serials[: max(10, 200_000 // len(crl))]
    began = time.process_time()
    for serial in sample:
        assert crl.get_revoked_certificate_by_serial_number(serial) is not None
    looked_up = time.process_time() - began
    return {
        "verify_seconds": verified,
        "look_up_us": looked_up / len(sample) * 1e6,
        "peak_mb": _peak_mb(),
    }


PARTS = {"publish": publish, "direct": direct, "look_up": look_up, "plain": plain}
"""The measured parts; each runs in its own process."""


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def measure(entries: int) -> Measured:
    """Measure one size, each value in its own process."""
    with TemporaryDirectory(prefix="jitr-bench-") as name:
        folder = Path(name)
        _in_own_process("make_crl", folder, str(entries))
        crl = x509.load_der_x509_crl((folder / "ca.crl").read_bytes())
        sample = [entry.serial_number for number, entry in enumerate(crl) if number % (entries // 1000) == 0]
        random.Random(1).shuffle(sample)
        (folder / "serials.json").write_text(json.dumps(sample))
        # The two parts alternate, so that other load of the machine affects both equally.
        runs = [(_in_own_process("publish", folder), _in_own_process("direct", folder)) for _ in range(3)]
        published, directly = (min(each, key=itemgetter("cpu_seconds")) for each in zip(*runs, strict=True))
        looked_up = _best("look_up", folder, "first_ms")
        plainly = _best("plain", folder, "look_up_us")
        return Measured(
            entries=entries,
            crl_bytes=(folder / "ca.crl").stat().st_size,
            index_bytes=(folder / "index.sqlite").stat().st_size,
            publish_cpu_seconds=published["cpu_seconds"],
            publish_peak_mb=published["peak_mb"],
            direct_cpu_seconds=directly["cpu_seconds"],
            direct_peak_mb=directly["peak_mb"],
            publish_to_direct=published["cpu_seconds"] / directly["cpu_seconds"],
            first_look_up_ms=looked_up["first_ms"],
            warm_look_up_us=looked_up["warm_us"],
            resident_mb_more=looked_up["more_mb"],
            plain_verify_cpu_seconds=plainly["verify_seconds"],
            plain_look_up_us=plainly["look_up_us"],
            plain_peak_mb=plainly["peak_mb"],
        )


def _best(part: str, folder: Path, by: str) -> dict[str, float]:
    """The best of three processes: slower ones include other load of the machine."""
    return min((_in_own_process(part, folder) for _ in range(3)), key=itemgetter(by))


def _in_own_process(part: str, folder: Path, *arguments: str) -> dict[str, float]:
    run = subprocess.run(
        [sys.executable, "-m", "bench.crl", part, str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    return dict(json.loads(run.stdout or "{}"))


def _row(one: Measured) -> str:
    return (
        f"| {one.entries:,} | {one.publish_cpu_seconds:.2f} s | {one.direct_cpu_seconds:.2f} s "
        f"| {one.publish_to_direct:.2f} | {one.publish_peak_mb:.0f} MB | {one.index_bytes / 1e6:.1f} MB "
        f"| {one.first_look_up_ms:.1f} ms | {one.warm_look_up_us:.1f} µs | {one.resident_mb_more:.1f} MB "
        f"| {one.plain_verify_cpu_seconds:.2f} s | {one.plain_look_up_us:,.0f} µs "
        f"| {one.plain_peak_mb:.0f} MB |"
    )


def main() -> None:
    """Measure all sizes, print the table and keep the results."""
    head = ("entries", "publish, CPU", "direct, CPU", "ratio", "publish: peak", "index", "first look-up")
    more = ("warm", "resident more", "plain: verify, CPU", "plain look-up", "plain peak")
    print("|", " | ".join((*head, *more)), "|")
    print("|" + "---|" * 12)
    results = []
    for entries in SIZES:
        results.append(measure(entries))
        print(_row(results[-1]), flush=True)
    largest = asdict(results[-1])
    print(f"\n{SIZES[-1]:,} entries:")
    for name, target in TARGETS.items():
        verdict = "met" if largest[name] <= target else "MISSED"
        print(f"- {name}: {largest[name]:.3g}, target at most {target:g}: {verdict}")
    run = {"machine": _machine(), "targets": TARGETS, "results": [asdict(one) for one in results]}
    RESULTS.write_text(json.dumps(run, indent=2) + "\n")


def _machine() -> dict[str, object]:
    """Data about the machine; the load average shows its other work."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cryptography": cryptography.__version__,
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
        "load_average_15_minutes": round(os.getloadavg()[2], 1),
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make_crl", where, count]:
            make_crl(int(count), Path(where))
        case [part, where]:
            print(json.dumps(PARTS[part](Path(where))))
        case _:
            main()
