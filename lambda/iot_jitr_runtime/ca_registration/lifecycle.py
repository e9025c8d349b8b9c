"""What becomes of a CA certificate when its resource is created, updated and deleted.

Each of the three may be repeated, and cut off anywhere. Registration is one call that carries the state and
the ownership tags, and nothing that can fail follows it; changes of a CA that is registered already are taken
back when one of them fails.
"""

import logging
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import Any

from iot_jitr_runtime.ca_registration.adoption import ownership_of
from iot_jitr_runtime.ca_registration.api_errors import (
    AlreadyRegisteredError,
    NotRegisteredError,
    OutcomeUnknownError,
    RegistryError,
)
from iot_jitr_runtime.ca_registration.ownership import (
    CLAIM,
    KEYS,
    Claim,
    Owner,
    Ownership,
    UnreadableOwnershipError,
)
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaProperties, CaStatus, OnDelete
from iot_jitr_runtime.ca_registration.registry import CaRegistry, CaState, RegisteredCa
from iot_jitr_runtime.ca_registration.signers.base import Signer
from iot_jitr_runtime.ca_registration.validation import check_ca_certificate, load_ca_certificate
from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CaCertificateId

log = logging.getLogger(__name__)

_OFF = CaState(CaStatus.INACTIVE, AutoRegistration.DISABLE)

IN_ANOTHER_ACCOUNT = "the CA certificate is already registered, but not in this account"
"""Begins the reason that CloudFormation shows for `InAnotherAccountError`; `jitr doctor` looks for it."""


class InAnotherAccountError(JitrError):
    """The CA is registered, but not in this account."""


@dataclass(frozen=True)
class Former:
    """What the resource was before an update."""

    owner: Owner
    """Itself; under another path if it was moved, which CloudFormation does not take for another resource."""
    tags: AbstractSet[str] = frozenset()
    """Keys of the tags it had set."""


class CaLifecycle:
    """Creates, updates and deletes on behalf of one resource."""

    def __init__(self, registry: CaRegistry, owner: Owner) -> None:
        self._registry = registry
        self._owner = owner

    def create(self, properties: CaProperties, signer: Signer) -> RegisteredCa:
        """Register the CA, take up our own earlier registration of it, or adopt it.

        Our own needs no proof of possession any more, nor must it be valid still: a roll-back to a CA whose
        key has been put away must succeed.

        Raises:
            JitrError: It could not be done, and nothing is left of the attempt.
        """
        ca = _ca_certificate(properties, signer)
        try:
            check_ca_certificate(ca)
            verification = signer.verification_certificate(ca, self._registry.registration_code)
        except JitrError:
            kept = self._own(ca)
            if kept is None:
                raise
            return self._take_up(kept, ca, properties)
        tags = {**properties.tags, **Ownership(self._owner).to_tags()}
        try:
            return self._registry.register(ca, verification, properties.mode, _wanted(properties), tags)
        except (AlreadyRegisteredError, OutcomeUnknownError) as error:
            return self._take_up(self._id_of(ca, error), ca, properties)

    def update(
        self, ca_id: CaCertificateId, properties: CaProperties, signer: Signer, former: Former
    ) -> RegisteredCa:
        """Bring the CA into its new state; for another certificate, register that one.

        The answer's id differs from `ca_id` when the certificate does: CloudFormation then deletes the old
        one, with the old properties, after everything else has moved to the new one.

        Raises:
            JitrError: It could not be done, and the CA is as it was.
        """
        ca = _ca_certificate(properties, signer)
        try:
            current = self._registry.describe(ca_id)
        except NotRegisteredError:
            return self.create(properties, signer)
        if current.certificate.der != ca.der:
            return self.create(properties, signer)
        return self._take_up(ca_id, ca, properties, former)

    def delete(self, ca_id: CaCertificateId, properties: CaProperties) -> None:
        """Treat the CA as `on_delete` says, or give an adopted one its former state back.

        A CA that is gone, or that is not this resource's (any more), is left alone.

        Raises:
            RegistryError: It could not be done; it may be tried again.
        """
        try:
            self._let_go(self._registry.describe(ca_id), properties)
        except NotRegisteredError:
            log.info("the CA certificate %s is gone already", ca_id)

    def _take_up(
        self,
        ca_id: CaCertificateId,
        ca: Certificate,
        properties: CaProperties,
        former: Former | None = None,
    ) -> RegisteredCa:
        """Look after a registered CA: tags first, so that an adopted one's former state is never lost."""
        try:
            found = self._registry.describe(ca_id)
        except NotRegisteredError as error:
            raise InAnotherAccountError(
                f"{IN_ANOTHER_ACCOUNT}: in mode DEFAULT only one account of a region may hold it; delete it "
                "there, or use mode SNI_ONLY in each account"
            ) from error
        tags = self._registry.tags(found.arn)
        former = former or Former(self._owner)
        ownership = ownership_of(found, tags, ca, properties, owner=self._owner, former_owner=former.owner)
        wanted_tags = {**properties.tags, **ownership.to_tags()}
        obsolete = (former.tags - properties.tags.keys() - KEYS) & tags.keys()
        # Only what is about to change: AWS's own tags, which begin with "aws:", cannot be set again.
        changing = {key: value for key, value in tags.items() if key in wanted_tags.keys() | obsolete}
        wanted = _wanted(properties)
        with ExitStack() as undo:
            undo.callback(_try, self._registry.tag, found.arn, changing)
            undo.callback(_try, self._registry.untag, found.arn, wanted_tags.keys() - tags.keys())
            self._registry.tag(found.arn, wanted_tags)
            self._registry.untag(found.arn, obsolete)
            if found.state != wanted:
                undo.callback(_try, self._registry.set_state, ca_id, found.state)
                self._registry.set_state(ca_id, wanted)
            undo.pop_all()
        return replace(found, state=wanted)

    def _own(self, ca: Certificate) -> CaCertificateId | None:
        """The id of this resource's own registration of `ca`; None also where that cannot be told."""
        with suppress(JitrError):
            found = self._registry.find(ca)
            ownership = Ownership.from_tags(self._registry.tags(found.arn)) if found else None
            if found and ownership and ownership.owner == self._owner:
                return found.ca_id
        return None

    def _id_of(self, ca: Certificate, error: AlreadyRegisteredError | OutcomeUnknownError) -> CaCertificateId:
        """The id `ca` is registered under, after a registration that ended in `error`."""
        if isinstance(error, AlreadyRegisteredError) and error.ca_id:
            return error.ca_id
        found = self._registry.find(ca)
        if found is None:
            raise error
        return found.ca_id

    def _let_go(self, found: RegisteredCa, properties: CaProperties) -> None:
        try:
            ownership = Ownership.from_tags(self._registry.tags(found.arn))
        except UnreadableOwnershipError as error:
            log.warning("%s; the CA certificate %s is left as it is", error, found.ca_id)
            return
        if ownership is None or ownership.owner != self._owner:
            log.warning("the CA certificate %s is not this resource's; it is left as it is", found.ca_id)
        elif properties.on_delete is OnDelete.RETAIN:
            self._release(found, found.state)
        elif ownership.former_state is not None:
            self._registry.set_state(found.ca_id, ownership.former_state)
            self._registry.untag(found.arn, KEYS | properties.tags.keys())
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


def _ca_certificate(properties: CaProperties, signer: Signer) -> Certificate:
    if properties.certificate_pem is None:
        return signer.ca_certificate()
    return load_ca_certificate(properties.certificate_pem)


def _wanted(properties: CaProperties) -> CaState:
    return CaState(properties.status, properties.auto_registration)


def _try(undo: Callable[..., Any], *arguments: Any) -> None:
    """Take one step back; one that fails must hide neither the first failure nor the other steps."""
    try:
        undo(*arguments)
    except RegistryError as error:
        log.error("could not undo a change of the CA certificate: %s", error)  # noqa: TRY400 -- the line says it all
