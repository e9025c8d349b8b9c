"""Registering a device as a thing: create or reuse the thing, check its certificates, attach.

Three IoT calls (CreateThing, ListThingPrincipals, AttachThingPrincipal), one more for each group, and one
for each certificate that is replaced in a renewal. Each step may be repeated.

All steps run under a lease on the thing. Reading the thing's certificates and attaching a new one are two
calls: without a lease, two certificates that need the same thing at the same time would both find it unused.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.aws_errors import AwsError
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.dynamodb import ConditionFailedError
from iot_jitr_runtime.ledger import Ledger
from iot_jitr_runtime.ledger.lease import Lease
from iot_jitr_runtime.ledger.rows import milliseconds
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.things.description import create_request, type_or_group
from iot_jitr_runtime.things.renewal import older_certificate
from iot_jitr_runtime.things.settings import Attachment, Renewal, ThingSettings

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


THING_PREFIX = "#thing#"
"""Key prefix of the leases on things in the ledger's table."""


@dataclass(frozen=True)
class Things:
    """Registers devices as things."""

    iot: "IoTClient"
    settings: ThingSettings
    ledger: Ledger
    lease_lasts: timedelta
    """Longer than the function's time-out."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def register(self, device: DeviceCertificate, attributes: Mapping[str, str]) -> str:
        """Create or reuse the device's thing, attach its certificate, and return the thing's name.

        A thing that exists already keeps its type and attributes: an operator may have changed them.

        Raises:
            RefusedError: `INVALID_THING_NAME`, `INVALID_THING_ATTRIBUTE`, or `THING_TAKEN`.
            DeferredError: `CLAIMED_ELSEWHERE`, or `THING_SETUP_MISSING`: type or group do not exist.
        """
        # All values are checked before anything is created.
        request = create_request(self.settings, device, attributes)
        groups = [type_or_group("thing group", group, device) for group in self.settings.groups]
        name: str = request["thingName"]
        with self._leased(name, device):
            self._create(request)
            self._attach(name, device)
        for group in groups:
            self._join(name, group)
        return name

    @contextmanager
    def _leased(self, name: str, device: DeviceCertificate) -> Iterator[None]:
        now = self.clock()
        try:
            lease = Lease.acquire(
                self.ledger.items,
                f"{THING_PREFIX}{name}",
                now=milliseconds(now),
                expires_at=milliseconds(now + self.lease_lasts),
                # The caller holds the certificate's claim, so no other worker registers it.
                holder=device.certificate_id,
            )
        except ConditionFailedError as error:
            raise DeferredError(
                Reason.CLAIMED_ELSEWHERE, f"another certificate is being attached to the thing '{name}'"
            ) from error
        try:
            yield
        finally:
            # A lease that cannot be released expires by itself.
            with suppress(*AwsError):
                lease.release()

    def _create(self, request: dict[str, Any]) -> None:
        try:
            self.iot.create_thing(**request)
        except self.iot.exceptions.ResourceAlreadyExistsException:
            return  # it has other attributes or another type: it is reused as it is
        except self.iot.exceptions.ResourceNotFoundException as error:
            raise DeferredError(
                Reason.THING_SETUP_MISSING,
                f"there is no thing type '{request.get('thingTypeName')}'; create it",
            ) from error

    def _attach(self, name: str, device: DeviceCertificate) -> None:
        principals = self._principals(name)
        if device.certificate_arn in principals:
            return  # an earlier attempt has attached it
        if principals and self.settings.renewal == Renewal.REFUSE:
            raise RefusedError(
                Reason.THING_TAKEN,
                f"the thing '{name}' has another certificate already, and renewal is not allowed",
            )
        if principals:
            self._supersede(principals, device, name)
        self.iot.attach_thing_principal(
            thingName=name,
            principal=device.certificate_arn,
            thingPrincipalType=Attachment(self.settings.attachment).value,
        )

    def _supersede(self, principals: Iterable[str], successor: DeviceCertificate, name: str) -> None:
        """Schedule the retirement of the certificates that `successor` replaces.

        It is called before `successor` is attached: in the other order, a crash between the two steps would
        leave both certificates attached permanently. All are checked before anything is written.
        """
        predecessors = [
            older_certificate(self.iot, principal, successor, name, self.settings.name)
            for principal in principals
        ]
        for predecessor in predecessors:
            self.ledger.tasks.schedule_retirement(
                predecessor.certificate_id,
                predecessor.identity,
                thing_name=name,
                superseded_by=successor.certificate_id,
                at=milliseconds(self.clock() + self.settings.grace_period),
            )

    def _principals(self, name: str) -> list[str]:
        pages = self.iot.get_paginator("list_thing_principals").paginate(thingName=name)
        return [principal for page in pages for principal in page["principals"]]

    def _join(self, name: str, group: str) -> None:
        try:
            self.iot.add_thing_to_thing_group(thingName=name, thingGroupName=group)
        except self.iot.exceptions.ResourceNotFoundException as error:
            raise DeferredError(
                Reason.THING_SETUP_MISSING, f"there is no thing group '{group}'; create it"
            ) from error
