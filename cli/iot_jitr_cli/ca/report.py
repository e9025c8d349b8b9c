"""A registered CA certificate with its owner, from two calls of AWS IoT."""

from dataclasses import dataclass

from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.ca_registration.ownership import read_ownership
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaState, CaStatus
from iot_jitr_runtime.ca_registration.registry import CaRegistry, NotRegisteredError, RegisteredCa
from iot_jitr_runtime.identifiers import ID_FORMAT, CaCertificateId
from iot_jitr_runtime.ownership import Claim, UnreadableOwnershipError


@dataclass(frozen=True)
class CaReport:
    """A registered CA certificate, and the stack and resource that manage it."""

    ca: RegisteredCa
    managed_by: str | None
    """The stack and resource that manage it; None if no stack manages it."""
    adopted: bool
    """Whether deleting that resource restores the former state of the CA certificate."""

    @property
    def steps_off_template(self) -> tuple[tuple[str, str], ...]:
        """The steps after which this project decides about the CA's devices: purpose and command of each.

        Empty if the CA has no provisioning template. Devices that the template has activated stay active.
        `removeAutoRegistration` of
        https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateCACertificate.html
        """
        if not self.ca.has_template:
            return ()
        ca = f"--certificate-id {self.ca.ca_id}"
        off = "--remove-auto-registration --new-auto-registration-status DISABLE"
        return (
            (
                "keep what the template does, to configure the same in cdk.json",
                f"aws iot describe-ca-certificate {ca} --query registrationConfig",
            ),
            (
                "take the template off; until the deployment no new device registers",
                f"aws iot update-ca-certificate {ca} {off}",
            ),
            ("see that it is off", f"jitr ca show {self.ca.ca_id}"),
            ("let the stack adopt the CA", "npx cdk deploy"),
        )

    @property
    def registers_devices(self) -> bool:
        """Whether a device with a certificate of this CA is registered when it first connects."""
        return self.ca.state == CaState(CaStatus.ACTIVE, AutoRegistration.ENABLE)


def report(registry: CaRegistry, ca_id: CaCertificateId) -> CaReport:
    """Read one CA certificate and its tags.

    Raises:
        WrongUseError: There is no CA certificate with this id.
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
    except UnreadableOwnershipError as error:
        return CaReport(found, f"unreadable: {error}", adopted=False)
    if ownership is None:
        return CaReport(found, None, adopted=False)
    gone = " (gone)" if ownership.claim is Claim.RELEASED else ""
    return CaReport(found, f"{ownership.owner}{gone}", adopted=former_state is not None)


def resolve(registry: CaRegistry, text: str) -> CaCertificateId:
    """The id that is `text` or begins with `text`.

    Raises:
        WrongUseError: No id or more than one id of a CA certificate begins with `text`, or `text` is empty.
    """
    text = text.lower()
    if not text:
        # Every id begins with an empty text. With an unset shell variable, 'disable' would use the only CA.
        raise WrongUseError("found an empty id, expected one that 'jitr ca list' names, or its beginning")
    if ID_FORMAT.fullmatch(text):
        return CaCertificateId(text)
    matches = [ca_id for ca_id in registry.ids() if ca_id.startswith(text)]
    if not matches:
        raise WrongUseError(f"no CA certificate's id begins with '{text}'; 'jitr ca list' names them")
    if len(matches) > 1:
        raise WrongUseError(f"{len(matches)} CA certificates' ids begin with '{text}'; give more of it")
    return matches[0]
