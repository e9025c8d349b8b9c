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
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
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
STEPS = 25
KINDS = [Kind.SOUND, Kind.SOUND, Kind.UNLISTED, Kind.EXPIRED, Kind.FORGED, Kind.FOREIGN]
DEVICE = st.sampled_from([0, 0, 0, 1, 1, 2, 3, 4, 5])
CALL = st.tuples(
    st.sampled_from(
        [
            ("dynamodb", "BatchGetItem"),
            ("dynamodb", "UpdateItem"),
            ("dynamodb", "TransactWriteItems"),
            ("iot", "DescribeCertificate"),
            ("iot", "AttachPolicy"),
            ("iot", "UpdateCertificate"),
            ("sqs", "ChangeMessageVisibilityBatch"),
            ("sqs", "SendMessage"),
        ]
    ),
    st.integers(min_value=1, max_value=3),
)
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
        aws.activations_per_second = 2
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

    # messages

    @initialize()
    def everybody_connects(self) -> None:
        for device in range(len(KINDS)):
            self.connect(device)

    @rule(device=DEVICE)
    def connect(self, device: int) -> None:
        """A pending device connects: the rule sends an event. Others cause none."""
        if self.watch.status(self.certificates[device]) == "PENDING_ACTIVATION":
            self.replay(device)

    @rule(device=DEVICE)
    def replay(self, device: int) -> None:
        """Somebody sends an event that no connect caused, and that says nothing true but who it is about."""
        event = {"certificateId": self.certificates[device], "caCertificateId": "f" * 64, "timestamp": -1}
        self._send(json.dumps(event), hopeless=KINDS[device] is Kind.FOREIGN)

    @rule(body=st.sampled_from(NOT_EVENTS))
    def poison(self, body: str) -> None:
        """Something arrives that is no event."""
        self._send(body, hopeless=True)

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

    def _draw(self, data: st.DataObject) -> list[str]:
        return data.draw(st.lists(st.sampled_from(list(self.queue)), unique=True, min_size=1, max_size=4))

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), again=st.booleans())
    def deliver(self, data: st.DataObject, again: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        """SQS delivers some messages, in any order, perhaps once more than needed."""
        chosen = self._draw(data)
        records = [self.queue[message] for message in chosen]
        self._work(chosen)
        if again:
            self._work_on(records)

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), call=CALL, fault=st.sampled_from(list(Fault)))
    def deliver_with_a_fault(self, data: st.DataObject, call: Call, fault: Fault) -> None:
        """Some call of the invocation fails, or the function dies at it."""
        (service, operation), number = call
        with injected(getattr(self.aws, service), operation, fault, at_call=number):
            self._work(self._draw(data))

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), call=CALL, seconds=st.sampled_from([0, 20]), stopped=st.booleans())
    def two_workers(self, data: st.DataObject, call: Call, seconds: int, stopped: bool) -> None:  # noqa: FBT001
        """A worker stands still at some call, and another comes in between, perhaps with its messages."""
        first, second = self._draw(data), self._draw(data)

        def meanwhile() -> None:
            self._work(second)
            self.aws.clock.pass_time(seconds=seconds)
            if stopped:
                raise Crash

        with self._at(call, meanwhile):
            self._work(first)

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), call=CALL, device=DEVICE)
    def revoked_in_between(self, data: st.DataObject, call: Call, device: int) -> None:
        """An operator revokes while a worker is at it. AWS IoT never lets REVOKED be left again."""

        def meanwhile() -> None:
            if self._set_status(device, "REVOKED"):
                self.world.operators[self.certificates[device]] = REVOKED_IN_BETWEEN

        with self._at(call, meanwhile):
            self._work(self._draw(data))
        for certificate, status in self.world.operators.items():
            self.world.operators[certificate] = "REVOKED" if status == REVOKED_IN_BETWEEN else status

    @contextmanager
    def _at(self, call: Call, action: Callable[[], None]) -> Iterator[None]:
        """Do something else just before some call of the worker that begins now."""
        (service, operation), number = call
        events = getattr(self.aws, service).meta.events
        name = f"before-send.{service}.{operation}"
        calls = 0

        def strike(**_: object) -> None:
            nonlocal calls
            calls += self.watch.somebody_works
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

    @rule(device=DEVICE)
    def revoke(self, device: int) -> None:
        """The CA enters a certificate into its CRL."""
        self.world.revoked.add(self.certificates[device])

    @rule(crl_available=st.booleans(), all_listed=st.booleans())
    def the_world_changes(self, crl_available: bool, all_listed: bool) -> None:  # noqa: FBT001
        """The CRL is lost or found, the allow list becomes longer or shorter."""
        self.world.crl_available = crl_available
        self.world.all_listed = all_listed

    @rule(device=DEVICE, status=st.sampled_from(["INACTIVE", "REVOKED"]))
    def operator_decides(self, device: int, status: str) -> None:
        self._set_status(device, status)

    def _set_status(self, device: int, status: str) -> bool:
        certificate = self.certificates[device]
        if self.watch.status(certificate) == "REVOKED":
            return False
        self.watch.set_status(certificate, status)
        self.world.operators[certificate] = status
        return True

    @rule(seconds=st.sampled_from([1, 6, 40, 61, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.aws.clock.pass_time(seconds=seconds)

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
        for device in range(len(KINDS)):
            self.aws.clock.pass_time(seconds=1000)
            self.connect(device)
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
            phases=[Phase.reuse, Phase.generate],  # 25 steps can be read; to make them fewer takes minutes
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
