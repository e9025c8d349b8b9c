"""One device to diagnose: what the caller says about it, and the facts that AWS has."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from iot_jitr_cli.chain import check_chain
from iot_jitr_cli.doctor.facts.account import AccountFacts
from iot_jitr_cli.doctor.facts.ca import CaFacts
from iot_jitr_cli.doctor.facts.decision import DecisionFacts
from iot_jitr_cli.doctor.facts.device import DeviceFacts
from iot_jitr_cli.doctor.facts.fact import CannotTellError, fact
from iot_jitr_cli.doctor.facts.function import FunctionFacts
from iot_jitr_cli.doctor.facts.pipeline import PipelineFacts
from iot_jitr_cli.doctor.facts.present import PresentFacts
from iot_jitr_runtime.identifiers import CertificateId

if TYPE_CHECKING:
    import boto3

    from iot_jitr_cli.chain import Chain, ChainReport


@dataclass(frozen=True)
class Presented:
    """The files that go onto the device."""

    chain_file: bytes
    chain: "Chain"
    """Its certificates."""
    key_file: bytes | None = None


@dataclass(frozen=True)
class Subject:
    """What the caller says about the device."""

    certificate_id: CertificateId
    presented: Presented | None = None
    """None: only the certificate's id is known."""
    endpoint: str | None = None
    """Host name the device connects to, without a port."""
    sends_sni: bool | None = None
    """None: unknown."""
    client_id: str | None = None
    """What it connects as; None: as its common name."""
    clock: datetime | None = None
    """What its clock says now."""


@dataclass(frozen=True)
class Case:
    """Everything that a check may read."""

    subject: Subject
    now: datetime
    account: AccountFacts
    device: DeviceFacts
    ca: CaFacts
    pipeline: PipelineFacts
    function: FunctionFacts
    decision: DecisionFacts
    present: PresentFacts

    @property
    def time(self) -> datetime:
        """The time at AWS, whose clock decides about validity; the caller's where AWS does not answer."""
        try:
            return self.account.identity.time or self.now
        except CannotTellError:
            return self.now

    @property
    def accepts_ca_certificates(self) -> bool:
        """Whether the deployment accepts a CA certificate as this device's; False where that is unknown."""
        try:
            function, ca = self.function.activator, self.ca.issuer.ca
        except CannotTellError:
            return False
        return function is not None and ca is not None and ca.ca_id in function.ca_devices

    @fact()
    def report(self) -> "ChainReport":
        """What `jitr chain check` says of the device's files, or else of the certificate as AWS IoT has it.

        Raises:
            CannotTellError: Neither the caller nor AWS IoT has the certificate.
        """
        presented = self.subject.presented
        if presented is not None:
            return check_chain(presented.chain_file, presented.key_file, self.time)
        certificate = self.device.certificate
        if certificate is None:
            raise CannotTellError("there is no chain file, and AWS IoT does not have the certificate")
        ca = self.ca.issuer.ca
        return check_chain((certificate.pem + (ca.certificate.pem if ca else "")).encode(), now=self.time)


def open_case(
    session: "boto3.Session", stack_name: str, subject: Subject, now: datetime | None = None
) -> Case:
    """Prepare the facts about `subject`; no call is made yet."""
    now = now or datetime.now(UTC)
    certificate = subject.presented.chain.device if subject.presented else None
    device = DeviceFacts(session, subject.certificate_id, certificate)
    pipeline = PipelineFacts(session, stack_name)
    function = FunctionFacts(session, pipeline, now)
    ca = CaFacts(session, stack_name, device)
    return Case(
        subject=subject,
        now=now,
        account=AccountFacts(session),
        device=device,
        ca=ca,
        pipeline=pipeline,
        function=function,
        decision=DecisionFacts(session, subject.certificate_id, pipeline),
        present=PresentFacts(session, device, ca, pipeline, function),
    )
