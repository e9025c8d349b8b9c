"""An AWS account in this process (moto), with one registered CA and an activator for it."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iot.models import iot_backends

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.activate import Activation, Decision
from iot_jitr_runtime.activator.batch import Batch
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.activator.validate import Validation
from iot_jitr_runtime.admission.keys import TABLE_KEY
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import KEY, SERIAL_INDEX, SERIAL_INDEX_KEY, Ledger, Row
from iot_jitr_runtime.ledger.outbox import Outbox
from iot_jitr_runtime.ledger_table import (
    RELEASE_AT,
    SUSPENDED_INDEX,
    SUSPENDED_UNDER,
    TASK,
    TASK_DUE_AT,
    TASK_INDEX,
)
from iot_jitr_runtime.outcome_events import OWED_INDEX, OWED_SHARD, OWED_SINCE
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.policy.attachment import SharedPolicy
from iot_jitr_runtime.rate_limiter import RateLimiter
from tests.support.aws_clients import REGION, aws_client
from tests.support.clock import Clock

POLICY = "device-policy"
FUNCTION_TIMEOUT = timedelta(seconds=30)
UNREADABLE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
"""What moto registers as a certificate, and is none."""
_HIDDEN = {"VisibilityTimeout": "43200"}
"""As long as SQS allows: moto hides a received message by real time, and no test may receive it twice."""
_NAMED = re.compile(r'"certificateId": "([0-9a-f]{64})"')
_TEMPLATE = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "iot:Connect",
            "Resource": "arn:aws:iot:*:*:client/${iot:Certificate.Subject.CommonName}",
        }
    ],
}

_INDEXES = {
    SERIAL_INDEX: [(SERIAL_INDEX_KEY, "S")],
    TASK_INDEX: [(TASK, "S"), (TASK_DUE_AT, "N")],
    OWED_INDEX: [(OWED_SHARD, "S"), (OWED_SINCE, "N")],
    SUSPENDED_INDEX: [(SUSPENDED_UNDER, "S"), (RELEASE_AT, "N")],
}
"""The ledger's indexes: partition key and sort key, with their types."""


def make_ledger_table(dynamodb: Any) -> str:
    """Create a ledger table as the stack does and return its name."""
    name = f"ledger-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in {
                KEY: "S",
                **dict(pair for index in _INDEXES.values() for pair in index),
            }.items()
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": [
                    {"AttributeName": attribute, "KeyType": role}
                    for (attribute, _), role in zip(keys, ("HASH", "RANGE"), strict=False)
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for name, keys in _INDEXES.items()
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def make_allow_list(dynamodb: Any, name: str) -> None:
    """Create the table of an allow list as the stack does."""
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": TABLE_KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": TABLE_KEY, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def new_queue(sqs: Any, name: str) -> str:
    """Create a queue and return its URL."""
    return str(sqs.create_queue(QueueName=name, Attributes=_HIDDEN)["QueueUrl"])


@dataclass
class Admission:
    """An admission that raises its error if one is set, and admits the device otherwise."""

    error: Exception | None

    def admit(self, _device: object) -> dict[str, str]:
        if self.error:
            raise self.error
        return {}


REFUSE_ALL = Admission(RefusedError(Reason.NOT_LISTED))


@dataclass
class Account:
    """The activator in an account; `parts` replaces parts of it."""

    iot: Any
    dynamodb: Any
    sqs: Any
    ca: DevelopmentCa
    ca_id: CaCertificateId
    table: str
    queue_url: str
    dead_letter_queue_url: str
    activations_per_second: float = 1e6
    clock: Clock = field(default_factory=Clock)
    parts: dict[str, Any] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    hidden: list[dict[str, Any]] = field(default_factory=list)
    """The entries by which the last batch hid messages in the queue."""
    outbox: Outbox | None = None
    """Where outcome events go; off, as by default."""

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.dynamodb, self.table, self.outbox)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a function that activates certificates."""
        policy = {"kind": "shared", "name": POLICY, "needs_common_name": True}
        return {
            environment.LEDGER_TABLE: self.table,
            environment.ACTIVATION_QUEUE_URL: self.queue_url,
            environment.DEAD_LETTER_QUEUE_URL: self.dead_letter_queue_url,
            environment.CAS: json.dumps({self.ca_id: {"revocation": "none"}}),
            environment.DEVICE_POLICY: json.dumps(policy),
            environment.ACTIVATIONS_PER_SECOND: "1000",
        }

    def rate_limiter(self, per_second: float | None = None) -> RateLimiter:
        """The account's rate limiter; a wait for a slot moves the clock."""
        return RateLimiter(
            self.ledger.items,
            per_second or self.activations_per_second,
            clock=self.clock,
            sleep=lambda seconds: self.clock.pass_time(seconds=seconds),
        )

    def batch(self) -> Batch:
        """A fresh execution environment."""
        parts: dict[str, Any] = {
            "iot": self.iot,
            "ledger": self.ledger,
            "issuers": Issuers(self.iot, [self.ca_id]),
            "revocation": None,
            "admission": None,
            "needs_common_name": True,
            "ca_devices": (),
            "things": None,
            "policy": SharedPolicy(self.iot, POLICY),
            "clock": self.clock,
        } | self.parts
        validation = Validation(**{each.name: parts.pop(each.name) for each in fields(Validation)})
        return Batch(
            activation=Activation(validation=validation, **parts),
            rate_limiter=self.rate_limiter(),
            sqs=self.sqs,
            queue_url=self.queue_url,
            dead_letter_queue_url=self.dead_letter_queue_url,
        )

    def pending(self, certificate: Certificate | None = None, ca: Certificate | None = None) -> CertificateId:
        """Register a certificate as an auto-registering CA does (default: a valid one); return its id."""
        certificate = certificate or self.ca.issue(DeviceSpec(f"device-{uuid.uuid4().hex[:8]}")).certificate
        return self.register(certificate.pem, "PENDING_ACTIVATION", ca)

    def register(self, pem: str, status: str, ca: Certificate | None = None) -> CertificateId:
        response = self.iot.register_certificate(
            certificatePem=pem, caCertificatePem=(ca or self.ca.certificate).pem, status=status
        )
        return CertificateId(response["certificateId"])

    def register_ca(self, ca: DevelopmentCa) -> CaCertificateId:
        """Register a CA that is not of this deployment; return its id."""
        response = self.iot.register_ca_certificate(caCertificate=ca.certificate.pem, setAsActive=True)
        return CaCertificateId(response["certificateId"])

    def send(self, body: object, **attributes: Any) -> dict[str, Any]:
        """A record as the event source mapping delivers it; sent now by default."""
        text = body if isinstance(body, str) else json.dumps(body)
        return {
            "messageId": attributes.pop("message_id", str(uuid.uuid4())),
            "receiptHandle": self._receipt(text),
            "body": text,
            "attributes": {
                "SentTimestamp": str(attributes.pop("sent_at", self.clock.milliseconds)),
                "ApproximateReceiveCount": str(attributes.pop("receive_count", 1)),
            },
        }

    def event(self, certificate_id: str, **attributes: Any) -> dict[str, Any]:
        """The record of a registration event about a certificate."""
        body = {
            "certificateId": certificate_id,
            "caCertificateId": self.ca_id,
            "timestamp": self.clock.milliseconds,
            "certificateStatus": "PENDING_ACTIVATION",
            "awsAccountId": "123456789012",
            "certificateRegistrationTimestamp": None,
        }
        return self.send(body, **attributes)

    def process(self, *records: dict[str, Any], batch: Batch | None = None) -> list[str]:
        """Run one invocation; return the ids of the messages that go back to the queue.

        Each decision must be about the certificate that its message names.
        """
        self.decisions = []
        self.hidden.clear()
        response = (batch or self.batch()).process(
            records, stops_at=self.clock() + FUNCTION_TIMEOUT, on_decision=self.decisions.append
        )
        for decision in self.decisions:
            named = _NAMED.search(decision.message.body)
            assert decision.certificate_id == (named[1] if named else None)
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]

    def connect(self, certificate_id: str) -> Reason | None:
        """Process the event of a connect; return the reason, None if it is activated."""
        self.process(self.event(certificate_id))
        return self.reason

    @property
    def reasons(self) -> list[Reason | None]:
        """The reasons of the decisions of the last batch; None for an activation."""
        return [decision.verdict.reason for decision in self.decisions]

    @property
    def reason(self) -> Reason | None:
        """The reason of the one decision of the last batch; None for an activation."""
        [reason] = self.reasons
        return reason

    def row(self, certificate_id: str) -> Row:
        """The ledger's row of a certificate, which must be there."""
        row = self.ledger.row(CertificateId(certificate_id))
        assert row is not None
        return row

    def redelivered(self, record: dict[str, Any]) -> dict[str, Any]:
        """The same message, received once more."""
        count = int(record["attributes"]["ApproximateReceiveCount"]) + 1
        return record | {"attributes": record["attributes"] | {"ApproximateReceiveCount": str(count)}}

    def retry(self, record: dict[str, Any], **later: float) -> list[str]:
        """Process a message again when this time has passed."""
        self.clock.pass_time(**later)
        return self.process(self.redelivered(record))

    def status(self, certificate_id: str) -> str:
        response = self.iot.describe_certificate(certificateId=certificate_id)
        return str(response["certificateDescription"]["status"])

    def policies(self, certificate_id: str) -> list[str]:
        arn = self.iot.describe_certificate(certificateId=certificate_id)["certificateDescription"][
            "certificateArn"
        ]
        return [p["policyName"] for p in self.iot.list_attached_policies(target=arn)["policies"]]

    def queued(self) -> list[str]:
        """Receive the messages of the activation queue; return their bodies."""
        found: list[str] = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            found += [message["Body"] for message in messages]
        return found

    def dead_letters(self) -> list[dict[str, Any]]:
        response = self.sqs.receive_message(
            QueueUrl=self.dead_letter_queue_url, MessageAttributeNames=["All"], MaxNumberOfMessages=10
        )
        return list(response.get("Messages", []))

    def _receipt(self, body: str) -> str:
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body or " ")
        received = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=1)
        return str(received["Messages"][0]["ReceiptHandle"])


@contextmanager
def account(make_ca: Callable[[], DevelopmentCa] = DevelopmentCa.create) -> Iterator[Account]:
    """Open a fresh account."""
    with mock_aws():
        iot, dynamodb, sqs = (aws_client(name) for name in ("iot", "dynamodb", "sqs"))
        ca = make_ca()
        ca_id = iot.register_ca_certificate(caCertificate=ca.certificate.pem, setAsActive=True)[
            "certificateId"
        ]
        iot.create_policy(policyName=POLICY, policyDocument=json.dumps(_TEMPLATE))
        iot.meta.events.register("after-call.iot.DescribeCertificate", add_the_ca)
        opened = Account(
            iot=iot,
            dynamodb=dynamodb,
            sqs=sqs,
            ca=ca,
            ca_id=ca_id,
            table=make_ledger_table(dynamodb),
            queue_url=new_queue(sqs, "activation"),
            dead_letter_queue_url=new_queue(sqs, "dead-letters"),
        )
        sqs.meta.events.register(
            "provide-client-params.sqs.ChangeMessageVisibilityBatch",
            lambda params, **_: opened.hidden.extend(params["Entries"]),
        )
        yield opened


def add_the_ca(parsed: dict[str, Any], **_: Any) -> None:
    """Add what AWS IoT returns and moto leaves out of the response to DescribeCertificate."""
    if description := parsed.get("certificateDescription"):
        backend = iot_backends[DEFAULT_ACCOUNT_ID][REGION]
        certificate = backend.certificates[description["certificateId"]]
        description["caCertificateId"] = certificate.ca_certificate_id
