"""Lints a device policy, and evaluates the access that it would allow one device."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.policy.evaluation import Session
from iot_jitr_cli.policy.reach import Device, Evaluation, own_client_id, reach
from iot_jitr_policy.document import PolicyDocument, PolicySyntaxError
from iot_jitr_policy.lint import Finding, lint
from iot_jitr_policy.vocabulary import VERSION
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.outcomes import RefusedError
from iot_jitr_runtime.policy import PLACEHOLDER, Placeholder, PolicyKind
from iot_jitr_runtime.policy.attachment import filled
from iot_jitr_runtime.policy.common_name import LONGEST, check_common_name

EXAMPLE = "sensor-7"
"""The common name of the example device, used if no certificate is given."""

EXAMPLE_SERIAL_NUMBER = "a1b2"


@dataclass(frozen=True)
class PolicyReport:
    """The result of `jitr policy check`."""

    kind: PolicyKind | None = None
    """None if the text is not a policy."""
    syntax_error: PolicySyntaxError | None = None
    findings: Sequence[Finding] = ()
    refused: str | None = None
    """The reason if a device with this certificate would be refused before the policy is used."""
    device: Session | None = None
    neighbour: Session | None = None
    evaluations: Sequence[Evaluation] = ()

    @property
    def is_good(self) -> bool:
        """Whether the policy may be deployed, and allows no unacknowledged access to other devices."""
        broken = any(finding.acknowledged is None for finding in self.findings)
        return not (self.syntax_error or broken or self.refused or self.unacknowledged_access)

    @property
    def unacknowledged_access(self) -> list[Evaluation]:
        """Unacknowledged access to a neighbour's resources."""
        return [
            each
            for each in self.evaluations
            if each.reaches_neighbour
            and not (each.decision.statement and each.decision.statement.acknowledge)
        ]


def check_policy(text: str, certificate: Certificate | None, thing_name: str | None) -> PolicyReport:
    """Lint a policy template, and evaluate the actions that it would allow a device.

    Args:
        text: The template. With placeholders, it is a template of per-device policies.
        certificate: The device's certificate; None: an example device is used.
        thing_name: Name of the device's thing; None if devices have no things.

    Raises:
        WrongUseError: The certificate's common name is empty, and the policy does not need it.
    """
    try:
        document = PolicyDocument.parse(text)
    except PolicySyntaxError as error:
        return PolicyReport(syntax_error=error)
    kind = PolicyKind.PER_DEVICE if PLACEHOLDER.search(document.text()) else PolicyKind.SHARED
    findings = lint(document, kind)
    try:
        device = _device(document, certificate, thing_name)
    except RefusedError as error:
        return PolicyReport(kind, findings=findings, refused=str(error))
    own, neighbour = (_render_for(document, session) for session in (device, _neighbour(device)))
    return PolicyReport(
        kind,
        findings=findings,
        device=own.session,
        neighbour=neighbour.session,
        evaluations=reach(own, neighbour),
    )


def _device(document: PolicyDocument, certificate: Certificate | None, thing_name: str | None) -> Session:
    """The device, with its common name or serial number as client id."""
    if certificate is None:
        return Session(EXAMPLE, EXAMPLE, thing_name, EXAMPLE_SERIAL_NUMBER)
    if document.needs_common_name:
        check_common_name(certificate)
    name = next(iter(certificate.common_names), certificate.serial_number)
    if not name:
        raise WrongUseError(
            "--as: the common name of the certificate is empty, so the device has no client id; expected 1 "
            f"to {LONGEST} characters, or a certificate without a common name"
        )
    return Session.of(certificate, name, thing_name)


def _neighbour(device: Session) -> Session:
    """Another device; each of its names begins with the corresponding name of this device."""
    return Session(**{name: value and f"{value}2" for name, value in asdict(device).items()})


def _render_for(document: PolicyDocument, session: Session) -> Device:
    """The device's session at the broker, with the policy that would be rendered for the device."""
    rendered = _rendered(document, session)
    client_id = own_client_id(Device(session, rendered)) or session.client_id
    return Device(replace(session, client_id=client_id), rendered)


def _rendered(document: PolicyDocument, session: Session) -> PolicyDocument:
    """The document for one device, with its acknowledgements; unchanged if a placeholder is not known."""
    if not set(PLACEHOLDER.findall(document.text())) <= set(Placeholder):
        return document
    values: Mapping[Placeholder, Callable[[], str]] = {
        Placeholder.COMMON_NAME: lambda: session.common_name or "",
        Placeholder.SERIAL_NUMBER: lambda: session.serial_number or "",
        Placeholder.THING_NAME: lambda: session.thing_name or "",
    }
    raw = {"Version": VERSION, "Statement": [dict(statement.source) for statement in document.statements]}
    return PolicyDocument.parse(json.dumps(filled(raw, values)))
