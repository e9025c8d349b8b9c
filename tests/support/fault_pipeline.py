"""A deployed pipeline with a proxy before its activator's API, and the devices that meet a fault in it."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from iot_jitr_cli.connect import ConnectResult
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime import environment
from iot_jitr_runtime.ledger import KEY
from iot_jitr_runtime.ledger_table import SWEEP_PREFIX
from iot_jitr_runtime.outcomes import Outcome
from iot_jitr_runtime.stack_outputs import Output
from tests.support.cloud import TIME_LIMIT, Cloud
from tests.support.fault_proxy import FaultProxy

_LAST = {str(each) for each in (Outcome.ACTIVATED, Outcome.STALE, Outcome.REFUSED, Outcome.DEAD_LETTERED)}
"""Outcomes after which a message does not come again."""


@dataclass
class Case:
    """The devices that meet one fault."""

    good: list[DeviceIdentity]
    bad: list[DeviceIdentity]
    """Revoked or expired: they must stay out."""
    visitor: DeviceIdentity
    """A good one that connects by itself; of the others, only the events come."""
    messages: list[str] = field(default_factory=list)
    visit: "Future[ConnectResult] | None" = None

    @property
    def admissible(self) -> list[str]:
        visitors = [self.visitor] if self.visit else []
        return [identity.certificate.fingerprint for identity in (*self.good, *visitors)]

    @property
    def inadmissible(self) -> list[str]:
        return [identity.certificate.fingerprint for identity in self.bad]


@dataclass
class Pipeline(Cloud):
    """One of two pipelines in the same cloud, with a proxy before its functions' API."""

    own_outputs: dict[str, str] = field(default_factory=dict)
    proxy: FaultProxy = field(init=False)

    @property
    def outputs(self) -> dict[str, str]:
        return self.own_outputs

    @contextmanager
    def behind_proxy(self) -> Iterator[None]:
        with FaultProxy(self.lab.ministack.url).running() as self.proxy:
            endpoints = {
                f"AWS_ENDPOINT_URL_{service}": self.proxy.url for service in ("IOT", "DYNAMODB", "S3")
            }
            self.configure_activator(**endpoints)
            yield

    def configure_activator(self, **variables: str) -> None:
        name, functions = self.outputs[Output.ACTIVATOR_FUNCTION], self.client("lambda")
        settings = self.activator_settings()
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": settings | variables}
        )

    def activator_settings(self) -> dict[str, str]:
        function = self.outputs[Output.ACTIVATOR_FUNCTION]
        settings = self.client("lambda").get_function_configuration(FunctionName=function)
        return dict(settings["Environment"]["Variables"])

    def case(self, name: str, validity: Validity | None = None) -> Case:
        """Two valid devices that only send events, one that connects, and one that is expired by default."""
        good = [self.ca.issue(DeviceSpec(f"{name}-{number}")) for number in range(2)]
        bad = self.ca.issue(DeviceSpec(f"{name}-bad", validity=validity or Validity.expired()))
        return Case(good, [bad], self.ca.issue(DeviceSpec(f"{name}-visitor")))

    def send_all(self, case: Case, *bodies: str) -> None:
        """The events of a case's devices, and other messages, as one batch."""
        events = [self.event(self.plant(identity)) for identity in (*case.good, *case.bad)]
        case.messages += self.send_batch([*events, *bodies])

    def send_batch(self, bodies: list[str]) -> list[str]:
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        answer = self.client("sqs").send_message_batch(
            QueueUrl=self.outputs[Output.ACTIVATION_QUEUE_URL], Entries=entries
        )
        return [sent["MessageId"] for sent in answer["Successful"]]

    def hide_messages_for(self, seconds: int) -> None:
        """Set how long a message in flight is hidden from other workers."""
        self.client("sqs").set_queue_attributes(
            QueueUrl=self.outputs[Output.ACTIVATION_QUEUE_URL],
            Attributes={"VisibilityTimeout": str(seconds)},
        )

    def peek_dead_letters(self) -> list[dict[str, Any]]:
        answer = self.client("sqs").receive_message(
            QueueUrl=self.outputs[Output.DEAD_LETTER_QUEUE_URL],
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=0,
        )
        return list(answer.get("Messages", []))

    def collect_logs(self, messages: set[str]) -> None:
        """Make the local cloud store the logs, until it has the last outcome of each of these messages.

        What a worker writes some milliseconds after its answer is stored with its next answer. Two calls at
        once reach both workers, unless one is answered before the other begins.
        """
        activator = self.outputs[Output.ACTIVATOR_FUNCTION]

        def stored() -> bool:
            with ThreadPoolExecutor() as pool:
                list(pool.map(self.invoke, [activator] * 2, [b'{"Records": []}'] * 2))
            return messages <= self.ended()

        wait_until(stored, limit=TIME_LIMIT, interval=0.2)

    def ended(self) -> set[str]:
        """The messages of which the activator has logged the last outcome."""
        return {each["correlation_id"] for each in self.decisions() if each["outcome"] in _LAST}

    def decisions(self) -> list[dict[str, Any]]:
        """Every decision that the activator has logged."""
        pages = self.client("logs").get_paginator("filter_log_events")
        found = []
        for page in pages.paginate(logGroupName=self.outputs[Output.ACTIVATOR_LOG_GROUP]):
            for event in page["events"]:
                lines = [line for line in event["message"].splitlines() if '"outcome"' in line]
                found += [json.loads(line[line.index("{") :]) for line in lines]
        return found

    def register_active(self, identity: DeviceIdentity) -> str:
        """Register and activate a certificate by hand."""
        answer = self.client("iot").register_certificate(
            certificatePem=identity.certificate.pem, caCertificatePem=identity.ca.pem, status="ACTIVE"
        )
        return str(answer["certificateId"])

    def rescan(self) -> None:
        """Sweep as a minute after the reconciler's request, when all rows are visible in the index."""
        sweep = self.function(environment.SWEEP_HANDLER)
        variables = sweep["Environment"]["Variables"]
        settle = timedelta(seconds=json.loads(variables[environment.SWEEP])["settle_seconds"])
        requested_at = int((datetime.now(UTC) - settle).timestamp() * 1000)
        self.client("dynamodb").update_item(
            TableName=self.outputs[Output.LEDGER_TABLE],
            Key={KEY: {"S": f"{SWEEP_PREFIX}{self.outputs['LabCaCertificateId']}"}},
            UpdateExpression="SET rescanRequestedAt = :then",
            ConditionExpression="attribute_exists(rescanRequestedAt)",
            ExpressionAttributeValues={":then": {"N": str(requested_at)}},
        )
        self.invoke(sweep["FunctionName"])

    def statuses(self, certificates: list[str]) -> set[str]:
        return {self.status(certificate) for certificate in certificates}
