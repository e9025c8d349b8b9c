"""May this resource look after a CA certificate that is registered already, and as what?"""

from collections.abc import Mapping

from iot_jitr_runtime.ca_registration.ownership import Claim, Owner, Ownership
from iot_jitr_runtime.ca_registration.properties import CaProperties, OnExisting
from iot_jitr_runtime.ca_registration.registry import RegisteredCa
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError


class AdoptionError(JitrError):
    """The registered CA must not be taken over."""


class ProvisioningTemplateError(AdoptionError):
    """The CA has a provisioning template: AWS would activate its devices past every check."""


class OtherCertificateError(AdoptionError):
    """Another certificate of the same CA is registered."""


class ModeChangeError(AdoptionError):
    """The CA is registered in the other mode, and a registered CA's mode cannot change."""


class HeldByAnotherError(AdoptionError):
    """Another resource looks after the CA."""


class AlreadyThereError(AdoptionError):
    """The CA is registered, and `on_existing` is `fail`."""


def ownership_of(  # noqa: PLR0913  each of them decides
    found: RegisteredCa,
    tags: Mapping[str, str],
    ca: Certificate,
    properties: CaProperties,
    *,
    owner: Owner,
    former_owner: Owner,
) -> Ownership:
    """Decide as what `owner`, `former_owner` until now, may take the CA `found`, which carries `tags`.

    Returns:
        The ownership to write on it: as it was for a CA of our own, with the present state to return to for
        one that is adopted.

    Raises:
        AdoptionError: It may not; one subclass for each reason.
        UnreadableOwnershipError: The tags that say whose it is are damaged.
    """
    before = Ownership.from_tags(tags)
    is_own = before is not None and before.owner in {owner, former_owner}
    _check_template(found)
    _check_certificate(found, ca)
    _check_mode(found, properties, is_own=is_own)
    if before is not None and is_own:
        return Ownership(owner, Claim.HELD, before.former_state)
    if before is not None and before.claim is Claim.HELD:
        raise HeldByAnotherError(
            f"the CA certificate {found.ca_id} is looked after by {before.owner}; a CA belongs to one "
            "pipeline of an account and region: is it configured twice? If it moved, deploy once without it "
            "(on_delete: retain keeps it working), then add it here"
        )
    if properties.on_existing is OnExisting.FAIL:
        raise AlreadyThereError(
            f"the CA certificate is already registered with id {found.ca_id}; set on_existing to 'adopt' to "
            "use it as it is, or delete it first"
        )
    return Ownership(owner, Claim.HELD, former_state=found.state)


def _check_template(found: RegisteredCa) -> None:
    if found.has_template:
        raise ProvisioningTemplateError(
            f"the CA certificate {found.ca_id} has a registrationConfig (just-in-time provisioning): AWS's "
            "template would activate its devices past every check of this pipeline; remove the template from "
            "the CA first, by deleting the CA certificate and registering it again without one"
        )


def _check_certificate(found: RegisteredCa, ca: Certificate) -> None:
    if found.certificate.der != ca.der:
        raise OtherCertificateError(
            f"AWS IoT holds another certificate of the same CA, id {found.ca_id}, serial number "
            f"{found.certificate.serial_number}, valid until {found.certificate.not_after:%Y-%m-%d}; the one "
            f"given has serial number {ca.serial_number}: give the registered one, or delete it first"
        )


def _check_mode(found: RegisteredCa, properties: CaProperties, *, is_own: bool) -> None:
    if found.mode is properties.mode:
        return
    if not is_own:
        raise ModeChangeError(
            f"the CA certificate {found.ca_id} is registered in mode {found.mode}, the configuration says "
            f"{properties.mode}; set mode to {found.mode} to adopt it, or delete it first"
        )
    raise ModeChangeError(
        f"the CA certificate {found.ca_id} is registered in mode {found.mode} and cannot change to "
        f"{properties.mode}: an account holds a CA once. It takes two deployments: (1) take this CA out of "
        "the configuration and deploy; where its on_delete was not 'delete', delete the CA certificate by "
        f"hand ('aws iot update-ca-certificate --certificate-id {found.ca_id} --new-status INACTIVE', then "
        f"'aws iot delete-ca-certificate --certificate-id {found.ca_id}'); (2) put it back with mode "
        f"{properties.mode} and deploy. Devices already registered stay"
    )
