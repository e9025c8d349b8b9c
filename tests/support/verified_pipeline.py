"""A pipeline in this process (moto), with its real activator, as the target of `jitr verify`."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.config import default_user_config

from iot_jitr_cli.connect import Cause, Credentials, Endpoint, Step
from iot_jitr_cli.connect.causes import Failure
from iot_jitr_cli.deployment import DeployedCa, Deployment
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.verify.cleanup import Cleanup
from iot_jitr_cli.verify.device import AttemptResult, ThrowAwayDevice
from iot_jitr_cli.verify.pipeline import Pipeline
from iot_jitr_cli.verify.report import Report, StepResult
from iot_jitr_cli.verify.run import Verification
from iot_jitr_cli.verify.steps import STEPS, become_active, first_connect
from iot_jitr_runtime.stack_outputs import Output
from tests.support.account import Account, account
from tests.support.aws_clients import REGION
from tests.support.clock import Stopwatch

ALL = frozenset({Step.CONNECTED, Step.SUBSCRIBED, Step.PUBLISHED, Step.RECEIVED})


class Session:
    """The clients that `jitr verify` needs; those of other services, which the doctor calls, are denied."""

    region_name = REGION

    def __init__(self, aws: Account) -> None:
        self.clients: dict[str, Any] = {"iot": aws.iot, "dynamodb": aws.dynamodb, "sqs": aws.sqs}
        self.denied: set[str] = {"test_authorization"}
        """Operations, as boto3 names them, that are refused; moto does not have the first."""

    def client(self, service: str) -> Any:
        known = service in self.clients
        return _Client(self.clients.get(service), self.denied if known else None)


@dataclass(frozen=True)
class _Client:
    client: Any
    denied: set[str] | None

    def __getattr__(self, name: str) -> Any:
        if self.denied is None or name in self.denied:
            error = {"Error": {"Code": "AccessDeniedException", "Message": f"no {name}"}}
            raise ClientError(error, name)  # type: ignore[arg-type]
        return getattr(self.client, name)


class Harness:
    """The activator runs while `jitr verify` sleeps; `EmulatedDevice` gives the answers of the broker."""

    def __init__(self, aws: Account, **outputs: str) -> None:
        self.aws = aws
        self.watch = Stopwatch()
        self.activator_works = True
        self.may: set[tuple[str, str]] = set()
        """What the device policy allows too: a point and a client id or topic."""
        self.on_connect = self.on_sleep = self.on_work = lambda: None
        """Called before a connect, before the activator's work, and after each message that it ended."""
        self.opens: EmulatedSession | None = EmulatedSession(self)
        """The session that the device opens; None: it is not admitted."""
        self.waiting: list[tuple[float, dict[str, Any]]] = []
        self.deployment = Deployment(
            "stack",
            REGION,
            {
                "FactoryCaCertificateId": aws.ca_id,
                "FactoryCaCertificateArn": f"arn:aws:iot:{REGION}:123456789012:cacert/{aws.ca_id}",
                Output.ACTIVATION_QUEUE_URL: aws.queue_url,
                Output.DEAD_LETTER_QUEUE_URL: aws.dead_letter_queue_url,
                Output.LEDGER_TABLE: aws.table,
                Output.DEVICE_POLICY_NAME: "device-policy",
                **outputs,
            },
        )
        ca = DeployedCa("Factory", aws.ca_id, "rule")
        self.session: Any = Session(aws)
        self.pipeline = Pipeline(self.session, self.deployment, ca, 60.0, self.watch, self.sleep)
        self.device = EmulatedDevice(
            Credentials.of(aws.ca.issue(DeviceSpec("jitr-verify-1"))),
            Endpoint("broker"),
            "jitr-verify-1",
            "devices/{client_id}/hello",
            aws.ca,
            harness=self,
        )
        self.report = Report("stack", REGION, self.device.certificate_id, "jitr-verify-1", datetime.now(UTC))
        self.cleanup = Cleanup(self.pipeline, self.device, self.report.left_behind)
        self.verification = Verification(self.pipeline, self.device, self.cleanup, self.report)

    def run(self, *ids: str) -> dict[str, StepResult]:
        """Run the steps, all or those that are named, and the clean-up."""
        self.verification.run([step for step in STEPS if not ids or step.id in ids])
        return {result.id: result for result in self.report.steps}

    def activate(self) -> None:
        """Run the steps until the device's certificate is ACTIVE."""
        first_connect(self.verification)
        become_active(self.verification)

    def set_status(self, status: str) -> None:
        """Change the status of the device's certificate, as the sweep and operators do."""
        self.aws.iot.update_certificate(certificateId=self.device.certificate_id, newStatus=status)

    def sleep(self, seconds: float) -> None:
        self.watch.sleep(seconds)
        self.aws.clock.pass_time(seconds=seconds)
        self.on_sleep()
        if self.activator_works:
            self.work()

    def work(self) -> None:
        """One invocation of the activator for each message that is due."""
        received = self.aws.sqs.receive_message(QueueUrl=self.aws.queue_url, MaxNumberOfMessages=10)
        for message in received.get("Messages", []):
            record = {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": {
                    "SentTimestamp": str(self.aws.clock.milliseconds),
                    "ApproximateReceiveCount": "1",
                },
            }
            self.waiting.append((0.0, record))
        due = [record for at, record in self.waiting if at <= self.watch.now]
        self.waiting = [(at, record) for at, record in self.waiting if at > self.watch.now]
        for record in due:
            if self.aws.process(record):
                again = self.watch.now + self.aws.decisions[0].retry_in
                self.waiting.append((again, self.aws.redelivered(record)))
            self.on_work()


class EmulatedSession:
    """A session that ends when the certificate is not ACTIVE any more, unless it `stays`."""

    def __init__(self, harness: Harness) -> None:
        self.harness, self.stays, self.closed = harness, False, False

    def is_closed(self) -> bool:
        return not self.stays and self.harness.verification.status() != "ACTIVE"

    def close(self) -> None:
        self.closed = True


@dataclass
class EmulatedDevice(ThrowAwayDevice):
    """A device and its broker, which registers a new certificate and admits an ACTIVE one."""

    harness: Harness = field(kw_only=True)
    answers: list[AttemptResult | None] = field(default_factory=list)
    """What the broker answers first; None: as it should."""

    def stay_connected(self) -> Any:
        """A session while the certificate is ACTIVE, and also later if the sweep closes no sessions."""
        return self.harness.opens

    def try_once(
        self, *, client_id: str | None = None, subscribe: str | None = None, publish: str | None = None
    ) -> AttemptResult:
        self.harness.on_connect()
        if self.answers and (answer := self.answers.pop(0)) is not None:
            return answer
        aws, status = self.harness.aws, self.harness.pipeline.status(self.certificate_id)
        if status is None:
            aws.register(self.certificate.pem, "PENDING_ACTIVATION")
        if status in {None, "PENDING_ACTIVATION"}:
            self.harness.pipeline.send_event(self.certificate_id)
        admitted = client_id is None or (Step.CONNECTED, "client id") in self.harness.may
        if status != "ACTIVE" or not admitted:
            return AttemptResult(frozenset(), Failure(Cause.CLOSED_WITHOUT_CONNACK))
        if subscribe and (Step.SUBSCRIBED, "topic") not in self.harness.may:
            return AttemptResult(frozenset({Step.CONNECTED}), Failure(Cause.SUBSCRIBE_REFUSED))
        if publish and (Step.PUBLISHED, "topic") not in self.harness.may:
            return AttemptResult(
                frozenset({Step.CONNECTED, Step.SUBSCRIBED}), Failure(Cause.CLOSED_AFTER_CONNACK)
            )
        return AttemptResult(ALL, None)


def refused(cause: str | None) -> AttemptResult:
    """A connect that ends with this cause; one that is accepted with None."""
    return AttemptResult(frozenset(), Failure(Cause(cause))) if cause else AttemptResult(ALL, None)


@contextmanager
def account_with_real_ids() -> Iterator[Account]:
    """An account that gives certificates the ids that AWS IoT does, which moto does with a setting."""
    with account() as aws, pytest.MonkeyPatch.context() as patch:
        patch.setitem(default_user_config, "iot", {"use_valid_cert": True})
        yield aws


def certificates(aws: Account) -> list[str]:
    """Ids of the certificates that the account has."""
    return [each["certificateId"] for each in aws.iot.list_certificates()["certificates"]]


def ledger_keys(aws: Account) -> list[str]:
    """Keys of the rows of the ledger, the counters and the rate limiter left out."""
    items = aws.dynamodb.scan(TableName=aws.table)["Items"]
    return [key for item in items if not (key := item["certificateId"]["S"]).startswith("#")]


def counted(aws: Account) -> int:
    """How many devices the ledger counts as in service."""
    items = aws.dynamodb.scan(TableName=aws.table)["Items"]
    return sum(int(item["devices"]["N"]) for item in items if "devices" in item)
