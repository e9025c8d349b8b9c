"""The real stack in a local cloud, with the operations of the end-to-end tests."""

import hashlib
import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from iot_jitr_cli.connect import (
    Backoff,
    ConnectResult,
    Credentials,
    Device,
    Ending,
    Endpoint,
    Step,
    TimelineEvent,
    connect,
)
from iot_jitr_cli.deployment import DeployedCa, Deployment
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.lab.ministack import REGION
from iot_jitr_cli.lab.project import default_configuration
from iot_jitr_cli.lab.requests import ApiCall, read_calls
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceFiles, DeviceIdentity, DeviceSpec
from iot_jitr_cli.verify.pipeline import Pipeline
from iot_jitr_cli.waiting import wait_until
from iot_jitr_runtime import environment
from iot_jitr_runtime.admission.keys import TABLE_KEY
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.ledger.rows import VALID_UNTIL, Row
from iot_jitr_runtime.ledger_table import KEY
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.stack_outputs import Output

TIME_LIMIT = 120.0
"""Seconds after which a state that is waited for is not reached: it takes two on an idle machine."""


@dataclass
class Cloud:
    """A lab with the stack deployed, its CA, and a folder for devices."""

    lab: Lab
    ca: DevelopmentCa
    folder: Path
    files: dict[str, DeviceFiles] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A client with root rights, made once."""
        return self.lab.client(service)

    @property
    def outputs(self) -> dict[str, str]:
        """The stack's outputs."""
        assert self.lab.deployed is not None
        return dict(self.lab.deployed.outputs)

    # devices

    def credentials(self, identity: DeviceIdentity) -> Credentials:
        """The identity as a device loads it: from its chain file and its key file."""
        name = identity.certificate.fingerprint
        if name not in self.files:
            self.files[name] = identity.save(self.folder, name)
        return Credentials.load(self.files[name].chain, self.files[name].key)

    def connect(
        self, identity: DeviceIdentity, limit: float = TIME_LIMIT, endpoint: Endpoint | None = None
    ) -> ConnectResult:
        """Let the device connect, and connect again, until it has published."""
        device = self._device(identity)
        return connect(replace(device, timeout=limit, endpoint=endpoint or device.endpoint))

    def connect_refused(self, identity: DeviceIdentity) -> None:
        """Let the device connect once, and stop after it was refused; fails if it is admitted.

        The first connect of a device registers it.
        """
        stop = threading.Event()

        def call_off(event: TimelineEvent) -> None:
            if event.step is Step.REFUSED:
                stop.set()

        result = connect(self._device(identity), call_off, stop)
        assert any(event.step is Step.REFUSED for event in result.events), result
        assert result.ending is not Ending.PUBLISHED, result

    def connect_and_probe(self, identity: DeviceIdentity) -> ConnectResult:
        """Let the device connect once, then test whether its certificate or its CONNECT is refused."""
        device = self._device(identity)
        # No second attempt begins within the time-out.
        return connect(replace(device, backoff=Backoff(2 * TIME_LIMIT, 2 * TIME_LIMIT)))

    def _device(self, identity: DeviceIdentity) -> Device:
        return Device(
            self.credentials(identity),
            self.lab.broker(),
            identity.certificate.common_names[0],
            timeout=TIME_LIMIT,
            backoff=Backoff(longest=2.0),
        )

    def admit_device(self, common_name: str) -> DeviceIdentity:
        """Make a device and wait until it has published."""
        identity = self.ca.issue(DeviceSpec(common_name))
        result = self.connect(identity)
        assert result.ending == "published", result
        return identity

    # AWS IoT

    def _described(self, certificate_id: str) -> Any:
        described = self.client("iot").describe_certificate(certificateId=certificate_id)
        return described["certificateDescription"]

    def status(self, certificate_id: str) -> str:
        """The certificate's status in AWS IoT."""
        return str(self._described(certificate_id)["status"])

    def wait_for_status(self, certificate_id: str, status: str) -> None:
        """Wait until the certificate has this status."""
        reached = wait_until(lambda: self.status(certificate_id) == status, limit=TIME_LIMIT, interval=0.1)
        assert reached, self.status(certificate_id)

    def arn(self, certificate_id: str) -> str:
        """The certificate's ARN."""
        return str(self._described(certificate_id)["certificateArn"])

    def registered_at(self, certificate_id: str) -> datetime:
        """When AWS IoT registered the certificate, in whole seconds."""
        return datetime.fromtimestamp(self._described(certificate_id)["creationDate"].timestamp(), UTC)

    def is_registered(self, certificate_id: str) -> bool:
        """Whether AWS IoT has the certificate."""
        return self.pipeline.status(CertificateId(certificate_id)) is not None

    def policies_of(self, certificate_id: str) -> list[str]:
        """Names of the policies attached to the certificate."""
        attached = self.client("iot").list_attached_policies(target=self.arn(certificate_id))["policies"]
        return [policy["policyName"] for policy in attached]

    def plant(self, identity: DeviceIdentity) -> str:
        """Register a certificate as pending without the broker, which refuses some certificates."""
        return self.plant_certificate(identity.certificate, identity.ca)

    def plant_certificate(self, certificate: Certificate, ca: Certificate) -> str:
        """The same for a certificate whose key no device has."""
        iot = self.client("iot")
        certificate_id = iot.register_certificate(
            certificatePem=certificate.pem, caCertificatePem=ca.pem, status="INACTIVE"
        )["certificateId"]
        iot.update_certificate(certificateId=certificate_id, newStatus="PENDING_ACTIVATION")
        return str(certificate_id)

    # the pipeline

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline, with the CA of `default_configuration` if that is deployed."""
        deployment = Deployment("iot-jitr", REGION, self.outputs)
        ca = DeployedCa("Lab", CaCertificateId(self.outputs.get("LabCaCertificateId", "")), rule="")
        return Pipeline(self.lab.ministack.session, deployment, ca, TIME_LIMIT, interval=0.05)

    def send_event(self, certificate_id: str) -> None:
        """Put a registration event into the activation queue, as the rule does.

        Clients cannot publish to the rule's own topic, in the local cloud as on AWS.
        """
        self.pipeline.send_event(certificate_id)

    def event(self, certificate_id: str, clock: timedelta = timedelta(0)) -> str:
        """The registration event of a pending certificate, sent now by a clock that is wrong by `clock`."""
        return json.dumps(
            {
                "certificateId": certificate_id,
                "caCertificateId": self.outputs["LabCaCertificateId"],
                "timestamp": int((datetime.now(UTC) + clock).timestamp() * 1000),
                "certificateStatus": "PENDING_ACTIVATION",
                "awsAccountId": "000000000000",
                "certificateRegistrationTimestamp": None,
            }
        )

    def send(self, body: str) -> None:
        """Put any message into the activation queue."""
        self.client("sqs").send_message(QueueUrl=self.outputs[Output.ACTIVATION_QUEUE_URL], MessageBody=body)

    def list_device(self, key: str) -> None:
        """Put a device on the allow list."""
        table = self.outputs[Output.ALLOW_LIST_TABLE]
        self.client("dynamodb").put_item(TableName=table, Item={TABLE_KEY: {"S": key}})

    @property
    def ledger(self) -> Ledger:
        """The ledger, as the functions use it."""
        return Ledger(self.client("dynamodb"), self.outputs[Output.LEDGER_TABLE])

    def row(self, certificate_id: str) -> Row | None:
        """The ledger's row of a certificate."""
        return self.pipeline.row(CertificateId(certificate_id))

    def end_decision_ttl(self, certificate_id: str, after: int) -> None:
        """Apply the ledger's decision to events sent up to `after` seconds from now, and to no later ones."""
        at = int((datetime.now(UTC).timestamp() + after) * 1000)
        self.client("dynamodb").update_item(
            TableName=self.outputs[Output.LEDGER_TABLE],
            Key={KEY: {"S": certificate_id}},
            UpdateExpression=f"SET {VALID_UNTIL} = :at",
            ExpressionAttributeValues={":at": {"N": str(at)}},
        )

    def wait_for_state(self, certificate_id: str, state: str) -> Row:
        """Wait until the ledger's row has this state."""
        return self._wait_for_row(certificate_id, lambda row: row.state == state)

    def wait_for_reason(self, certificate_id: str, reason: Reason) -> Row:
        """Wait until the ledger's row has this reason."""
        return self._wait_for_row(certificate_id, lambda row: row.reason is reason)

    def _wait_for_row(self, certificate_id: str, wanted: Callable[[Row], bool]) -> Row:
        row = self.pipeline.wait_for_row(CertificateId(certificate_id), wanted)
        assert row is not None, self.row(certificate_id)
        return row

    def wait_until_drained(self) -> None:
        """Wait until every message of the activation queue is decided."""
        assert wait_until(
            lambda: self.waiting(Output.ACTIVATION_QUEUE_URL) == 0, limit=TIME_LIMIT, interval=0.1
        )

    def waiting(self, queue: Output) -> int:
        """How many messages are in a queue, including those in flight."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        attributes = self.client("sqs").get_queue_attributes(
            QueueUrl=self.outputs[queue], AttributeNames=names
        )
        return sum(int(value) for value in attributes["Attributes"].values())

    def dead_letters(self) -> list[dict[str, Any]]:
        """Receive and delete all messages of the dead-letter queue."""
        sqs, url = self.client("sqs"), self.outputs[Output.DEAD_LETTER_QUEUE_URL]
        messages = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], WaitTimeSeconds=0
        ).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return list(messages)

    # the functions

    def function(self, handler: str) -> Any:
        """The configuration of this pipeline's function with that handler."""
        [found] = [
            function
            for page in self.client("lambda").get_paginator("list_functions").paginate()
            for function in page["Functions"]
            if function["Handler"] == handler
            and function["Environment"]["Variables"][environment.LEDGER_TABLE]
            == self.outputs[Output.LEDGER_TABLE]
        ]
        return found

    def invoke(self, function: str, payload: bytes = b"{}") -> None:
        """Invoke a function, and fail if it fails."""
        answer = self.client("lambda").invoke(FunctionName=function, Payload=payload, LogType="Tail")
        assert "FunctionError" not in answer, b64decode(answer["LogResult"]).decode()

    def reconcile(self) -> None:
        """Invoke the reconciler, as its schedule does every hour."""
        self.invoke(self.function(environment.RECONCILER_HANDLER)["FunctionName"])

    def logged(self, group: Output, text: str) -> int:
        """How many events of a log group hold `text`."""
        found = self.client("logs").filter_log_events(
            logGroupName=self.outputs[group], filterPattern=f'"{text}"'
        )
        return len(found["events"])

    def wait_for_log(self, group: Output, text: str, beside: int = 0) -> None:
        """Wait until a log group holds `text` in more events than those `beside`."""
        assert wait_until(lambda: self.logged(group, text) > beside, limit=TIME_LIMIT, interval=0.2), text

    def calls_of_activator(self) -> list[ApiCall]:
        """Every AWS API call that the activator made so far."""
        name = self.outputs[Output.ACTIVATOR_FUNCTION]
        key = _access_key(self.client("lambda").get_function(FunctionName=name)["Configuration"])
        return [call for call in read_calls(self.lab.files.requests) if call.key == key]

    def iot_calls_of_activator(self) -> list[str]:
        """Those to AWS IoT, by method and first part of the path, by which they differ."""
        operations = [call.operation for call in self.calls_of_activator() if call.service == "iot"]
        return ["/".join(operation.split("/")[:2]) for operation in operations]

    def calls_by_handler(self) -> dict[str, set[tuple[str, str]]]:
        """Service and operation of each AWS API call that the functions made so far, by their handlers."""
        handlers: dict[str, str] = {}
        for page in self.client("lambda").get_paginator("list_functions").paginate():
            handlers |= {_access_key(function): function["Handler"] for function in page["Functions"]}
        found: dict[str, set[tuple[str, str]]] = {}
        for call in read_calls(self.lab.files.requests):
            if call.key in handlers:
                found.setdefault(handlers[call.key], set()).add((call.service, call.operation))
        return found


def _access_key(function: Any) -> str:
    """The key that the local cloud gives a function's role: derived from the two ARNs.

    If a later version derives it in another way, no call is found, and the tests that expect calls of an
    activation fail.
    """
    digest = hashlib.sha256(f"{function['FunctionArn']}:{function['Role']}".encode()).hexdigest()
    return f"ASIA{digest[:16].upper()}"


@contextmanager
def deployed_cloud(
    folder: Path, pipeline_settings: dict[str, Any] | None = None, **ca_settings: Any
) -> Iterator[Cloud]:
    """A local cloud with the stack deployed.

    `pipeline_settings` go into its configuration, `ca_settings` into that of its one CA.
    """
    ca = DevelopmentCa.create("end-to-end CA")
    certificate_file, _ = ca.save(folder / "ca")
    with Lab.start(folder / "lab") as lab:
        lab.put_ca_key(ca)
        lab.deploy({**default_configuration(certificate_file, ca_settings), **(pipeline_settings or {})})
        yield Cloud(lab, ca, folder / "devices")
