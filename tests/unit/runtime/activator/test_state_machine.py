"""Random interleavings of connects, deliveries, redeliveries, crashes, revocations and operator actions.

After each step the invariants 1 to 8 of `docs/architecture.md` are checked against the account, and at each
call in between (`tests/support/interleaving.py`). Faults and crashes strike at any call, and at any call
another worker may come in between.

What hypothesis draws from must look the same when it replays an example: messages are numbered, devices are
known by their number, and no example sees what another one has left behind.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from iot_jitr_cli.pki.authority import DEFAULT_NAME, DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.activator.activation import Decision
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import KEY, SERIAL_INDEX_KEY
from iot_jitr_runtime.outcomes import Outcome
from tests.support.account import FUNCTION_TIMEOUT, POLICY, Account, account
from tests.support.clock import Clock
from tests.support.faults import Crash, Fault, injected
from tests.support.interleaving import REVOKED_IN_BETWEEN, Kind, Watch, WatchedLedger, World

EXAMPLES = 15
STEPS = 12
KINDS = [Kind.SOUND, Kind.SOUND, Kind.SOUND, Kind.UNLISTED, Kind.EXPIRED, Kind.FORGED, Kind.FOREIGN]
DEVICE = st.sampled_from([0, 0, 1, 1, 2, 2, 3, 4, 5, 6])
CALL = st.tuples(
    st.sampled_from(
        [
            ("iot", "AttachPolicy"),
            ("iot", "UpdateCertificate"),
            ("dynamodb", "UpdateItem"),
            ("iot", "DescribeCertificate"),
            ("dynamodb", "TransactWriteItems"),
            ("dynamodb", "BatchGetItem"),
            ("sqs", "ChangeMessageVisibilityBatch"),
            ("sqs", "SendMessage"),
        ]
    ),
    st.sampled_from([1, 1, 1, 2, 3]),
)


class Delivery(StrEnum):
    """How messages are delivered, and what happens meanwhile."""

    SAME_MESSAGES_MEANWHILE = "another worker comes in between, with the same messages"
    FAULT = "some call fails, or the function dies at it"
    REVOKED_MEANWHILE = "an operator revokes a certificate"
    OTHER_MESSAGES_MEANWHILE = "another worker comes in between, with other messages"
    PLAIN = "nothing happens"
    TWICE = "once more than needed"


class Change(StrEnum):
    """What changes while devices come in."""

    NOTHING = "nothing"
    EVENT = "an event comes, whether or not a connect has caused it"
    POISON = "a message comes that is no event"
    ON_THE_CRL = "the CA enters a certificate into its CRL"
    CRL_LOST = "the CRL is lost"
    CRL_FOUND = "the CRL is there again"
    ALL_LISTED = "somebody enters the unlisted device into the allow list"
    OPERATOR_DISABLES = "an operator makes a certificate INACTIVE"
    OPERATOR_REVOKES = "an operator makes a certificate REVOKED"


Call = tuple[tuple[str, str], int]
"""An operation, and which call of it."""
NOT_EVENTS = ["", "not JSON", "[]", '{"certificateId": null}', '{"certificateId": "../../policies"}']
NUMBERS = count()


class Activator(RuleBasedStateMachine):
    """Drives the activator as queue, devices, CA, operators and strangers do, in any order."""

    def __init__(self, aws: Account, impostor: DevelopmentCa, stranger: DevelopmentCa) -> None:
        super().__init__()
        self.aws = aws
        self.world = World()
        self.watch = Watch(aws, self.world)
        self.queue: dict[str, dict[str, Any]] = {}
        self.sent = 0
        self.hopeless: set[str] = set()
        self.ended: dict[str, Outcome] = {}
        aws.clock = Clock()
        aws.parts = {"revocation": self.world, "admission": self.world}
        for key in self.watch.items():
            aws.dynamodb.delete_item(TableName=aws.table, Key={KEY: {"S": key}})
        # A new one, for moto hides messages by real time, which must not decide what an example finds.
        aws.dead_letter_queue_url = aws.sqs.create_queue(QueueName=f"dead-letters-{next(NUMBERS)}")[
            "QueueUrl"
        ]
        issuers = {Kind.FORGED: impostor, Kind.FOREIGN: stranger}
        self.certificates = [self._register(kind, issuers.get(kind, aws.ca)) for kind in KINDS]
        self.stack = ExitStack()
        self.stack.enter_context(self.watch.attached())

    def _register(self, kind: Kind, issuer: DevelopmentCa) -> CertificateId:
        validity = Validity.expired() if kind is Kind.EXPIRED else Validity.days(365)
        identity = issuer.issue(DeviceSpec(f"{kind}-device", validity=validity))
        registered_under = issuer if kind is Kind.FOREIGN else self.aws.ca
        certificate = self.aws.pending(identity.certificate, registered_under.certificate)
        self.world.ids[identity.certificate.fingerprint] = certificate
        self.world.kinds[certificate] = kind
        return certificate

    @initialize(rate=st.sampled_from([1000, 2]))
    def power_comes_back(self, rate: int) -> None:
        """Everybody connects. At a low rate most wait for their turn, at a high one workers meet."""
        self.aws.activations_per_second = rate
        self._connect_all()

    @rule(
        seconds=st.sampled_from([0, 1, 6, 40, 1000]),
        change=st.sampled_from([*Change, Change.EVENT, Change.EVENT, Change.NOTHING]),
        device=DEVICE,
        how=st.sampled_from(list(Delivery)),
        data=st.data(),
    )
    def step(self, seconds: int, change: Change, device: int, how: Delivery, data: st.DataObject) -> None:
        """Time passes, something changes, and some messages are delivered: one rule, so that none is rare."""
        self.aws.clock.pass_time(seconds=seconds)
        self._change(change, device)
        if not self.queue:
            self._connect_all()
        if self.queue:
            self._deliver(how, data)

    # messages

    def _event(self, device: int) -> None:
        """Send an event, which says nothing true but who it is about."""
        event = {"certificateId": self.certificates[device], "caCertificateId": "f" * 64, "timestamp": -1}
        self._send(json.dumps(event), hopeless=KINDS[device] is Kind.FOREIGN)

    def _connect_all(self) -> None:
        """Every device connects; only of those that are pending this causes an event."""
        for device, certificate in enumerate(self.certificates):
            if self.watch.status(certificate) == "PENDING_ACTIVATION":
                self._event(device)

    def _send(self, body: str, *, hopeless: bool) -> None:
        self.sent += 1
        message = f"message-{self.sent:03}"
        if hopeless:
            self.hopeless.add(message)
        self.queue[message] = {
            "messageId": message,
            "receiptHandle": "of a queue that is not asked",
            "body": body,
            "attributes": {
                "SentTimestamp": str(self.aws.clock.milliseconds),
                "ApproximateReceiveCount": "1",
            },
        }

    # deliveries

    def _deliver(self, how: Delivery, data: st.DataObject) -> None:
        """SQS delivers some messages, in any order, and something may happen meanwhile."""
        chosen = self._draw(data)
        match how:
            case Delivery.PLAIN:
                self._work(chosen)
            case Delivery.TWICE:
                records = [self.queue[message] for message in chosen]
                self._work(chosen)
                self._work_on(records)
            case Delivery.FAULT:
                (service, operation), number = data.draw(CALL)
                fault = data.draw(st.sampled_from(list(Fault)))
                with injected(getattr(self.aws, service), operation, fault, at_call=number):
                    self._work(chosen)
            case Delivery.SAME_MESSAGES_MEANWHILE:
                self._two_workers(chosen, chosen, data)
            case Delivery.OTHER_MESSAGES_MEANWHILE:
                self._two_workers(chosen, self._draw(data), data)
            case Delivery.REVOKED_MEANWHILE:
                self._revoked_in_between(chosen, data)

    def _draw(self, data: st.DataObject) -> list[str]:
        return data.draw(st.lists(st.sampled_from(list(self.queue)), unique=True, min_size=1, max_size=3))

    def _two_workers(self, first: list[str], second: list[str], data: st.DataObject) -> None:
        """A worker stands still at some call, another comes in between; the first goes on, or is stopped."""
        call, seconds, stopped = (
            data.draw(CALL),
            data.draw(st.sampled_from([0, 20])),
            data.draw(st.booleans()),
        )

        def meanwhile() -> None:
            self._work(second)
            self.aws.clock.pass_time(seconds=seconds)
            if stopped:
                raise Crash

        with self._at(call, meanwhile):
            self._work(first)

    def _revoked_in_between(self, chosen: list[str], data: st.DataObject) -> None:
        """An operator revokes while a worker is at it. AWS IoT never lets REVOKED be left again."""
        call, device = data.draw(CALL), data.draw(DEVICE)

        def meanwhile() -> None:
            if self._set_status(device, "REVOKED"):
                self.world.operators[self.certificates[device]] = REVOKED_IN_BETWEEN

        with self._at(call, meanwhile):
            self._work(chosen)
        for certificate, status in self.world.operators.items():
            self.world.operators[certificate] = "REVOKED" if status == REVOKED_IN_BETWEEN else status

    @contextmanager
    def _at(self, call: Call, action: Callable[[], None]) -> Iterator[None]:
        """Do something else just before some call of the worker that begins now."""
        (service, operation), number = call
        events = getattr(self.aws, service).meta.events
        name = f"before-send.{service}.*"
        calls = 0

        def strike(event_name: str, **_: object) -> None:
            nonlocal calls
            if not event_name.endswith(f".{operation}"):
                return
            calls += 1
            if calls == number:
                calls += 1  # what happens now makes such calls too
                action()

        events.register_first(name, strike)
        try:
            yield
        finally:
            events.unregister(name, strike)

    def _work(self, chosen: list[str]) -> None:
        """Let a fresh worker handle messages that are still in the queue."""
        self._work_on([self.queue[message] for message in chosen if message in self.queue])

    def _work_on(self, records: list[dict[str, Any]]) -> None:
        decisions: list[Decision] = []
        worker = WatchedLedger(self.aws.dynamodb, self.aws.table)
        self.aws.parts["ledger"] = worker
        try:
            with self.watch.working(worker):
                response = self.aws.batch().process(
                    records, stopped_by=self.aws.clock() + FUNCTION_TIMEOUT, on_decision=decisions.append
                )
        except Crash:
            # The queue knows nothing of the outcome: all messages come back.
            back = {record["messageId"] for record in records}
        else:
            back = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
            self._check_outcomes(records, decisions, back)
        outcomes = {decision.message_id: decision.verdict.outcome for decision in decisions}
        for message in [record["messageId"] for record in records]:
            if message not in self.queue:
                continue  # acknowledged by another delivery of the same message
            if message in back:
                self.queue[message] = self.aws.redelivered(self.queue[message])
            else:
                del self.queue[message]
                self.ended[message] = outcomes[message]

    def _check_outcomes(self, records: list[Any], decisions: list[Decision], back: set[str]) -> None:
        """Invariant 3: one outcome for each message; those deferred come back, and only those."""
        if sorted(d.message_id for d in decisions) != sorted(r["messageId"] for r in records):
            self.watch.violations.append("3: not every message has one outcome")
        if {d.message_id for d in decisions if d.verdict.outcome is Outcome.DEFERRED} != back:
            self.watch.violations.append("3: those deferred are not those that come back")
        self.watch.violations += [f"3: {d.defect!r}" for d in decisions if d.defect is not None]

    # what else happens

    def _change(self, change: Change, device: int) -> None:
        match change:
            case Change.EVENT:
                self._event(device)
            case Change.POISON:
                self._send(NOT_EVENTS[device % len(NOT_EVENTS)], hopeless=True)
            case Change.ON_THE_CRL:
                self.world.revoked.add(self.certificates[device])
            case Change.CRL_LOST:
                self.world.crl_available = False
            case Change.CRL_FOUND:
                self.world.crl_available = True
            case Change.ALL_LISTED:
                self.world.all_listed = True
            case Change.OPERATOR_DISABLES:
                self._set_status(device, "INACTIVE")
            case Change.OPERATOR_REVOKES:
                self._set_status(device, "REVOKED")

    def _set_status(self, device: int, status: str) -> bool:
        certificate = self.certificates[device]
        if self.watch.status(certificate) == "REVOKED":
            return False
        self.watch.set_status(certificate, status)
        self.world.operators[certificate] = status
        return True

    # what holds after each step

    @invariant()
    def nothing_was_violated_meanwhile(self) -> None:
        """Invariants 1, 2, 3, 5, 6 and 8, as they were looked at during the calls."""
        assert self.watch.violations == []

    @invariant()
    def what_an_operator_decided_stays(self) -> None:
        """Invariant 2: an event changes no certificate that is not pending."""
        for certificate, status in self.world.operators.items():
            assert self.watch.status(certificate) == status

    @invariant()
    def who_is_in_has_the_policy_and_can_be_found_by_serial(self) -> None:
        """Invariants 1 and 6, at rest."""
        items = self.watch.items()
        for certificate in self.certificates:
            if self.watch.status(certificate) == "ACTIVE":
                assert self.watch.policies(certificate) == [POLICY]
                serial = items[certificate]["serialNumber"]["S"]
                assert items[certificate][SERIAL_INDEX_KEY]["S"] == f"{self.aws.ca_id}#{serial}"

    @invariant()
    def every_message_is_somewhere(self) -> None:
        """Invariants 3 and 4: in the queue, or ended, and hopeless only if it cannot be decided."""
        assert self.sent == len(self.queue) + len(self.ended)
        dead = {message for message, outcome in self.ended.items() if outcome is Outcome.DEAD_LETTERED}
        assert dead <= self.hopeless

    @invariant()
    def the_ca_key_is_nowhere(self) -> None:
        """Invariant 7, as far as the activator has a say in it."""
        rows = json.dumps(self.watch.items())
        assert "PRIVATE KEY" not in rows
        assert key_pem(self.aws.ca.key).decode().splitlines()[1] not in rows

    # how it ends

    def teardown(self) -> None:
        with self.stack:
            if not self.watch.violations:
                self._settle()

    def _settle(self) -> None:
        """Let all come to rest: who may be in and knocks is in, everybody else is out, no message is left."""
        self.world.crl_available = True
        self.aws.clock.pass_time(seconds=1000)
        self._connect_all()
        for _ in range(8):
            self.aws.clock.pass_time(seconds=1000)
            if self.queue:
                self._work(list(self.queue))
        assert self.watch.violations == []
        self.what_an_operator_decided_stays()
        self.every_message_is_somewhere()
        assert self.queue == {}
        for certificate in self.certificates:
            if certificate not in self.world.operators and self.world.admits(certificate):
                assert self.watch.status(certificate) == "ACTIVE"
        letters = self._dead_letters()
        dead = {message for message, outcome in self.ended.items() if outcome is Outcome.DEAD_LETTERED}
        assert dead <= letters <= self.hopeless

    def _dead_letters(self) -> set[str]:
        found = set()
        while letters := self.aws.dead_letters():
            found |= {letter["MessageAttributes"]["messageId"]["StringValue"] for letter in letters}
        return found


@pytest.fixture(scope="module")
def shared() -> Iterator[Account]:
    """One account for all examples: each has certificates of its own, and an empty ledger."""
    with account() as opened:
        yield opened


@pytest.mark.timeout(900)  # hypothesis takes a test that is cut off for one that is flaky
def test_no_interleaving_breaks_an_invariant(shared: Account) -> None:
    impostor = DevelopmentCa.create(DEFAULT_NAME)
    stranger = DevelopmentCa.create("somebody else's CA")
    shared.iot.register_ca_certificate(caCertificate=stranger.certificate.pem, setAsActive=True)

    run_state_machine_as_test(
        lambda: Activator(shared, impostor, stranger),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=[Phase.reuse, Phase.generate],  # 12 steps can be read; to make them fewer takes minutes
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
