"""The local cloud of the storm: the real stack, with its IoT API behind the quota proxy."""

import http.client
import io
import json
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import iot_jitr_runtime
from iot_jitr_cli.lab import ministack
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime import environment
from iot_jitr_runtime.ledger_table import KEY
from iot_jitr_runtime.rate_limiter import RATE_LIMITER_KEY
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import Cloud, deployed_cloud

_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_IOT"
"""The AWS SDK's own variable for the endpoint of one service."""
_BATCH = 10
_LAUNCHER = Path(__file__).with_name("fast_queue.py")


@dataclass
class Proxy:
    """The quota proxy in its own process."""

    url: str

    def report(self, since: int = 0) -> dict[str, Any]:
        """The results of the calls, and the activations from number `since` on."""
        answer: dict[str, Any] = json.loads(self._request("GET", f"/report?since={since}"))
        return answer

    def reset(self) -> None:
        """Delete the record of the calls and fill the token buckets."""
        self._request("POST", "/reset")

    def _request(self, method: str, path: str) -> bytes:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        finally:
            connection.close()


@dataclass(frozen=True)
class QueueDepth:
    """Messages in a queue."""

    visible: int
    hidden: int
    """In flight: processed by a worker, or waiting for their slot."""

    @property
    def total(self) -> int:
        """All."""
        return self.visible + self.hidden


@dataclass
class StormCloud(Cloud):
    """The lab, its stack, and the proxy before its IoT API."""

    proxy: Proxy = field(kw_only=True)

    def new_devices(self, count: int) -> list[DeviceIdentity]:
        """Make devices that are not registered."""
        run = uuid.uuid4().hex[:8]
        return [self.ca.issue(DeviceSpec(f"storm-{run}-{number}")) for number in range(count)]

    def plant_all(self, devices: list[DeviceIdentity]) -> list[str]:
        """Register certificates as pending, as their first connect does; return their ids."""
        return [self.plant(device) for device in devices]

    def active(self, certificate_ids: list[str]) -> int:
        """The number of these certificates that are ACTIVE in AWS IoT."""
        wanted = set(certificate_ids)
        found = 0
        pages = self.client("iot").get_paginator("list_certificates_by_ca")
        for page in pages.paginate(caCertificateId=self.outputs["LabCaCertificateId"]):
            found += sum(
                1
                for certificate in page["certificates"]
                if certificate["certificateId"] in wanted and certificate["status"] == "ACTIVE"
            )
        return found

    def send_events(self, certificate_ids: list[str]) -> None:
        """Put events into the activation queue, as the rule does."""
        sqs, url = self.client("sqs"), self.outputs[Output.ACTIVATION_QUEUE_URL]
        for start in range(0, len(certificate_ids), _BATCH):
            entries = [
                {"Id": str(number), "MessageBody": self.event(certificate_id)}
                for number, certificate_id in enumerate(certificate_ids[start : start + _BATCH])
            ]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)

    def depth(self, queue: Output = Output.ACTIVATION_QUEUE_URL) -> QueueDepth:
        """The number of messages in a queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=self.outputs[queue], AttributeNames=names)[
            "Attributes"
        ]
        return QueueDepth(*(int(found[name]) for name in names))

    def empty_queues(self) -> None:
        """Delete all messages that are left of a run."""
        for queue in (Output.ACTIVATION_QUEUE_URL, Output.DEAD_LETTER_QUEUE_URL):
            self.client("sqs").purge_queue(QueueUrl=self.outputs[queue])

    def reset_rate_limiter(self) -> None:
        """Reset the rate limiter: the next run's slots begin now, not after the last run's reserved slots."""
        self.client("dynamodb").delete_item(
            TableName=self.outputs[Output.LEDGER_TABLE], Key={KEY: {"S": RATE_LIMITER_KEY}}
        )

    def use_code(self, handler: str, *more: Path) -> None:
        """Deploy the activator with this handler, the runtime's sources and the modules `more`."""
        name = self.outputs[Output.ACTIVATOR_FUNCTION]
        functions = self.client("lambda")
        functions.update_function_code(FunctionName=name, ZipFile=_zip_of_runtime(*more))
        variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        functions.update_function_configuration(
            FunctionName=name,
            Handler=handler,
            Environment={"Variables": {**variables, _ENDPOINT_VARIABLE: self.proxy.url}},
        )

    def use_ours(self) -> None:
        """Deploy the unchanged activator."""
        self.use_code(environment.ACTIVATOR_HANDLER)

    def use_no_stale_check(self) -> None:
        """Deploy the activator without its stale-event check."""
        self.use_code("no_stale_check.handle", Path(__file__).with_name("no_stale_check.py"))


def _zip_of_runtime(*more: Path) -> bytes:
    root = Path(iot_jitr_runtime.__file__).parent
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(root.rglob("*.py")):
            archive.write(source, source.relative_to(root.parent))
        for module in more:
            archive.write(module, module.name)
    return content.getvalue()


@contextmanager
def storm_cloud(folder: Path) -> Iterator[StormCloud]:
    """A fresh local cloud with the stack deployed by `cdk deploy`, quotas enforced."""
    with (
        mock.patch.object(ministack, "LAUNCHER", (str(_LAUNCHER),)),
        deployed_cloud(folder) as deployed,
        _proxy(deployed.lab.ministack.url) as proxy,
    ):
        cloud = StormCloud(deployed.lab, deployed.ca, deployed.folder, proxy=proxy)
        cloud.use_ours()
        yield cloud


@contextmanager
def _proxy(upstream: str) -> Iterator[Proxy]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.storm.proxy", upstream],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if process.stdout is None:
            raise RuntimeError("the proxy has no output to read its address from")
        yield Proxy(process.stdout.readline().strip())
    finally:
        process.communicate(timeout=10)
        wait_until(lambda: process.poll() is not None, limit=5)
