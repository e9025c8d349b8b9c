"""Run the demo and keep what it measured: the metrics that the functions wrote, the queues, who was refused.

`measured.json` is what the picture of the dashboard is drawn from. The functions write their metrics as log
lines in CloudWatch's embedded metric format; they are read from the local cloud's CloudWatch Logs before the
demo removes it.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from iot_jitr_cli.demo.model import Demo
from iot_jitr_cli.demo.run import run_demo
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_runtime.outcomes import Outcome
from iot_jitr_runtime.stack_outputs import Output

FILE = Path(__file__).with_name("measured.json")
DEVICES = 40
_EVERY_SECONDS = 0.5
_QUEUES = {"activation": Output.ACTIVATION_QUEUE_URL, "dead letters": Output.DEAD_LETTER_QUEUE_URL}
_VISIBLE, _IN_FLIGHT = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
METRIC_OF = {
    _VISIBLE: "ApproximateNumberOfMessagesVisible",
    _IN_FLIGHT: "ApproximateNumberOfMessagesNotVisible",
}
"""An attribute of a queue -> what CloudWatch calls the metric."""


@dataclass
class Watch:
    """What is seen of the local cloud in `folder` while the demo runs in it."""

    folder: Path
    demo: Demo = field(default_factory=Demo)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Look at the queues until the demo begins to clean up."""
        while not self._ended.wait(_EVERY_SECONDS):
            # The local cloud may not be there yet, or not any more.
            with suppress(BotoCoreError, ClientError, OSError):
                lab = Lab.find(self.folder)
                if lab is not None and lab.deployed is not None:
                    self._look_at_queues(lab, lab.deployed.outputs)

    def on_change(self, _line: str | None) -> None:
        """Read the logs, once, when the demo is over and its local cloud is still there."""
        if self.demo.clean_up and not self._ended.is_set():
            self._ended.set()
            self._read_logs(Lab.attach(self.folder))

    def end(self) -> None:
        """Stop looking, whatever has happened."""
        self._ended.set()

    def _look_at_queues(self, lab: Lab, outputs: Any) -> None:
        sqs = lab.client("sqs")
        for queue, output in _QUEUES.items():
            answer = sqs.get_queue_attributes(QueueUrl=outputs[output], AttributeNames=list(METRIC_OF))
            for attribute, name in METRIC_OF.items():
                self._measured(time.time(), name, float(answer["Attributes"][attribute]), queue=queue)

    def _read_logs(self, lab: Lab) -> None:
        logs = lab.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"]):
                for event in page["events"]:
                    for line in _objects(event["message"]):
                        self._read(line)

    def _read(self, line: dict[str, Any]) -> None:
        for of in line.get("_aws", {}).get("CloudWatchMetrics", []):
            [names] = of["Dimensions"]
            dimensions = {name: line[name] for name in names if name != "service"}
            for metric in of["Metrics"]:
                values = line[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    self._measured(line["_aws"]["Timestamp"] / 1000, metric["Name"], value, **dimensions)
        if line.get("outcome") == Outcome.REFUSED:
            self.refusals.append({name: line[name] for name in ("reason", "common_name", "detail")})

    def _measured(self, at: float, name: str, value: float, **dimensions: str) -> None:
        self.metrics.append({"at": at, "name": name, "value": round(value, 3), **dimensions})


def _objects(message: str) -> Iterator[dict[str, Any]]:
    for line in message.splitlines():
        if (start := line.find("{")) >= 0:
            with suppress(json.JSONDecodeError):
                found = json.loads(line[start:])
                if isinstance(found, dict):
                    yield found


def record(folder: Path, devices: int = DEVICES) -> dict[str, Any]:
    """Run the demo in `folder` and return what it measured; times are seconds since the first activation.

    Raises:
        RuntimeError: An expectation of the demo was not met.
    """
    watch = Watch(folder)
    watch.demo.on_change = watch.on_change
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        run_demo(folder, devices, watch.demo)
    finally:
        watch.end()
        thread.join()
    if not watch.demo.succeeded:
        raise RuntimeError("the demo did not succeed; nothing is recorded")
    began = min(each["at"] for each in watch.metrics if each["name"] == "Activated")
    metrics = [{**each, "at": round(each["at"] - began, 1)} for each in watch.metrics]
    refusals = sorted(watch.refusals, key=lambda each: str(each["common_name"]))
    return {"devices": devices, "refusals": refusals, "metrics": sorted(metrics, key=lambda each: each["at"])}


def save(measured: dict[str, Any]) -> None:
    """Write `measured.json`, a line for each measurement."""
    rows = ",\n".join(json.dumps(each) for each in measured["metrics"])
    head = json.dumps({name: value for name, value in measured.items() if name != "metrics"})
    FILE.write_text(f'{head[:-1]}, "metrics": [\n{rows}\n]}}\n', encoding="utf-8")


def load() -> dict[str, Any]:
    """Read `measured.json`."""
    return dict(json.loads(FILE.read_text(encoding="utf-8")))
