"""An account whose CA has a CRL, with devices in service, an activator and a sweep (moto)."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeGuard

from aws_lambda_powertools import Logger
from cryptography import x509
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iot.models import iot_backends

from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.activator.batch import Batch
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.activator.validate import Validation
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.deadline import Deadline
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.ledger.tasks import Task, TaskResult
from iot_jitr_runtime.policy.attachment import SharedPolicy
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore, Published
from iot_jitr_runtime.sweep.enforce import Enforcement, ReleaseResult, RevocationResult
from iot_jitr_runtime.sweep.sessions import SESSION_REPEATED, SessionResult, Sessions
from iot_jitr_runtime.sweep.state import Pass, SweepState, SweepStates
from iot_jitr_runtime.sweep.sweep import DEFERRED, Sweep
from iot_jitr_runtime.sweep.targets import MassRevocationLimit
from iot_jitr_runtime.task_runner import run_tasks
from tests.support.account import POLICY, Account, make_ledger_table, new_queue
from tests.support.aws_clients import REGION
from tests.support.buckets import new_bucket
from tests.support.clock import Clock
from tests.support.connections import Connections
from tests.support.crls import CrlSpec, Entry
from tests.support.indexes import publish_index

SETTLE = timedelta(seconds=120)
NO_LIMIT = MassRevocationLimit(share=1, minimum=1)
Reasons = Mapping[CertificateId, x509.ReasonFlags | None]


@dataclass
class Recorder:
    """Collects what a sweep reports."""

    lines: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, level: str, message: str, ca: CaCertificateId, **facts: Any) -> None:
        assert level in {"info", "warning", "error"}
        assert ca
        self.lines.append((message, facts))

    @property
    def revocations(self) -> list[tuple[CertificateId, RevocationResult]]:
        return [
            (facts["certificate_id"], message)
            for message, facts in self.lines
            if _is(message, RevocationResult)
        ]

    @property
    def releases(self) -> list[tuple[CertificateId, ReleaseResult, str | None]]:
        return [
            (facts["certificate_id"], message, facts.get("reason"))
            for message, facts in self.lines
            if _is(message, ReleaseResult)
        ]

    @property
    def deferred(self) -> list[tuple[CertificateId, str]]:
        return [(each["certificate_id"], each["reason"]) for each in self.facts(DEFERRED)]

    def facts(self, message: str) -> list[dict[str, Any]]:
        return [facts for found, facts in self.lines if found == message]


def _is(message: str, results: type[StrEnum]) -> TypeGuard[Any]:
    return isinstance(message, results)


@dataclass(frozen=True)
class _Store(IndexStore):
    """S3 with the harness's clock instead of the emulation's own clock."""

    clock: Clock = field(default_factory=Clock)
    times: dict[str, datetime] = field(default_factory=dict)

    def current(self, ca: CaCertificateId) -> Published:
        published = super().current(ca)
        published_at = self.times.setdefault(published.version_id, self.clock())
        return replace(published, published_at=published_at)


class SweepHarness:
    """`activate_devices` makes devices; `publish` puts an index in force; `sweep` runs once."""

    def __init__(self, shared: Account, s3: Any, folder: Path) -> None:
        table = make_ledger_table(shared.dynamodb)
        # A separate queue: in a shared one, moto iterates over the messages of all earlier tests.
        queue_url = new_queue(shared.sqs, f"activation-{table}")
        self.aws = replace(shared, table=table, queue_url=queue_url, clock=Clock(), parts={}, decisions=[])
        self.s3 = s3
        self.folder = folder
        self.store: IndexStore = _Store(s3, new_bucket(s3), self.aws.clock)
        self.ledger = RevocationLedger(self.aws.dynamodb, table)
        self.states = SweepStates(self.ledger.items)
        self.seen = Recorder()
        self.devices: dict[CertificateId, Certificate] = {}
        self.connections = Connections(self._check_not_active)
        self.number = 0
        self.parts: dict[str, Any] = {}
        self.admission: Any = None
        self.activator = self.new_activator()

    @property
    def clients(self) -> SimpleNamespace:
        """The clients of the activator and the sweep, for `cut_off`."""
        aws, connections = self.aws, self.connections.client
        return SimpleNamespace(iot=aws.iot, dynamodb=aws.dynamodb, s3=self.s3, connections=connections)

    @property
    def clock(self) -> Clock:
        return self.aws.clock

    @property
    def ca(self) -> CaCertificateId:
        return self.aws.ca_id

    def new_activator(self) -> Batch:
        """A fresh execution environment of the activator, with a copy of the index of its own."""
        self.aws.parts["revocation"] = IndexedRevocation(self.store, clock=self.clock)
        return self.aws.batch()

    def publish(self, listed: Reasons | None = None, extra: Mapping[int, Any] | None = None) -> Published:
        """Publish an index in which these certificates, and these serial numbers, are listed."""
        self.number += 1
        now = self.clock()
        entries = [Entry(self.devices[each].x509.serial_number, why) for each, why in (listed or {}).items()]
        entries += [Entry(serial, why) for serial, why in (extra or {}).items()]
        hour = timedelta(hours=1)
        spec = CrlSpec(entries, number=self.number, this_update=now - hour, next_update=now + 48 * hour)
        path = self.folder / f"made-{self.number}"
        return publish_index(self.store, path, self.aws.ca, spec, compiled_at=now, ca_id=self.ca)

    def register(self, name: str = "device") -> CertificateId:
        """Register a device as at its first connect; there is no decision about it."""
        certificate = self.aws.ca.issue(DeviceSpec(name)).certificate
        certificate_id = self.aws.pending(certificate)
        self.devices[certificate_id] = certificate
        return certificate_id

    def register_elsewhere(self, count: int = 1, status: str = "ACTIVE") -> list[CertificateId]:
        """Certificates to which another caller has given a status; the ledger has none of them."""
        certificate_ids = [self.register(f"elsewhere-{number}") for number in range(count)]
        for certificate_id in certificate_ids:
            self.aws.iot.update_certificate(certificateId=certificate_id, newStatus=status)
        return certificate_ids

    def known_from_elsewhere(self, count: int = 1, status: str = "ACTIVE") -> list[CertificateId]:
        """Certificates to which another caller has given a status; the ledger has them from their events."""
        certificate_ids = self.register_elsewhere(count, status)
        for certificate_id in certificate_ids:
            self.activate(certificate_id)
            assert self.row(certificate_id).state is State.KNOWN
        return certificate_ids

    def activate(self, certificate_id: CertificateId) -> None:
        self.aws.process(self.aws.event(certificate_id), batch=self.activator)

    def activate_devices(self, count: int = 1) -> list[CertificateId]:
        """Register and activate devices; none of them is on a CRL."""
        if not self.number:
            self.publish()
        certificate_ids = [self.register(f"device-{number}") for number in range(count)]
        for certificate_id in certificate_ids:
            self.activate(certificate_id)
            assert self.aws.status(certificate_id) == "ACTIVE"
        return certificate_ids

    def make_sweep(self, **parts: Any) -> Sweep:
        iot = self.aws.iot
        policy = SharedPolicy(iot, POLICY)
        validation = Validation(
            Issuers(iot, [self.ca]),
            IndexedRevocation(self.store, refresh=timedelta(0), clock=self.clock),
            self.admission,
            needs_common_name=True,
        )
        sessions = parts.pop("sessions", self.sessions())
        values: dict[str, Any] = {
            "store": self.store,
            "ledger": self.ledger,
            "enforcement": Enforcement(iot, self.ledger, validation, None, policy, sessions, self.clock),
            "rate_limiter": self.aws.rate_limiter(),
            "report": self.seen,
            "settle": SETTLE,
            "limit": NO_LIMIT,
            "dry_run": False,
            "clock": self.clock,
        }
        return Sweep(**(values | self.parts | parts))

    def sweep(self, seconds: float = 300, **parts: Any) -> Recorder:
        """Run the sweep once; return its recorder."""
        self.seen = Recorder()
        stops_at = self.clock() + timedelta(seconds=seconds)
        self.make_sweep(report=self.seen, **parts).run(self.ca, stops_at=stops_at)
        return self.seen

    def sessions(self, template: str = "{{common_name}}") -> Sessions:
        """What closes sessions, in a fresh execution environment."""
        return Sessions(
            self.connections.client,
            self.aws.iot,
            self.ledger,
            self.aws.rate_limiter(),
            template,
            # Not `self.seen`: each run has another one.
            lambda *line, **facts: self.seen(*line, **facts),  # noqa: PLW0108
            self.clock,
        )

    def repeat_closings(self, seconds: float = 300) -> Counter[TaskResult]:
        """Do the scheduled closings that are due; return the number of each result."""
        deadline = Deadline(self.clock() + timedelta(seconds=seconds), self.clock)
        action = self.sessions().repeat
        return Counter(
            run_tasks(self.ledger.tasks, Task.CLOSE_SESSION, action, deadline, Logger("sweep")).values()
        )

    @property
    def repeated(self) -> list[tuple[CertificateId, SessionResult]]:
        """The closings that were repeated since the last run."""
        return [(each["certificate_id"], each["session"]) for each in self.seen.facts(SESSION_REPEATED)]

    def _check_not_active(self, client_id: str) -> None:
        """Check, at each call, that a certificate with this client id is not ACTIVE any more."""
        # Not through the client: its calls are counted, and may be slow or fail.
        registered = iot_backends[DEFAULT_ACCOUNT_ID][REGION].certificates
        statuses = {
            registered[certificate_id].status if certificate_id in registered else "deleted"
            for certificate_id, certificate in self.devices.items()
            if client_id in certificate.common_names
        }
        assert statuses - {"ACTIVE", "PENDING_ACTIVATION"}, (
            f"the session of {client_id} was closed: {statuses}"
        )

    def sweep_after_the_settle_time(self, **parts: Any) -> Recorder:
        """Run the sweep once, when no activator has an older index and no row is invisible any more."""
        self.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
        return self.sweep(**parts)

    def settle(self) -> None:
        """Sweep until the index in force is settled."""
        self.sweep()
        self.sweep_after_the_settle_time()
        settled = self.state().settled
        assert settled is not None
        assert settled.version == self.store.current(self.ca).version

    def connect(self, *devices: CertificateId) -> None:
        """Open a session for each device, with its common name as client id."""
        self.connections.connected |= self.client_ids(*devices)

    def client_ids(self, *devices: CertificateId) -> set[str]:
        return {self.devices[each].common_names[0] for each in devices}

    def status(self, certificate_id: CertificateId) -> str:
        return self.aws.status(certificate_id)

    def row(self, certificate_id: CertificateId) -> Row:
        row = self.ledger.row(certificate_id)
        assert row is not None
        return row

    def on_hold(self) -> list[CertificateId]:
        """The certificates that the sweep would look at to release them."""
        pages = self.ledger.suspended(self.ca, since=0, until=10**15)
        return [certificate_id for page in pages for certificate_id in page]

    def state(self) -> SweepState:
        return self.states.read(self.ca)

    def tripped(self) -> Pass | None:
        return self.state().tripped

    def confirm(self) -> None:
        """Confirm the index that has tripped the mass-revocation limit, as an operator does."""
        tripped = self.tripped()
        assert tripped is not None
        self.states.confirm(self.ca, tripped.index.version)
