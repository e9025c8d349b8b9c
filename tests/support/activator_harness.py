"""The parts of a random interleaving of the activator: messages, workers, and other changes."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from itertools import count
from typing import Any

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.activator.activate import Decision
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import KEY
from iot_jitr_runtime.outcomes import Outcome
from tests.support.account import FUNCTION_TIMEOUT, Account, new_queue
from tests.support.clock import Clock
from tests.support.faults import Crash, meanwhile
from tests.support.interleaving import Conditions, InvariantChecker, Kind, RecordingLedger

KINDS = [Kind.SOUND, Kind.SOUND, Kind.SOUND, Kind.UNLISTED, Kind.EXPIRED, Kind.FORGED, Kind.FOREIGN]
"""The devices, by their number."""


class Change(StrEnum):
    """What changes while devices connect."""

    NOTHING = "nothing"
    EVENT = "an event comes, whether or not a connect has caused it"
    POISON = "a message comes that is no event"
    ON_THE_CRL = "the CA enters a certificate into its CRL"
    CRL_LOST = "the CRL is lost"
    CRL_FOUND = "the CRL is there again"
    ALL_LISTED = "an operator enters the unlisted device into the allow list"
    OPERATOR_DISABLES = "an operator makes a certificate INACTIVE"
    OPERATOR_REVOKES = "an operator makes a certificate REVOKED"


Call = tuple[tuple[str, str], int]
"""An operation, and which call of it."""
NOT_EVENTS = ["", "not JSON", "[]", '{"certificateId": null}', '{"certificateId": "../../policies"}']
NUMBERS = count()


class Harness:
    """An account with devices, their queue, and workers."""

    def __init__(self, aws: Account, impostor: DevelopmentCa, stranger: DevelopmentCa) -> None:
        self.aws = aws
        self.conditions = Conditions()
        self.checker = InvariantChecker(aws, self.conditions)
        self.queue: dict[str, dict[str, Any]] = {}
        self.sent = 0
        self.undecidable: set[str] = set()
        self.ended: dict[str, Outcome] = {}
        aws.clock = Clock()
        aws.parts = {"revocation": self.conditions, "admission": self.conditions}
        for key in self.checker.items():
            aws.dynamodb.delete_item(TableName=aws.table, Key={KEY: {"S": key}})
        # A new queue, because the former one may contain messages of an earlier example.
        aws.dead_letter_queue_url = new_queue(aws.sqs, f"dead-letters-{next(NUMBERS)}")
        issuers = {Kind.FORGED: impostor, Kind.FOREIGN: stranger}
        self.certificates = [self._register(kind, issuers.get(kind, aws.ca)) for kind in KINDS]

    def _register(self, kind: Kind, issuer: DevelopmentCa) -> CertificateId:
        validity = Validity.expired() if kind is Kind.EXPIRED else Validity.days(365)
        identity = issuer.issue(DeviceSpec(f"{kind}-device", validity=validity))
        registered_under = issuer if kind is Kind.FOREIGN else self.aws.ca
        certificate = self.aws.pending(identity.certificate, registered_under.certificate)
        self.conditions.ids[identity.certificate.fingerprint] = certificate
        self.conditions.kinds[certificate] = kind
        return certificate

    # messages

    def event(self, device: int) -> None:
        """Send an event of which only the certificate id is correct."""
        event = {"certificateId": self.certificates[device], "caCertificateId": "f" * 64, "timestamp": -1}
        self.send(json.dumps(event), undecidable=KINDS[device] is Kind.FOREIGN)

    def connect_all(self) -> None:
        """Every device connects; only a pending device causes an event."""
        for device, certificate in enumerate(self.certificates):
            if self.checker.status(certificate) == "PENDING_ACTIVATION":
                self.event(device)

    def send(self, body: str, *, undecidable: bool) -> None:
        self.sent += 1
        message = f"message-{self.sent:03}"
        if undecidable:
            self.undecidable.add(message)
        self.queue[message] = {
            "messageId": message,
            "receiptHandle": "not a real one",
            "body": body,
            "attributes": {
                "SentTimestamp": str(self.aws.clock.milliseconds),
                "ApproximateReceiveCount": "1",
            },
        }

    # deliveries

    def work(self, chosen: list[str]) -> None:
        """Let a fresh worker handle messages that are still in the queue."""
        self.work_on([self.queue[message] for message in chosen if message in self.queue])

    def work_on(self, records: list[dict[str, Any]]) -> None:
        decisions: list[Decision] = []
        worker = RecordingLedger(self.aws.dynamodb, self.aws.table)
        self.aws.parts["ledger"] = worker
        try:
            with self.checker.working(worker):
                response = self.aws.batch().process(
                    records, stops_at=self.aws.clock() + FUNCTION_TIMEOUT, on_decision=decisions.append
                )
        except Crash:
            # Lambda does not report a result: all messages return to the queue.
            back = {record["messageId"] for record in records}
        else:
            back = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
            self._check_outcomes(records, decisions, back)
        outcomes = {decision.message.message_id: decision.verdict.outcome for decision in decisions}
        for message in [record["messageId"] for record in records]:
            if message not in self.queue:
                continue  # acknowledged by another delivery of the same message
            if message in back:
                self.queue[message] = self.aws.redelivered(self.queue[message])
            else:
                del self.queue[message]
                self.ended[message] = outcomes[message]

    def _check_outcomes(self, records: list[Any], decisions: list[Decision], back: set[str]) -> None:
        """Invariant 3: one outcome for each message; exactly the deferred messages return to the queue."""
        if sorted(d.message.message_id for d in decisions) != sorted(r["messageId"] for r in records):
            self.checker.violations.append("3: not every message has one outcome")
        if {d.message.message_id for d in decisions if d.verdict.outcome is Outcome.DEFERRED} != back:
            self.checker.violations.append("3: those deferred are not those that come back")
        self.checker.violations += [f"3: {d.verdict.defect!r}" for d in decisions if d.verdict.defect]

    def at(self, call: Call, action: Callable[[], None]) -> AbstractContextManager[None]:
        """Do something else just before a call of the worker that begins now."""
        (service, operation), number = call
        return meanwhile(getattr(self.aws, service), operation, action, at_call=number)

    # other changes

    def change(self, change: Change, device: int) -> None:
        match change:
            case Change.EVENT:
                self.event(device)
            case Change.POISON:
                self.send(NOT_EVENTS[device % len(NOT_EVENTS)], undecidable=True)
            case Change.ON_THE_CRL:
                self.conditions.revoked.add(self.certificates[device])
            case Change.CRL_LOST:
                self.conditions.crl_available = False
            case Change.CRL_FOUND:
                self.conditions.crl_available = True
            case Change.ALL_LISTED:
                self.conditions.all_listed = True
            case Change.OPERATOR_DISABLES:
                self.set_status(device, "INACTIVE")
            case Change.OPERATOR_REVOKES:
                self.set_status(device, "REVOKED")

    def set_status(self, device: int, status: str) -> bool:
        certificate = self.certificates[device]
        if self.checker.status(certificate) == "REVOKED":
            return False
        self.checker.set_status(certificate, status)
        self.conditions.operators[certificate] = status
        return True

    def dead_letters(self) -> set[str]:
        found = set()
        while messages := self.aws.dead_letters():
            found |= {message["MessageAttributes"]["messageId"]["StringValue"] for message in messages}
        return found
