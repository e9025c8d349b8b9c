"""Random interleavings of connects, deliveries, redeliveries, crashes, revocations and operator actions.

After each step the invariants 1 to 8 of `docs/architecture.md` are checked against the account, and at each
call in between (`tests/support/interleaving.py`). Faults and crashes happen at any call, and at any call
another worker may run in between. Queue, workers and devices are in `tests/support/activator_harness.py`.

Hypothesis must draw from the same values when it replays an example: messages and devices have numbers,
and each example starts with an empty ledger and queue.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum

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
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_runtime.ledger import SERIAL_INDEX_KEY
from iot_jitr_runtime.outcomes import Outcome
from tests.support.account import POLICY, Account, account
from tests.support.activator_harness import Change, Harness
from tests.support.faults import Crash, Fault, injected
from tests.support.interleaving import REVOKED_IN_BETWEEN

EXAMPLES = 15
STEPS = 12
DEVICE = st.sampled_from([0, 0, 1, 1, 2, 2, 3, 4, 5, 6])
"""By its number, see `KINDS`."""
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
    """How messages are delivered, and the changes during a delivery."""

    SAME_MESSAGES_MEANWHILE = "another worker runs in between, with the same messages"
    FAULT = "a call fails, or the function crashes at it"
    REVOKED_MEANWHILE = "an operator revokes a certificate"
    OTHER_MESSAGES_MEANWHILE = "another worker runs in between, with other messages"
    PLAIN = "nothing happens"
    TWICE = "once more than needed"


class Activator(RuleBasedStateMachine):
    """The actions of queue, devices, CA and operators, in any order."""

    def __init__(self, aws: Account, impostor: DevelopmentCa, stranger: DevelopmentCa) -> None:
        super().__init__()
        self.harness = Harness(aws, impostor, stranger)
        self.stack = ExitStack()
        self.stack.enter_context(self.harness.checker.attached())

    @initialize(rate=st.sampled_from([1000, 2]))
    def all_devices_connect(self, rate: int) -> None:
        """All devices connect. At a low rate most wait for their slots, at a high one workers compete."""
        self.harness.aws.activations_per_second = rate
        self.harness.connect_all()

    @rule(
        seconds=st.sampled_from([0, 1, 6, 40, 1000]),
        change=st.sampled_from([*Change, Change.EVENT, Change.EVENT, Change.NOTHING]),
        device=DEVICE,
        how=st.sampled_from(list(Delivery)),
        data=st.data(),
    )
    def step(self, seconds: int, change: Change, device: int, how: Delivery, data: st.DataObject) -> None:
        """Time passes, something changes, and some messages are delivered: one rule, so that none is rare."""
        self.harness.aws.clock.pass_time(seconds=seconds)
        self.harness.change(change, device)
        if not self.harness.queue:
            self.harness.connect_all()
        if self.harness.queue:
            self._deliver(how, data)

    # deliveries

    def _deliver(self, how: Delivery, data: st.DataObject) -> None:
        """SQS delivers some messages, in any order, and something may happen during that."""
        chosen = self._draw(data)
        match how:
            case Delivery.PLAIN:
                self.harness.work(chosen)
            case Delivery.TWICE:
                records = [self.harness.queue[message] for message in chosen]
                self.harness.work(chosen)
                self.harness.work_on(records)
            case Delivery.FAULT:
                (service, operation), number = data.draw(CALL)
                fault = data.draw(st.sampled_from(list(Fault)))
                with injected(getattr(self.harness.aws, service), operation, fault, at_call=number):
                    self.harness.work(chosen)
            case Delivery.SAME_MESSAGES_MEANWHILE:
                self._two_workers(chosen, chosen, data)
            case Delivery.OTHER_MESSAGES_MEANWHILE:
                self._two_workers(chosen, self._draw(data), data)
            case Delivery.REVOKED_MEANWHILE:
                self._revoked_in_between(chosen, data)

    def _draw(self, data: st.DataObject) -> list[str]:
        return data.draw(
            st.lists(st.sampled_from(list(self.harness.queue)), unique=True, min_size=1, max_size=3)
        )

    def _two_workers(self, first: list[str], second: list[str], data: st.DataObject) -> None:
        """A worker stops at some call, another runs in between; the first one continues, or is stopped."""
        call, seconds, stopped = (
            data.draw(CALL),
            data.draw(st.sampled_from([0, 20])),
            data.draw(st.booleans()),
        )

        def meanwhile() -> None:
            self.harness.work(second)
            self.harness.aws.clock.pass_time(seconds=seconds)
            if stopped:
                raise Crash

        with self.harness.at(call, meanwhile):
            self.harness.work(first)

    def _revoked_in_between(self, chosen: list[str], data: st.DataObject) -> None:
        """An operator revokes a certificate that a worker activates. REVOKED is final at AWS IoT."""
        call, device = data.draw(CALL), data.draw(DEVICE)
        operators = self.harness.conditions.operators

        def meanwhile() -> None:
            if self.harness.set_status(device, "REVOKED"):
                operators[self.harness.certificates[device]] = REVOKED_IN_BETWEEN

        with self.harness.at(call, meanwhile):
            self.harness.work(chosen)
        for certificate, status in operators.items():
            operators[certificate] = "REVOKED" if status == REVOKED_IN_BETWEEN else status

    # the invariants after each step

    @invariant()
    def no_invariant_was_violated_at_a_call(self) -> None:
        """Invariants 1, 2, 3, 5, 6 and 8, as they were checked at the calls."""
        assert self.harness.checker.violations == []

    @invariant()
    def what_an_operator_decided_stays(self) -> None:
        """Invariant 2: an event changes no certificate that is not pending."""
        for certificate, status in self.harness.conditions.operators.items():
            assert self.harness.checker.status(certificate) == status

    @invariant()
    def an_active_certificate_has_the_policy_and_is_found_by_serial(self) -> None:
        """Invariants 1 and 6, at rest."""
        items = self.harness.checker.items()
        for certificate in self.harness.certificates:
            if self.harness.checker.status(certificate) == "ACTIVE":
                assert self.harness.checker.policies(certificate) == [POLICY]
                serial = items[certificate]["serialNumber"]["S"]
                assert items[certificate][SERIAL_INDEX_KEY]["S"] == f"{self.harness.aws.ca_id}#{serial}"

    @invariant()
    def every_message_is_accounted_for(self) -> None:
        """Invariants 3 and 4: in the queue, or ended, and dead-lettered only if it cannot be decided."""
        assert self.harness.sent == len(self.harness.queue) + len(self.harness.ended)
        assert self._dead_lettered() <= self.harness.undecidable

    def _dead_lettered(self) -> set[str]:
        ended = self.harness.ended.items()
        return {message for message, outcome in ended if outcome is Outcome.DEAD_LETTERED}

    @invariant()
    def the_ca_key_is_in_no_row(self) -> None:
        """Invariant 7, as far as the activator writes."""
        rows = json.dumps(self.harness.checker.items())
        assert "PRIVATE KEY" not in rows
        assert key_pem(self.harness.aws.ca.key).decode().splitlines()[1] not in rows

    # the end of an example

    def teardown(self) -> None:
        with self.stack:
            if not self.harness.checker.violations:
                self._settle()

    def _settle(self) -> None:
        """At the end just the devices that may be active are active, and no message is left."""
        self.harness.conditions.crl_available = True
        self.harness.aws.clock.pass_time(seconds=1000)
        self.harness.connect_all()
        for _ in range(8):
            self.harness.aws.clock.pass_time(seconds=1000)
            if self.harness.queue:
                self.harness.work(list(self.harness.queue))
        assert self.harness.checker.violations == []
        self.what_an_operator_decided_stays()
        self.every_message_is_accounted_for()
        assert self.harness.queue == {}
        for certificate in self.harness.certificates:
            if certificate not in self.harness.conditions.operators and self.harness.conditions.admits(
                certificate
            ):
                assert self.harness.checker.status(certificate) == "ACTIVE"
        assert self._dead_lettered() <= self.harness.dead_letters() <= self.harness.undecidable


@pytest.fixture(scope="module")
def shared() -> Iterator[Account]:
    """One account for all examples: each has certificates of its own, and an empty ledger."""
    with account() as opened:
        yield opened


@pytest.mark.timeout(900)  # hypothesis reports an interrupted test as flaky
def test_no_interleaving_breaks_an_invariant(shared: Account) -> None:
    impostor = DevelopmentCa.create(DEFAULT_NAME)
    stranger = DevelopmentCa.create("another deployment's CA")
    shared.iot.register_ca_certificate(caCertificate=stranger.certificate.pem, setAsActive=True)

    run_state_machine_as_test(
        lambda: Activator(shared, impostor, stranger),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=[Phase.reuse, Phase.generate],  # 12 steps are readable; shrinking takes minutes
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
