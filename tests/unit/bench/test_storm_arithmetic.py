"""The storm's quotas and its closed form: what is measured against, and what the documentation prints."""

import re
from pathlib import Path

import pytest

from bench.storm.model import Storm, check, duration, table
from bench.storm.operations import UNKNOWN, operation_of
from bench.storm.quotas import Quotas, TokenBucket
from bench.storm.real_devices import connect_packet
from bench.storm.report import measured
from bench.storm.results import RESULTS, load
from tests.support.clock import Stopwatch

ID = "ab" * 32
PERFORMANCE = Path(__file__).parents[3] / "docs" / "performance.md"


def test_a_bucket_holds_one_second_and_fills_at_its_rate() -> None:
    clock = Stopwatch()
    bucket = TokenBucket(10, clock)
    assert [bucket.take() for _ in range(11)].count(True) == 10

    clock.sleep(0.3)
    assert [bucket.take() for _ in range(11)].count(True) == 3

    clock.sleep(60)
    assert [bucket.take() for _ in range(11)].count(True) == 10


def test_each_operation_has_a_quota_of_its_own() -> None:
    quotas = Quotas(clock=Stopwatch())

    served = [quotas.allow("AttachPolicy") for _ in range(20)].count(True)

    assert (served, quotas.allow("DescribeCertificate")) == (15, True)
    assert (quotas.served["AttachPolicy"], quotas.throttled["AttachPolicy"]) == (15, 5)


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("GET", f"/certificates/{ID}", "DescribeCertificate"),
        ("PUT", f"/certificates/{ID}?newStatus=ACTIVE", "UpdateCertificate"),
        ("PUT", "/target-policies/device-policy", "AttachPolicy"),
        ("GET", f"/cacertificate/{ID}", "DescribeCACertificate"),
        ("GET", f"/certificates-by-ca/{ID}?pageSize=250", "ListCertificatesByCA"),
        ("GET", "/no/such/path/at/all", UNKNOWN),
    ],
)
def test_requests_are_identified_by_the_service_model(method: str, target: str, operation: str) -> None:
    assert operation_of(method, target) == operation


def test_the_documented_table_is_what_the_model_prints() -> None:
    assert table() in PERFORMANCE.read_text()


@pytest.mark.parametrize("rate", [10, 50, 100])
def test_the_first_fleet_of_the_page_matches_the_model(rate: int) -> None:
    fleet = Storm(40_000, rate)
    billed = fleet.dollars + fleet.dollars_of_refused_connects
    row = (
        f"{fleet.seconds / 60:.0f} min | {fleet.events / fleet.devices:.0f} "
        f"| {fleet.dollars:.2f} | {billed:.2f} |"
    )

    lines = PERFORMANCE.read_text().splitlines()
    assert [line for line in lines if line.startswith(f"| {rate}") and line.endswith(row)]


def test_the_documented_runs_are_the_saved_ones() -> None:
    results = load(RESULTS)

    assert measured(results) in PERFORMANCE.read_text()
    assert check(results) in PERFORMANCE.read_text()


def test_the_saved_run_meets_the_targets() -> None:
    [run] = [
        result
        for result in load(RESULTS)
        if (result.system, result.behaviour, result.devices) == ("ours", "rude", 2000)
    ]

    assert run.ratio is not None
    assert run.ratio <= 1.10
    assert run.calls_per_device <= 3.2
    assert (run.lost, run.dead_letters) == (0, 0)
    assert run.seconds_to_empty is not None
    assert run.seconds_to_empty <= 60


def test_the_model_meets_the_target() -> None:
    assert Storm(2000, 10).ratio < 1.10


@pytest.mark.parametrize(("seconds", "text"), [(90, "90 s"), (5400, "1.5 h"), (200_000, "2.3 d")])
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_connect_packet_is_mqtt_3_1_1() -> None:
    packet = connect_packet("sensor-1")

    assert packet[0] == 0x10
    assert packet[1] == len(packet) - 2
    assert re.search(rb"\x00\x04MQTT\x04\x02", packet)
    assert packet.endswith(b"\x00\x08sensor-1")


def test_a_client_id_too_long_for_a_short_packet_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at most 115"):
        connect_packet("x" * 116)
