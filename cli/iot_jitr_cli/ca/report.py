"""What there is to know about a registered CA certificate, gathered from three calls."""

import re
from dataclasses import dataclass
from datetime import datetime

from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.ca_registration.ownership import read_ownership
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaStatus, Mode
from iot_jitr_runtime.ca_registration.registry import CaRegistry, NotRegisteredError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ownership import Claim, Ownership, UnreadableOwnershipError

_FULL_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class CaReport:
    """A registered CA certificate."""

    certificate_id: CaCertificateId
    arn: str
    subject: str
    status: CaStatus
    auto_registration: AutoRegistration
    mode: Mode
    not_before: datetime
    not_after: datetime
    has_provisioning_template: bool
    """Whether AWS's own just-in-time provisioning activates its devices, past every check of a pipeline."""
    managed_by: str | None
    """The stack and resource that manage it; None for none."""
    adopted: bool
    """Whether its former state is restored when that resource is deleted."""
    certificate_pem: str

    @property
    def steps_off_template(self) -> tuple[tuple[str, str], ...]:
        """What to do so that this project decides about its devices: what for, and the command.

        Empty where it has no provisioning template. Devices that the template has activated stay in.
        `removeAutoRegistration` of
        https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCACertificate.html
        """
        if not self.has_provisioning_template:
            return ()
        ca = f"--certificate-id {self.certificate_id}"
        off = "--remove-auto-registration --new-auto-registration-status DISABLE"
        return (
            (
                "keep what the template does, to say the same in cdk.json",
                f"aws iot describe-ca-certificate {ca} --query registrationConfig",
            ),
            (
                "take the template off; until the deployment no new device registers",
                f"aws iot update-ca-certificate {ca} {off}",
            ),
            ("see that it is off", f"jitr ca show {self.certificate_id}"),
            ("let the stack adopt the CA", "npx cdk deploy"),
        )

    @property
    def registers_devices(self) -> bool:
        """Whether a device with a certificate of this CA is registered when it first connects."""
        return self.status is CaStatus.ACTIVE and self.auto_registration is AutoRegistration.ENABLE


def report(registry: CaRegistry, ca_id: CaCertificateId) -> CaReport:
    """Look at one CA certificate.

    Raises:
        WrongUseError: There is none with this id.
        RegistryError: AWS IoT did not answer.
    """
    try:
        found = registry.describe(ca_id)
    except NotRegisteredError as error:
        raise WrongUseError(
            f"no CA certificate {ca_id} in this account and region; 'jitr ca list' names them"
        ) from error
    try:
        ownership, former_state = read_ownership(registry.tags(found.arn))
        owner = _owner(ownership)
    except UnreadableOwnershipError as error:
        owner, former_state = f"unreadable: {error}", None
    return CaReport(
        certificate_id=ca_id,
        arn=found.arn,
        subject=found.certificate.subject,
        status=found.state.status,
        auto_registration=found.state.auto_registration,
        mode=found.mode,
        not_before=found.certificate.not_before,
        not_after=found.certificate.not_after,
        has_provisioning_template=found.has_template,
        managed_by=owner,
        adopted=former_state is not None,
        certificate_pem=found.certificate.pem,
    )


def reports(registry: CaRegistry) -> list[CaReport]:
    """Look at every CA certificate of the account and region."""
    return [report(registry, ca_id) for ca_id in registry.ids()]


def resolve(registry: CaRegistry, text: str) -> CaCertificateId:
    """The id that `text`, an id or the beginning of one, stands for.

    Raises:
        WrongUseError: No CA certificate's id begins so, or several do, or `text` is empty.
    """
    text = text.lower()
    if not text:
        # A shell variable that is not set begins every id: 'disable' would take it for the only CA.
        raise WrongUseError("found an empty id, expected one that 'jitr ca list' names, or its beginning")
    if _FULL_ID.fullmatch(text):
        return CaCertificateId(text)
    matches = [ca_id for ca_id in registry.ids() if ca_id.startswith(text)]
    if not matches:
        raise WrongUseError(f"no CA certificate's id begins with '{text}'; 'jitr ca list' names them")
    if len(matches) > 1:
        raise WrongUseError(f"{len(matches)} CA certificates' ids begin with '{text}'; give more of it")
    return matches[0]


def _owner(ownership: Ownership | None) -> str | None:
    if ownership is None:
        return None
    return str(ownership.owner) + (" (gone)" if ownership.claim is Claim.RELEASED else "")
