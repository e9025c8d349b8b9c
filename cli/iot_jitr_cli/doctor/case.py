"""One device to diagnose: the caller's input and the device's data in AWS."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.chain import check_chain
from iot_jitr_cli.chain.parsing import signed
from iot_jitr_cli.deployment import DeployedCa
from iot_jitr_cli.doctor.causes import Phase
from iot_jitr_cli.doctor.pipeline import Pipeline
from iot_jitr_cli.doctor.reading import UndeterminedError, aws_call, reading
from iot_jitr_runtime import environment
from iot_jitr_runtime.admission.allow_list import AllowList
from iot_jitr_runtime.admission.keys import KeyKind
from iot_jitr_runtime.ca_registration.registry import CaRegistry, NotRegisteredError, RegisteredCa
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import Ledger, Row
from iot_jitr_runtime.outcomes import ACTIVATED, DecisionError, Verdict
from iot_jitr_runtime.revocation.checker import IndexedRevocation
from iot_jitr_runtime.revocation.store import IndexStore
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_iot.type_defs import TopicRuleTypeDef

    from iot_jitr_cli.chain import Chain, ChainReport

_CLOCKS = timedelta(seconds=5)


@dataclass(frozen=True)
class Subject:
    """The caller's input about the device."""

    certificate_id: CertificateId
    chain: "Chain | None" = None
    """The certificates of its chain file; None if only the certificate's id is known."""
    key_file: bytes | None = None
    """The content of its private key file."""
    endpoint: str | None = None
    """Host name that the device connects to, without a port."""
    sends_sni: bool | None = None
    """None: unknown."""
    client_id: str | None = None
    """Its client id; None: its common name."""
    clock: datetime | None = None
    """The present time of its clock."""


@dataclass(frozen=True)
class Registered:
    """A device certificate as AWS IoT describes it."""

    status: str
    arn: str
    ca_certificate_id: CaCertificateId | None
    """None: it was not registered under a CA."""
    certificate: Certificate | None
    """None: it cannot be parsed."""
    registered_at: datetime

    @property
    def phase(self) -> Phase:
        """The progress of the device."""
        phases = {"PENDING_ACTIVATION": Phase.PENDING, "ACTIVE": Phase.ACTIVE}
        return phases.get(self.status, Phase.DISABLED)


class Case:
    """Values for several checks. Each is read at its first use, and may raise `UndeterminedError`."""

    def __init__(self, session: "boto3.Session", stack_name: str, subject: Subject) -> None:
        self.session = session
        self.subject = subject
        self.pipeline = Pipeline(session, stack_name, datetime.now(UTC))

    @reading("sts:GetCallerIdentity")
    def _identity(self) -> Any:
        """The response of GetCallerIdentity: it needs no permission, and it has the time of AWS's clock."""
        return self.session.client("sts").get_caller_identity()

    @property
    def account(self) -> str:
        """The caller's account, in words."""
        try:
            return f"account {self._identity['Account']}"
        except UndeterminedError:
            return "account unknown"

    @property
    def time(self) -> datetime:
        """The time of AWS's clock, which decides about validity; the caller's time if AWS does not answer."""
        try:
            date = self._identity["ResponseMetadata"]["HTTPHeaders"].get("date")
        except UndeterminedError:
            date = None
        return parsedate_to_datetime(date) if date else self.pipeline.now

    # the device

    @reading("iot:DescribeCertificate")
    def registered(self) -> Registered | None:
        """The certificate as AWS IoT describes it; None: it is not registered."""
        iot = self.session.client("iot")
        try:
            response = iot.describe_certificate(certificateId=self.subject.certificate_id)
        except iot.exceptions.ResourceNotFoundException:
            return None
        found = response["certificateDescription"]
        ca_id = found.get("caCertificateId")
        return Registered(
            status=found["status"],
            arn=found["certificateArn"],
            ca_certificate_id=CaCertificateId(ca_id) if ca_id else None,
            certificate=_parsed(found["certificatePem"]),
            registered_at=found["creationDate"],
        )

    @property
    def certificate(self) -> Certificate | None:
        """The certificate, from the file or else from AWS IoT."""
        if self.subject.chain is not None:
            return self.subject.chain.device
        return self.registered.certificate if self.registered else None

    @cached_property
    def report(self) -> "ChainReport":
        """The findings of `jitr chain check` for the device's files, or for the certificate from AWS IoT."""
        chain = self.subject.chain
        if chain is not None:
            return check_chain(chain.pem.encode(), self.subject.key_file, self.time)
        if self.certificate is None:
            raise UndeterminedError("there is no chain file, and AWS IoT does not have the certificate")
        pem = self.certificate.pem + (self.ca.certificate.pem if self.ca else "")
        return check_chain(pem.encode(), now=self.time)

    @reading("iot:ListAttachedPolicies")
    def policies(self) -> tuple[str, ...]:
        """Names of the policies attached to the certificate."""
        if self.registered is None:
            return ()
        pages = self.session.client("iot").get_paginator("list_attached_policies")
        found = pages.paginate(target=self.registered.arn)
        return tuple(policy["policyName"] for page in found for policy in page["policies"])

    # the CA

    @property
    def ca(self) -> RegisteredCa | None:
        """The CA in AWS IoT's description of the certificate; else the registered CA that signed it."""
        return self._issuer[0]

    @property
    def ca_with_same_name(self) -> RegisteredCa | None:
        """A registered CA that has the issuer's name, but another key."""
        return self._issuer[1]

    @reading("iot:ListCACertificates")
    def _issuer(self) -> tuple[RegisteredCa | None, RegisteredCa | None]:
        if self.registered is not None and self.registered.ca_certificate_id is not None:
            return self._describe(self.registered.ca_certificate_id), None
        certificate = self.certificate
        if certificate is None:
            raise UndeterminedError("without a chain file, the device's CA is unknown")
        pages = self.session.client("iot").get_paginator("list_ca_certificates").paginate()
        ids = [CaCertificateId(entry["certificateId"]) for page in pages for entry in page["certificates"]]
        named = [
            ca
            for ca in map(self._describe, ids)
            if ca is not None and ca.certificate.x509.subject == certificate.x509.issuer
        ]
        signers = [ca for ca in named if signed(ca.certificate, certificate)]
        return next(iter(signers), None), next((ca for ca in named if ca not in signers), None)

    @property
    def deployed_ca(self) -> DeployedCa | None:
        """The CA as a part of this deployment; None if it is not a part of it."""
        found, deployed = self.ca, self.pipeline.deployment.cas
        return next((each for each in deployed if found and each.certificate_id == found.ca_id), None)

    @reading("iot:GetTopicRule")
    def rule(self) -> "TopicRuleTypeDef | None":
        """The CA's topic rule as AWS IoT describes it; None if there is none."""
        ca, iot = self.deployed_ca, self.session.client("iot")
        if ca is None:
            return None
        try:
            return iot.get_topic_rule(ruleName=ca.rule)["rule"]
        except iot.exceptions.UnauthorizedException as error:
            # AWS IoT returns this error for a missing rule too; only its message shows a missing permission.
            if "not authorized to perform" in str(error):
                raise
            return None

    def _describe(self, ca_id: CaCertificateId) -> RegisteredCa | None:
        with aws_call("iot:DescribeCACertificate"):
            try:
                return CaRegistry(self.session.client("iot")).describe(ca_id)
            except NotRegisteredError:
                return None

    # the decision

    @reading("dynamodb:GetItem")
    def row(self) -> Row | None:
        """The ledger's row; None if no event about the certificate reached the activator."""
        table = self.pipeline.output(Output.LEDGER_TABLE)
        return Ledger(self.session.client("dynamodb"), table).row(self.subject.certificate_id)

    @property
    def current_row(self) -> Row | None:
        """The ledger's row, unless it is about an earlier registration of the same certificate."""
        row, registered = self.row, self.registered
        if row is None or registered is None or row.decided_at == 0:
            return row
        decided = datetime.fromtimestamp(row.decided_at / 1000, UTC)
        return row if decided >= registered.registered_at - _CLOCKS else None

    @reading("s3:GetObject")
    def revocation(self) -> Verdict | None:
        """The pipeline's present verdict by the CA's CRL; None: the CA was declared to have no CRL."""
        device, activator = self._device_certificate(), self.pipeline.activator
        if activator is None or device.ca_certificate_id not in activator.cas_with_crl:
            return None
        bucket = activator.environment.get(environment.REVOCATION_BUCKET, "")
        check = IndexedRevocation(IndexStore(self.session.client("s3"), bucket))
        try:
            check.check(device.ca_certificate_id, device.certificate)
        except DecisionError as decided:
            return decided.verdict
        return ACTIVATED

    @reading("dynamodb:GetItem")
    def admission(self) -> Verdict | None:
        """The pipeline's present verdict by the allow list; None: the deployment has no allow list."""
        table = self.pipeline.deployment.get(Output.ALLOW_LIST_TABLE)
        if table is None:
            return None
        kind = KeyKind(self.pipeline.output(Output.ALLOW_LIST_KEY))
        try:
            AllowList(self.session.client("dynamodb"), table, kind).admit(self._device_certificate())
        except DecisionError as decided:
            return decided.verdict
        return ACTIVATED

    def _device_certificate(self) -> DeviceCertificate:
        certificate, ca = self.certificate, self.ca
        if certificate is None or ca is None:
            raise UndeterminedError("without the certificate and its CA, the decision of now is unknown")
        return DeviceCertificate(
            certificate_id=self.subject.certificate_id,
            certificate_arn=self.registered.arn if self.registered else "",
            ca_certificate_id=ca.ca_id,
            certificate=certificate,
        )


def _parsed(pem: str) -> Certificate | None:
    try:
        return Certificate.load(pem)
    except MalformedCertificateError:
        return None
