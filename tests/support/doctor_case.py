"""A device without problems, for tests of `jitr doctor`: each fact can be replaced by a value or an error."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

from iot_jitr_cli.chain import parse_chain
from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.doctor.facts.account import Identity
from iot_jitr_cli.doctor.facts.ca import Issuer
from iot_jitr_cli.doctor.facts.case import Case, Presented, Subject
from iot_jitr_cli.doctor.facts.device import Registered
from iot_jitr_cli.doctor.facts.function import Activator
from iot_jitr_cli.doctor.facts.pipeline import Queue, Rule
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceIdentity, DeviceSpec
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_policy.document import PolicyDocument
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaState, CaStatus, Mode
from iot_jitr_runtime.ca_registration.registry import RegisteredCa
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import Row, State
from iot_jitr_runtime.stack_outputs import Output

NOW = datetime.now(UTC).replace(microsecond=0)
CA_ID = CaCertificateId("ca" * 32)
ACCOUNT = "123456789012"
REGION = "eu-central-1"
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/activation"
DEAD_LETTER_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/dead-letters"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/stack-rules"
RULE = "stack_rule"
POLICY = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Connect",
"Resource": "arn:aws:iot:eu-central-1:123456789012:client/${iot:Certificate.Subject.CommonName}"}]}"""
OUTPUTS = {
    "FactoryCaCertificateId": CA_ID,
    "FactoryRule": RULE,
    Output.ACTIVATION_QUEUE_URL: QUEUE_URL,
    Output.DEAD_LETTER_QUEUE_URL: DEAD_LETTER_URL,
    Output.LEDGER_TABLE: "ledger",
    Output.ACTIVATOR_FUNCTION: "activator",
    Output.ACTIVATOR_LOG_GROUP: "/log/activator",
    Output.ACTIVATOR_ROLE: "activator-role",
    Output.RULES_ROLE: "rules-role",
}


@cache
def ca() -> DevelopmentCa:
    return DevelopmentCa.create("Factory CA")


@cache
def other_ca() -> DevelopmentCa:
    return DevelopmentCa.create("Other CA")


@cache
def device() -> DeviceIdentity:
    return ca().issue(DeviceSpec("sensor-7"))


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def row(state: State | None = State.ACTIVATED, **values: Any) -> Row:
    """What the ledger says of the device, decided a minute ago."""
    decided = milliseconds(NOW - timedelta(minutes=1))
    return Row(
        CertificateId(device().certificate.fingerprint),
        state=state,
        **{
            "decided_at": decided,
            "look_again_at": decided + 60_000,
            "policy_name": "device-policy",
            **values,
        },
    )


def registered_ca(**changes: Any) -> RegisteredCa:
    values: dict[str, Any] = {
        "ca_id": CA_ID,
        "arn": f"arn:aws:iot:{REGION}:{ACCOUNT}:cacert/{CA_ID}",
        "certificate": ca().certificate,
        "state": CaState(CaStatus.ACTIVE, AutoRegistration.ENABLE),
        "mode": Mode.DEFAULT,
        "has_template": False,
    }
    return RegisteredCa(**(values | changes))


def presented(chain: str | None = None, key: bytes | None = None) -> Presented:
    """A device's files: the healthy one's, or another chain with its key or without one."""
    if chain is None:
        chain, key = device().chain_pem, key_pem(device().key) if key is None else key
    return Presented(chain.encode(), parse_chain(chain.encode()), key)


class _Facts(SimpleNamespace):
    """Facts that are there; a value that is an exception is raised instead."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if isinstance(value, Exception):
            raise value
        return value


def _answering(value: Any) -> Callable[..., Any]:
    def answer(*_: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value

    return answer


@dataclass
class DiagnosedDevice:
    """Facts about a device that is in; change what shall be wrong, then take `case`."""

    status: str | None = "ACTIVE"
    """None: AWS IoT has never seen it."""
    presented: Presented | None = field(default_factory=presented)
    subject: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)

    def with_facts(self, **changes: Any) -> "DiagnosedDevice":
        self.changes |= changes
        return self

    @property
    def certificate(self) -> Any:
        return self.presented.chain.device if self.presented else device().certificate

    def registered(self) -> Registered | None:
        if self.status is None:
            return None
        certificate = self.certificate
        return Registered(
            status=self.status,
            arn=f"arn:aws:iot:{REGION}:{ACCOUNT}:cert/{certificate.fingerprint}",
            ca_certificate_id=CA_ID,
            certificate=certificate,
            registered_at=NOW - timedelta(minutes=5),
        )

    def facts(self) -> dict[str, Any]:
        certificate = self.certificate
        activator = Activator(
            "activator",
            f"arn:aws:iam::{ACCOUNT}:role/stack-activator",
            "Active",
            "Successful",
            "",
            {"JITR_ACTIVATIONS_PER_SECOND": "10", "JITR_CAS": "{}"},
        )
        return {
            "identity": Identity(ACCOUNT, NOW),
            "endpoint": f"abc123-ats.iot.{REGION}.amazonaws.com",
            "registered": self.registered(),
            "certificate": certificate,
            "policies": ("device-policy",),
            "documents": (PolicyDocument.parse(POLICY),),
            "things": (),
            "authorization": {"authDecision": "ALLOWED"},
            "issuer": Issuer(registered_ca()),
            "registration_failure": "",
            "deployment": Deployment("stack", REGION, OUTPUTS),
            "activation_queue": Queue(QUEUE_URL, f"arn:aws:sqs:{REGION}:{ACCOUNT}:activation", 0, 0, 0),
            "dead_letter_queue": Queue(
                DEAD_LETTER_URL, f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead-letters", 0, 0, 0
            ),
            "rule": Rule(
                RULE,
                f"SELECT * FROM '$aws/events/certificates/registered/{CA_ID}'",
                disabled=False,
                queue_url=QUEUE_URL,
                role_arn=ROLE,
            ),
            "denied": [],
            "trusted_services": {"iot.amazonaws.com"},
            "activator": activator,
            "reserved_concurrency": None,
            "event_source": {"UUID": "mapping-1", "State": "Enabled", "LastProcessingResult": "OK"},
            "last_error": None,
            "recent": {},
            "row": row(),
            "dead_letter": None,
            "revocation": None,
            "admission": None,
            **self.changes,
        }

    @property
    def case(self) -> Case:
        facts = self.facts()

        def of(*names: str, calls: tuple[str, ...] = (), **more: Any) -> Any:
            asked = {name: _answering(facts[name]) for name in calls}
            return _Facts(**{name: facts[name] for name in names}, **asked, **more)

        deployment = facts["deployment"]

        def output(name: Output) -> str:
            if isinstance(deployment, Exception):
                raise deployment
            return cast("str", deployment[name])

        return Case(
            subject=Subject(
                **{
                    "certificate_id": CertificateId(self.certificate.fingerprint),
                    "presented": self.presented,
                    **self.subject,
                }
            ),
            now=NOW,
            account=of("identity", "endpoint"),
            device=of(
                "registered",
                "certificate",
                "policies",
                "documents",
                "things",
                calls=("authorization",),
            ),
            ca=of("issuer", "registration_failure"),
            pipeline=of(
                "deployment",
                "activation_queue",
                "dead_letter_queue",
                calls=("rule", "denied", "trusted_services"),
                output=output,
            ),
            function=of("activator", "reserved_concurrency", "event_source", "last_error", "recent"),
            decision=of("row", "dead_letter"),
            present=of("revocation", "admission"),
        )
