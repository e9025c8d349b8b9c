"""Revoked devices that reconnect while the sweep has a backlog: with the connect guard and without it.

    python -m bench.reconnects    # 2,000 revoked, 500 of them reconnect; writes bench/reconnects-results.json

The real stack runs in the local cloud, with ten AWS IoT calls a second as in a default account. All devices
are active when one CRL lists all of them. Some reconnect at random moments of the backlog, as real TLS and
MQTT clients: each to the guarded domain, and immediately afterwards to the account's own endpoint.
"""

import argparse
import asyncio
import json
import os
import random
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.storm.real_devices import client_context, connects
from iot_jitr_cli.lab.lab import MQTT_HOST
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import KEY, State
from iot_jitr_runtime.ledger.rows import Identity
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import TIME_LIMIT, deployed_cloud
from tests.support.crl_upload import DAY, CrlUpload

RESULTS = Path(__file__).with_name("reconnects-results.json")
RATE = 10
"""AWS IoT calls a second."""


@dataclass(frozen=True)
class Reconnect:
    """One device's two connects."""

    after: float
    """Seconds from the publication of the index."""
    guarded: bool
    """Whether the guarded domain accepted the connect."""
    unguarded: bool
    """Whether the account's own endpoint accepted the connect, right after that."""


class Bench(CrlUpload):
    """The deployed cloud and the CRL of its CA."""

    def activate(self, count: int) -> list[DeviceIdentity]:
        """Make devices in the state after an activation: ACTIVE, with policy and ledger row."""
        cloud, made = self.cloud, []
        iot, rows = cloud.client("iot"), cloud.client("dynamodb")
        policy, table = cloud.outputs[Output.DEVICE_POLICY_NAME], cloud.outputs[Output.LEDGER_TABLE]
        for number in range(count):
            identity = cloud.ca.issue(DeviceSpec(f"revoked-{number}"))
            certificate = identity.certificate
            found = iot.register_certificate(
                certificatePem=certificate.pem, caCertificatePem=identity.ca.pem, status="ACTIVE"
            )
            iot.attach_policy(policyName=policy, target=found["certificateArn"])
            of_device = Identity(self.ca_id, certificate.serial_number, f"revoked-{number}")
            row = {KEY: certificate.fingerprint, "state": State.ACTIVATED.value, **of_device.attributes()}
            rows.put_item(TableName=table, Item={name: {"S": str(value)} for name, value in row.items()})
            made.append(identity)
        return made

    @property
    def ca_id(self) -> CaCertificateId:
        """The id of the CA."""
        return CaCertificateId(self.cloud.outputs["LabCaCertificateId"])

    def published_at(self) -> float:
        """Upload the CRL; return the time at which its index was published, in seconds since 1970."""
        before = self.index_version()
        self.upload(self.revocations.sign(DAY))
        if not wait_until(lambda: self.index_version() != before, limit=TIME_LIMIT, interval=0.1):
            raise TimeoutError("the index was not published")
        return time.time()

    def still_active(self) -> int:
        """The number of ACTIVE certificates of the CA."""
        pages = self.cloud.client("iot").get_paginator("list_certificates_by_ca")
        return sum(
            each["status"] == "ACTIVE"
            for page in pages.paginate(caCertificateId=self.ca_id)
            for each in page["certificates"]
        )

    def context(self, identity: DeviceIdentity) -> ssl.SSLContext:
        """The TLS context with the device's certificate."""
        files = identity.save(self.cloud.folder, identity.certificate.fingerprint)
        return client_context(self.cloud.lab.files.broker_ca, files.chain, files.key)


async def reconnect(
    bench: Bench, devices: Sequence[tuple[str, ssl.SSLContext]], until: float
) -> list[Reconnect]:
    """Reconnect devices at random moments; the first moment is one index refresh after the publication.

    Args:
        bench: The cloud.
        devices: The devices that reconnect: name and TLS context.
        until: The last moment, in seconds after the publication; the publication is now.
    """
    draw, began = random.Random(len(devices)), time.monotonic()
    lab = bench.cloud.lab
    guarded, port = lab.guarded_domain, lab.ministack.mqtt_port
    assert guarded is not None
    done: list[Reconnect] = []

    async def one(device: tuple[str, ssl.SSLContext], after: float) -> None:
        name, context = device
        await asyncio.sleep(max(0.0, began + after - time.monotonic()))
        at = time.monotonic() - began
        with_guard = await connects(context, name, MQTT_HOST, port, guarded)
        without = await connects(context, name, MQTT_HOST, port)
        done.append(Reconnect(round(at, 2), with_guard, without))

    moments = [draw.uniform(2.0, until) for _ in devices]
    await asyncio.gather(*map(one, devices, moments))
    return sorted(done, key=lambda each: each.after)


def run(folder: Path, revoked: int, reconnecting: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the measurement; return the content of the results file."""
    settings = {
        "connect_guard": {"on_unknown": "refuse"},
        "activations_per_second": RATE,
        # The revocation of all devices must not need a confirmation.
        "revocation": {"refresh": "1 second", "mass_revocation_limit_percent": 100},
    }
    say("deploying")
    with deployed_cloud(folder, settings, revocation={"type": "bucket"}) as cloud:
        bench = Bench(cloud)
        bench.publish()
        say(f"activating {revoked:,} devices")
        devices = bench.activate(revoked)
        bench.revoke(*devices)
        chosen = [
            (each.certificate.common_names[0], bench.context(each))
            for each in random.Random(revoked).sample(devices, reconnecting)
        ]
        name, context = chosen[0]
        admitted_before = asyncio.run(
            connects(context, name, MQTT_HOST, cloud.lab.ministack.mqtt_port, cloud.lab.guarded_domain)
        )
        say("publishing the CRL")
        published = bench.published_at()
        backlog = revoked / RATE
        found = asyncio.run(reconnect(bench, chosen, backlog))
        left = bench.still_active()
        say(f"{left:,} are still ACTIVE after {time.time() - published:.0f} s")
        return {
            "revoked": revoked,
            "calls_a_second": RATE,
            "reconnects": [asdict(each) for each in found],
            "admitted_before": admitted_before,
            "still_active_at_the_end": left,
            "seconds": round(time.time() - published, 1),
            "load_average": round(os.getloadavg()[1], 1),
        }


def report(results: dict[str, Any]) -> str:
    """The table of `docs/revocation.md`, in Markdown."""
    found = results["reconnects"]
    lines = [
        "| reconnects during the backlog | of devices | admitted with the guard | admitted without it |",
        "|---|---|---|---|",
    ]
    seconds = results["revoked"] / results["calls_a_second"]
    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0), (0.0, 1.0)):
        part = [each for each in found if low * seconds <= each["after"] <= high * seconds]
        name = (
            "all" if high - low == 1 else f"{low * seconds:.0f} to {high * seconds:.0f} s after publication"
        )
        with_guard, without = (sum(each[key] for each in part) for key in ("guarded", "unguarded"))
        lines.append(f"| {name} | {len(part)} | {with_guard} | {without} |")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run and print the table; fail if the guard admitted a revoked device."""
    parser = argparse.ArgumentParser(prog="python -m bench.reconnects")
    parser.add_argument("--revoked", type=int, default=2_000, help="devices on the CRL (2,000)")
    parser.add_argument("--reconnecting", type=int, default=500, help="number of these that reconnect (500)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the results are written")
    given = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="jitr-bench-") as folder:
        results = run(
            Path(folder), given.revoked, given.reconnecting, lambda line: print(line, file=sys.stderr)
        )
    print(report(results))
    given.results.write_text(json.dumps(results) + "\n")
    return int(not results["admitted_before"] or any(each["guarded"] for each in results["reconnects"]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
