"""Create, update and delete of the registration of a CA certificate.

Each of the three may be repeated, and may be interrupted after any call. Registration is one call with the
state and the ownership tags, and no step that can fail follows it. Changes of a CA that is registered already
are undone when one of them fails.
"""

import logging
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

from iot_jitr_runtime.ca_registration.ownership import (
    UNREGISTERED,
    AdoptionError,
    read_ownership,
    take_ownership,
)
from iot_jitr_runtime.ca_registration.properties import (
    AutoRegistration,
    CaProperties,
    CaState,
    CaStatus,
    OnDelete,
)
from iot_jitr_runtime.ca_registration.registry import (
    AlreadyRegisteredError,
    CaRegistry,
    NotRegisteredError,
    OutcomeUnknownError,
    RegisteredCa,
    RegistryError,
)
from iot_jitr_runtime.ca_registration.signing import read_ca_certificate, verification_certificate
from iot_jitr_runtime.ca_registration.validation import check_ca_certificate, load_ca_certificate
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ownership import CLAIM, KEYS, Claim, Owner, Ownership, UnreadableOwnershipError

log = logging.getLogger(__name__)

_OFF = CaState(CaStatus.INACTIVE, AutoRegistration.DISABLE)

IN_ANOTHER_ACCOUNT = "the CA certificate is already registered, but not in this account"
"""The beginning of the reason in CloudFormation for a CA of another account; `jitr doctor` reads it."""


class CaLifecycle:
    """Creates, updates and deletes on behalf of one resource."""

    def __init__(self, registry: CaRegistry, owner: Owner, client: Callable[[str], Any]) -> None:
        """Prepare; `client` makes the boto3 client of a service, for the signer in use only."""
        self._registry = registry
        self._owner = owner
        self._client = client

    def create(self, properties: CaProperties) -> RegisteredCa:
        """Register the CA, or take over an earlier registration.

        An earlier registration needs no verification certificate: the signer need not work. If it is our own,
        the CA may even have expired: the roll-back to a CA whose key is no longer available must succeed.

        Raises:
            JitrError: It failed, and all changes of the attempt are undone.
        """
        ca = self._ca_certificate(properties)
        acceptable = False
        try:
            check_ca_certificate(ca)
            acceptable = True
            verification = verification_certificate(
                properties.signer, ca, self._registry.registration_code, self._client
            )
        except JitrError:
            registered_id = self._registration(ca, of_any_owner=acceptable)
            if registered_id is None:
                raise
            return self.take_over(registered_id, ca, properties)
        tags = {**properties.ca_tags, **Ownership(self._owner, UNREGISTERED).to_tags()}
        try:
            return self._registry.register(ca, verification, properties.mode, properties.state, tags)
        except (AlreadyRegisteredError, OutcomeUnknownError) as error:
            return self.take_over(self._id_after(error, ca), ca, properties)

    def update(
        self,
        ca_id: CaCertificateId,
        properties: CaProperties,
        former_tags: AbstractSet[str] = frozenset(),
    ) -> RegisteredCa:
        """Set the CA's new state; for another certificate, register that one.

        For another certificate, the returned id differs from `ca_id`. CloudFormation then deletes the old CA,
        with the old properties, after all other resources use the new one.

        Args:
            ca_id: The registered CA.
            properties: Its new properties.
            former_tags: Keys of the tags that the old properties had set.

        Raises:
            JitrError: It failed, and the CA is as it was.
        """
        ca = self._ca_certificate(properties)
        try:
            current = self._registry.describe(ca_id)
        except NotRegisteredError:
            return self.create(properties)
        if current.certificate.der != ca.der:
            return self.create(properties)
        return self.take_over(ca_id, ca, properties, former_tags)

    def delete(self, ca_id: CaCertificateId, properties: CaProperties) -> None:
        """Apply `on_delete` to the CA, or restore the former state of an adopted CA.

        A CA that no longer exists causes no error. A CA that this resource does not manage (any more) is not
        changed.

        Raises:
            RegistryError: It failed; it may be tried again.
        """
        try:
            self._give_up(self._registry.describe(ca_id), properties)
        except NotRegisteredError:
            log.info("the CA certificate %s is gone already", ca_id)

    def take_over(
        self,
        ca_id: CaCertificateId,
        ca: Certificate,
        properties: CaProperties,
        former_tags: AbstractSet[str] = frozenset(),
    ) -> RegisteredCa:
        """Manage a registered CA: tags first, so that the former state of an adopted one is never lost.

        Raises:
            AdoptionError: It must not be taken over.
            RegistryError: A call failed, and the CA is as it was.
        """
        try:
            found = self._registry.describe(ca_id)
        except NotRegisteredError as error:
            raise AdoptionError(
                f"{IN_ANOTHER_ACCOUNT}: in mode DEFAULT only one account of a region may hold it; delete it "
                "there, or use mode SNI_ONLY in each account"
            ) from error
        tags = self._registry.tags(found.arn)
        ownership = take_ownership(found, tags, ca, properties, self._owner)
        wanted_tags = {**properties.ca_tags, **ownership.to_tags()}
        obsolete = (former_tags - properties.ca_tags.keys() - KEYS) & tags.keys()
        # Only the tags that change are restored: AWS's own tags, which begin with "aws:", cannot be set.
        changing = {key: value for key, value in tags.items() if key in wanted_tags.keys() | obsolete}
        with ExitStack() as undo:
            undo.callback(_try, self._registry.tag, found.arn, changing)
            undo.callback(_try, self._registry.untag, found.arn, wanted_tags.keys() - tags.keys())
            self._registry.tag(found.arn, wanted_tags)
            self._registry.untag(found.arn, obsolete)
            if found.state != properties.state:
                undo.callback(_try, self._registry.set_state, ca_id, found.state)
                self._registry.set_state(ca_id, properties.state)
            undo.pop_all()
        return replace(found, state=properties.state)

    def _ca_certificate(self, properties: CaProperties) -> Certificate:
        if properties.ca_certificate_pem is None:
            return read_ca_certificate(properties.signer, self._client)
        return load_ca_certificate(properties.ca_certificate_pem)

    def _registration(self, ca: Certificate, *, of_any_owner: bool) -> CaCertificateId | None:
        """The id of the registration of `ca` by this resource or any owner; None also if a call fails."""
        with suppress(JitrError):
            found = self._registry.find(ca)
            if found is None:
                return None
            if of_any_owner:
                return found.ca_id
            ownership = Ownership.from_tags(self._registry.tags(found.arn))
            if ownership and ownership.owner == self._owner:
                return found.ca_id
        return None

    def _id_after(
        self, error: AlreadyRegisteredError | OutcomeUnknownError, ca: Certificate
    ) -> CaCertificateId:
        """Return the id under which `ca` is registered, after a registration that failed with `error`."""
        if isinstance(error, AlreadyRegisteredError) and error.ca_id:
            return error.ca_id
        found = self._registry.find(ca)
        if found is None:
            raise error
        return found.ca_id

    def _give_up(self, found: RegisteredCa, properties: CaProperties) -> None:
        try:
            ownership, former_state = read_ownership(self._registry.tags(found.arn))
        except UnreadableOwnershipError as error:
            log.warning("%s; the CA certificate %s stays as it is", error, found.ca_id)
            return
        if ownership is None or ownership.owner != self._owner:
            log.warning("this resource does not manage the CA certificate %s: it stays as it is", found.ca_id)
        elif properties.on_delete is OnDelete.RETAIN:
            self._release(found, found.state)
        elif former_state is not None:
            self._registry.set_state(found.ca_id, former_state)
            self._registry.untag(found.arn, KEYS | properties.ca_tags.keys())
        elif properties.on_delete is OnDelete.DISABLE:
            self._release(found, replace(found.state, auto_registration=AutoRegistration.DISABLE))
        elif properties.on_delete is OnDelete.DEACTIVATE:
            self._release(found, _OFF)
        else:
            self._registry.set_state(found.ca_id, _OFF)
            self._registry.delete(found.ca_id)

    def _release(self, found: RegisteredCa, state: CaState) -> None:
        if state != found.state:
            self._registry.set_state(found.ca_id, state)
        self._registry.tag(found.arn, {CLAIM: Claim.RELEASED.value})


def _try(undo: Callable[..., Any], *arguments: Any) -> None:
    """Undo one change. A failure is only logged, so that the other changes are undone too."""
    try:
        undo(*arguments)
    except RegistryError as error:
        log.error("could not undo a change of the CA certificate: %s", error)  # noqa: TRY400 -- one line is enough
