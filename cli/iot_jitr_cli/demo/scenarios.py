"""The scenarios: devices are admitted, devices are refused, and an active device is revoked."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography import x509

from iot_jitr_cli.connect import (
    ConnectResult,
    Credentials,
    Ending,
    Endpoint,
    OpenSession,
    Step,
    TimelineEvent,
    open_session,
)
from iot_jitr_cli.console import CliError
from iot_jitr_cli.demo.devices import (
    ConnectingDevice,
    always_refused,
    refused_first,
    results,
    where_refused,
)
from iot_jitr_cli.demo.model import Demo, DeviceProgress, Milestone, RefusedDevice
from iot_jitr_cli.demo.pipeline import DemoPipeline
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Row
from iot_jitr_runtime.ledger.rows import State
from iot_jitr_runtime.outcomes import Reason

FOREIGN, EXPIRED = "foreign", "expired"
_REFUSALS = 2
"""Number of attempts of a device that must be refused."""
_WATCH_INTERVAL = 0.15
_SEEN_BY_DEVICE = {Step.CONNECTED: Milestone.CONNECTED, Step.RECEIVED: Milestone.PUBLISHED}
"""Marks that only the device itself can report."""


@dataclass
class Scenarios:
    """Runs the scenarios, and records each expectation and whether it was met."""

    demo: Demo
    broker: Endpoint
    pipeline: DemoPipeline
    ca: DevelopmentCa

    def admit(self, identities: Sequence[DeviceIdentity], listed: DeviceIdentity) -> None:
        """Connect all devices together; `listed`, whose certificate is on the CRL, must be refused."""
        # Only a domain with a connect guard has its own server name.
        guarded = self.broker.server_name is not None
        on_crl = ConnectingDevice(listed, self.broker, refusals=_REFUSALS if guarded else None)
        refused = self._add_refused(on_crl.name, "signed by our CA, and on its revocation list")
        on_crl.start()
        try:
            self._admit(identities)
            (self._refuse_at_handshake if guarded else self._refuse_listed)(on_crl, refused)
        finally:
            on_crl.stop()

    def _admit(self, identities: Sequence[DeviceIdentity]) -> None:
        began, demo = time.time(), self.demo
        shown: dict[CertificateId, DeviceProgress] = {}
        devices: list[ConnectingDevice] = []
        for identity in identities:
            certificate = identity.certificate
            device = DeviceProgress(certificate.common_names[0], certificate.fingerprint)
            shown[certificate.fingerprint] = device
            devices.append(ConnectingDevice(identity, self.broker, on_event=self._marks_of(device, began)))
        demo.devices += shown.values()
        with self._polling_records(shown, began):
            ended = results(devices)
        statuses, count = self.pipeline.statuses(), len(devices)
        demo.expect_all(
            "devices were refused at their first connect, which registers them",
            sum(map(refused_first, ended)),
            count,
        )
        published = sum(result.ending is Ending.PUBLISHED for result in ended)
        demo.expect_all("devices connected and published later", published, count)
        active = sum(statuses.get(each) == "ACTIVE" for each in shown)
        demo.expect_all("devices have an ACTIVE certificate", active, count)
        complete = sum(len(each.marks) == len(Milestone) for each in shown.values())
        demo.expect_all("devices were seen at every point on the way", complete, count)

    def _refuse_at_handshake(self, device: ConnectingDevice, refused: RefusedDevice) -> None:
        result = device.result()
        registered = device.certificate_id in self.pipeline.statuses()
        self.demo.refuse(refused, "refused by the connect guard; AWS IoT never registered it")
        self._expect_refused(f"{device.name}, which is on the CRL, was refused each time", result)
        self.demo.expect("its certificate was never registered", met=not registered)

    def _refuse_listed(self, device: ConnectingDevice, refused: RefusedDevice) -> None:
        decided = {State.REFUSED, State.REVOKED}
        self.pipeline.wait_for_row(
            device.certificate_id,
            lambda row: row.state in decided and device.last(Step.REFUSED) > row.decided_at / 1000,
        )
        device.stop()
        result, row = device.result(), self.pipeline.row(device.certificate_id)
        reason, text = _reason(row, decided)
        if row and row.state is State.REVOKED:
            text = f"revoked by the sweep since, with reason {text}"
        self.demo.refuse(refused, f"{where_refused(result)}; the pipeline refuses it: {text}")
        status = self.pipeline.statuses().get(device.certificate_id)
        self._expect_refused(f"{device.name}, which is on the CRL, was refused each time", result)
        self.demo.expect(
            "the pipeline refused its certificate as 'revoked'", met=reason is Reason.REVOKED, seen=text
        )
        self.demo.expect(
            "that certificate is registered, and not ACTIVE",
            met=status not in {None, "ACTIVE"},
            seen=str(status),
        )

    def refuse(self) -> None:
        """Connect a device of a foreign CA and a device with an expired certificate; both must be refused."""
        foreign = DevelopmentCa.create("another company's CA").issue(DeviceSpec(FOREIGN))
        expired = self.ca.issue(DeviceSpec(EXPIRED, validity=Validity.expired()))
        shown_foreign = self._add_refused(FOREIGN, "signed by a CA that is not registered")
        shown_expired = self._add_refused(EXPIRED, "signed by our CA, expired yesterday")
        result_foreign, result_expired = results(
            [ConnectingDevice(each, self.broker, refusals=_REFUSALS) for each in (foreign, expired)]
        )
        registered = foreign.certificate.fingerprint in self.pipeline.statuses()
        self.demo.refuse(shown_foreign, f"{where_refused(result_foreign)}; AWS IoT never registered it")
        self._expect_refused("the foreign device was refused each time", result_foreign)
        self.demo.expect("the foreign certificate was never registered", met=not registered)
        # The broker refuses the device. A call registers the certificate, to show the pipeline's check.
        self.pipeline.register_pending(expired)
        certificate_id = expired.certificate.fingerprint
        row = self.pipeline.wait_for_row(certificate_id, lambda row: row.state is not None)
        reason, text = _reason(row, {State.REFUSED})
        where = where_refused(result_expired)
        self.demo.refuse(
            shown_expired, f"{where}; registered past the broker, the pipeline refuses it: {text}"
        )
        self._expect_refused("the expired device was refused each time", result_expired)
        self.demo.expect(
            "the pipeline refused its certificate as 'expired'", met=reason is Reason.EXPIRED, seen=text
        )
        status = self.pipeline.statuses().get(certificate_id)
        self.demo.expect(
            "that certificate never became ACTIVE", met=status == "PENDING_ACTIVATION", seen=str(status)
        )

    def revoke(self, revoked: DeviceIdentity, others: Sequence[DeviceIdentity]) -> None:
        """Revoke an active device only by a new CRL; the other devices stay active."""
        with self._connected(revoked) as session:
            self._revoke(revoked, session)
        with self.demo.step("next connect", self.demo.revocation) as step:
            [result] = results([ConnectingDevice(revoked, self.broker, refusals=1)])
            step.detail = where_refused(result)
        name, statuses = revoked.certificate.common_names[0], self.pipeline.statuses()
        status = statuses.get(revoked.certificate.fingerprint)
        self.demo.expect(
            f"{name} became REVOKED after the new CRL", met=status == "REVOKED", seen=str(status)
        )
        self.demo.expect(
            f"the open session of {name} was closed", met=session.is_closed(), seen="it is still open"
        )
        self._expect_refused(f"{name}, which had been active, was refused at its next connect", result)
        active = sum(statuses.get(each.certificate.fingerprint) == "ACTIVE" for each in others)
        self.demo.expect_all("other devices stayed ACTIVE", active, len(others))

    @contextmanager
    def _connected(self, device: DeviceIdentity) -> Iterator[OpenSession]:
        """An admitted device that connects and stays connected."""
        credentials = Credentials.of(device)
        with open_session(
            credentials, self.broker, credentials.common_name, self.pipeline.timeout
        ) as session:
            if session is None:
                raise CliError(f"{credentials.common_name}, which is active, was not admitted again")
            yield session

    def _revoke(self, revoked: DeviceIdentity, session: OpenSession) -> None:
        name, certificate_id = revoked.certificate.common_names[0], revoked.certificate.fingerprint
        steps = self.demo.revocation
        with self.demo.step(f"{name} revoked", steps) as step:
            step.detail = "its key is compromised: the CA uploads a new CRL, and nothing else is done"
            replaced = self.pipeline.revoke(revoked, x509.ReasonFlags.key_compromise)
        uploaded = time.time()
        with self.demo.step("index published", steps) as step:
            step.detail = "the upload starts the publisher: CRL verified and compiled"
            self.pipeline.wait_for_index(replaced)
        with self.demo.step("certificate REVOKED", steps) as step:
            step.detail = "the index starts the sweep, which finds the device by its serial number"
            self.pipeline.wait_until(lambda: self.pipeline.statuses().get(certificate_id) == "REVOKED")
        with self.demo.step("session closed", steps) as step:
            step.detail = "the sweep ends its open connection: DeleteConnection"
            if session.wait_until_closed(self.pipeline.timeout) and session.closed_at is not None:
                step.detail = (
                    f"its open connection ended {session.closed_at - uploaded:.1f} s after the upload"
                )

    def _add_refused(self, name: str, about: str) -> RefusedDevice:
        refused = RefusedDevice(name, about)
        self.demo.refused.append(refused)
        return refused

    def _expect_refused(self, claim: str, result: ConnectResult) -> None:
        self.demo.expect(claim, met=always_refused(result), seen=result.ending.value)

    def _marks_of(self, device: DeviceProgress, began: float) -> "Callable[[TimelineEvent], None]":
        def mark(event: TimelineEvent) -> None:
            if reached := _SEEN_BY_DEVICE.get(event.step):
                self.demo.mark(device, reached, event.at.timestamp() - began)

        return mark

    @contextmanager
    def _polling_records(self, devices: dict[CertificateId, DeviceProgress], began: float) -> Iterator[None]:
        """Read the records repeatedly, in a thread, and once more at the end."""
        over = threading.Event()

        def watch() -> None:
            last = False
            while not last:
                last = over.wait(_WATCH_INTERVAL)
                for certificate_id, mark, at in self.pipeline.marks(devices):
                    self.demo.mark(devices[certificate_id], mark, at - began)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
        watcher.join()


def _reason(row: Row | None, states: set[State]) -> tuple[Reason | None, str]:
    """The reason why the pipeline refuses a certificate, and the reason with its detail in the ledger."""
    if row is None or row.state not in states or row.reason is None:
        return None, "no decision"
    return row.reason, row.detail or str(row.reason)
