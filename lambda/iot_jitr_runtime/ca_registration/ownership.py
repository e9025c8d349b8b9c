"""Which resource manages a registered CA, and whether another one may take it over."""

from collections.abc import Mapping

from iot_jitr_runtime.ca_registration.properties import CaProperties, CaState, OnExisting
from iot_jitr_runtime.ca_registration.registry import RegisteredCa
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.ownership import Claim, Owner, Ownership, UnreadableOwnershipError

UNREGISTERED = "unregistered"
"""The former state of a CA that its owner has registered, not adopted."""


class AdoptionError(JitrError):
    """The CA is registered already and must not be taken over."""


def read_ownership(tags: Mapping[str, str]) -> tuple[Ownership | None, CaState | None]:
    """Read a CA's tags.

    Returns:
        Its ownership, None where nothing manages it; and the state to restore when its owner is deleted, None
        where the owner registered it.

    Raises:
        UnreadableOwnershipError: The tags are incomplete, or were changed.
    """
    ownership = Ownership.from_tags(tags)
    if ownership is None or ownership.former_state == UNREGISTERED:
        return ownership, None
    try:
        return ownership, CaState.parse(ownership.former_state)
    except ValueError as error:
        raise UnreadableOwnershipError(tags, error) from error


def take_ownership(
    found: RegisteredCa, tags: Mapping[str, str], ca: Certificate, properties: CaProperties, owner: Owner
) -> Ownership:
    """Decide whether `owner` may manage the registered CA `found`, which has `tags`.

    Returns:
        The ownership to write on it: with the former state that the owner recorded earlier, or for a CA that
        is adopted now with its present state.

    Raises:
        AdoptionError: It may not.
        UnreadableOwnershipError: The ownership tags are incomplete, or were changed.
    """
    before, _ = read_ownership(tags)
    is_own = before is not None and before.owner == owner
    _check_template(found)
    _check_certificate(found, ca)
    _check_mode(found, properties, is_own=is_own)
    if before is not None and is_own:
        return Ownership(owner, before.former_state)
    if before is not None and before.claim is Claim.HELD:
        raise AdoptionError(
            f"the CA certificate {found.ca_id} is managed by {before.owner}; a CA belongs to one pipeline of "
            "an account and region: is it configured twice? If it moved, deploy once without it (on_delete: "
            "retain keeps it working), then add it here"
        )
    if properties.on_existing is OnExisting.FAIL:
        raise AdoptionError(
            f"the CA certificate is already registered with id {found.ca_id}; set on_existing to 'adopt' to "
            "use it as it is, or delete it first"
        )
    return Ownership(owner, former_state=str(found.state))


def _check_template(found: RegisteredCa) -> None:
    if found.has_template:
        raise AdoptionError(
            f"the CA certificate {found.ca_id} has a registrationConfig (just-in-time provisioning): AWS's "
            "template would activate its devices past every check of this pipeline; take the template off "
            f"('jitr ca show {found.ca_id}' names the steps), and deploy again"
        )


def _check_certificate(found: RegisteredCa, ca: Certificate) -> None:
    if found.certificate.der != ca.der:
        raise AdoptionError(
            f"AWS IoT has another certificate of the same CA, id {found.ca_id}, serial number "
            f"{found.certificate.serial_number}, valid until {found.certificate.not_after:%Y-%m-%d}; the one "
            f"given has serial number {ca.serial_number}: give the registered one, or delete it first"
        )


def _check_mode(found: RegisteredCa, properties: CaProperties, *, is_own: bool) -> None:
    if found.mode is properties.mode:
        return
    if not is_own:
        raise AdoptionError(
            f"the CA certificate {found.ca_id} is registered in mode {found.mode}, the configuration has "
            f"{properties.mode}; set mode to {found.mode} to adopt it, or delete it first"
        )
    raise AdoptionError(
        f"the CA certificate {found.ca_id} is registered in mode {found.mode} and cannot change to "
        f"{properties.mode}: an account holds a CA once. It takes two deployments: (1) take this CA out of "
        "the configuration and deploy; where its on_delete was not 'delete', delete the CA certificate by "
        f"hand ('aws iot update-ca-certificate --certificate-id {found.ca_id} --new-status INACTIVE', then "
        f"'aws iot delete-ca-certificate --certificate-id {found.ca_id}'); (2) put it back with mode "
        f"{properties.mode} and deploy. Devices already registered stay"
    )
