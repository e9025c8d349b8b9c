"""Random interleavings of connects, deliveries, redeliveries, crashes, revocations and operator actions.

A model knows for each certificate whether it may be in, and who changed it last; after each step the
invariants of `docs/architecture.md` are checked against the account. Crashes strike between any two calls.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.outcomes import DeferredError, Outcome, Reason, RefusedError
from tests.support.account import POLICY, Account, account
from tests.support.faults import Crash, Fault, injected

DEVICES = 2
DEVICE = st.integers(min_value=0, max_value=DEVICES - 1)
OPERATIONS = st.sampled_from(
    [
        ("iot", "DescribeCertificate"),
        ("iot", "AttachPolicy"),
        ("iot", "UpdateCertificate"),
        ("dynamodb", "BatchGetItem"),
        ("dynamodb", "UpdateItem"),
        ("sqs", "ChangeMessageVisibility"),
    ]
)


@dataclass
class Crl:
    """The revocation list that the activation asks; it can be lost for a while."""

    revoked: set[str] = field(default_factory=set)
    available: bool = True

    def check(self, ca_certificate_id: CaCertificateId, certificate: Certificate) -> str:
        del ca_certificate_id
        if not self.available:
            raise DeferredError(Reason.CRL_MISSING)
        if certificate.fingerprint in self.revoked:
            raise RefusedError(Reason.REVOKED)
        return "1"


class Activator(RuleBasedStateMachine):
    """Drives the activator as queue, devices, CA and operators do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.crl = Crl()
        self.queue: dict[str, dict[str, Any]] = {}
        self.operators: dict[CertificateId, str] = {}
        self.admissible_at_activation: dict[CertificateId, bool] = {}
        self.certificates: list[CertificateId] = []

    @initialize()
    def open_account(self) -> None:
        self.aws: Account = self.stack.enter_context(account())
        self.aws.parts["revocation"] = self.crl
        self.aws.activations_per_second = 2
        self.aws.iot.meta.events.register("before-call.iot.UpdateCertificate", self._note_activation)
        for number in range(DEVICES):
            identity = self.aws.ca.issue(DeviceSpec(f"device-{number}"))
            self.certificates.append(self.aws.pending(identity.certificate))

    def teardown(self) -> None:
        self.stack.close()

    def _note_activation(self, params: Mapping[str, Any], **_: object) -> None:
        """Look at the world at the very moment at which the activator makes a certificate ACTIVE."""
        if params["query_string"]["newStatus"] != "ACTIVE":
            return
        certificate_id = CertificateId(params["url_path"].rpartition("/")[2])
        self.admissible_at_activation[certificate_id] = (
            self.crl.available
            and certificate_id not in self.crl.revoked
            and certificate_id not in self.operators
            and POLICY in self.aws.policies(certificate_id)
        )

    @rule(device=DEVICE)
    def connect(self, device: int) -> None:
        """A pending device connects: the rule sends an event. Others cause none."""
        certificate_id = self.certificates[device]
        if self.aws.status(certificate_id) == "PENDING_ACTIVATION":
            record = self.aws.event(certificate_id)
            self.queue[record["messageId"]] = record

    @rule(device=DEVICE)
    def replay(self, device: int) -> None:
        """Somebody sends an event that no connect caused."""
        record = self.aws.event(self.certificates[device])
        self.queue[record["messageId"]] = record

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), keep=st.booleans())
    def deliver(self, data: st.DataObject, keep: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        """SQS delivers some messages, in any order, perhaps once more than needed."""
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.queue)), unique=True, max_size=4))
        self._process(chosen, keep=keep)

    @precondition(lambda self: self.queue)
    @rule(
        data=st.data(),
        operation=OPERATIONS,
        fault=st.sampled_from(list(Fault)),
        at_call=st.integers(min_value=1, max_value=4),
    )
    def deliver_with_a_fault(
        self, data: st.DataObject, operation: tuple[str, str], fault: Fault, at_call: int
    ) -> None:
        """Some call of the invocation fails, or the function dies at it."""
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.queue)), unique=True, min_size=1, max_size=4))
        service, name = operation
        with injected(getattr(self.aws, service), name, fault, at_call=at_call):
            try:
                self._process(chosen, keep=False)
            except Crash:
                # The queue knows nothing of the outcome: all messages come back.
                for message_id in chosen:
                    self.queue[message_id] = self.aws.redelivered(self.queue[message_id])

    def _process(self, chosen: list[str], *, keep: bool) -> None:
        records = [self.queue[message_id] for message_id in chosen]
        back = set(self.aws.process(*records))
        # Invariant 3: exactly one outcome for each message, and only the deferred come back.
        assert len(self.aws.decisions) == len(chosen)
        deferred = sum(d.verdict.outcome is Outcome.DEFERRED for d in self.aws.decisions)
        assert deferred == len(back)
        for message_id in chosen:
            if message_id in back or keep:
                self.queue[message_id] = self.aws.redelivered(self.queue[message_id])
            else:
                del self.queue[message_id]

    @rule(device=DEVICE)
    def revoke(self, device: int) -> None:
        self.crl.revoked.add(self.certificates[device])

    @rule(available=st.booleans())
    def lose_or_find_the_crl(self, available: bool) -> None:  # noqa: FBT001 - hypothesis passes it
        self.crl.available = available

    @rule(device=DEVICE, status=st.sampled_from(["INACTIVE", "REVOKED"]))
    def operator_decides(self, device: int, status: str) -> None:
        certificate_id = self.certificates[device]
        if self.aws.status(certificate_id) != "REVOKED":
            self.aws.iot.update_certificate(certificateId=certificate_id, newStatus=status)
            self.operators[certificate_id] = status

    @rule(seconds=st.sampled_from([1, 6, 61, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.aws.clock.pass_time(seconds=seconds)

    @invariant()
    def what_an_operator_decided_stays(self) -> None:
        """Invariant 2: an event changes no certificate that is not pending."""
        for certificate_id, status in self.operators.items():
            assert self.aws.status(certificate_id) == status

    @invariant()
    def only_who_may_be_in_was_let_in(self) -> None:
        """Invariants 1 and 5: at each activation every check held and the policy was attached."""
        assert all(self.admissible_at_activation.values())

    @invariant()
    def an_active_certificate_has_its_policy_and_can_be_found_by_serial(self) -> None:
        """Invariants 1 and 6: the row is written before the certificate changes."""
        for certificate_id in self.certificates:
            if self.aws.status(certificate_id) == "ACTIVE":
                row = self.aws.ledger.row(certificate_id)
                assert row is not None
                assert row.serial_number is not None
                assert POLICY in self.aws.policies(certificate_id)

    def settle(self) -> None:
        """Let everything come to rest: the CRL is there, time passes, all messages are delivered."""
        self.crl.available = True
        for _ in range(6):
            self.aws.clock.pass_time(seconds=1000)
            for message_id in sorted(self.queue):
                self._process([message_id], keep=False)


class SettlingActivator(Activator):
    """The same, and in the end every admissible device that knocked is in, every other out."""

    def teardown(self) -> None:
        try:
            if self.certificates:
                for device in range(DEVICES):
                    self.connect(device)
                self.settle()
                assert self.queue == {}
                for certificate_id in self.certificates:
                    allowed = certificate_id not in self.operators and certificate_id not in self.crl.revoked
                    if allowed:
                        assert self.aws.status(certificate_id) == "ACTIVE"
        finally:
            super().teardown()


TestActivator = SettlingActivator.TestCase
TestActivator.settings = settings(
    max_examples=6,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
