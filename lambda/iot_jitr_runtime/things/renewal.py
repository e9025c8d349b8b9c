"""Renewal: a newer certificate of the same device replaces an older one.

Two certificates are of the same device if they have the same CA and the same common name, and give their
thing the same name. An older certificate never displaces a newer one: a key that was stolen years ago is no
renewal.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from iot_jitr_runtime.certificate_fields import FieldTemplate
from iot_jitr_runtime.certificates import MalformedCertificateError
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.ledger.tasks import ScheduledTasks
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.things.description import thing_name

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


@dataclass(frozen=True)
class Predecessors:
    """The certificates of a thing that another certificate is to replace."""

    iot: "IoTClient"
    tasks: ScheduledTasks
    name: FieldTemplate
    grace_period: timedelta
    clock: Callable[[], datetime]

    def supersede(self, principals: Iterable[str], successor: DeviceCertificate, thing: str) -> None:
        """Schedule the retirement of the certificates that `successor` replaces.

        It is called before `successor` is attached: in the other order, a crash in between would leave both
        certificates on the thing for good. All are checked before anything is written.

        Raises:
            RefusedError: `THING_TAKEN`: one of them is not an older certificate of the same device.
        """
        predecessors = [self._check(principal, successor, thing) for principal in principals]
        at = int((self.clock() + self.grace_period).timestamp() * 1000)
        for predecessor in predecessors:
            self.tasks.schedule_retirement(
                predecessor.certificate_id,
                predecessor.identity,
                thing_name=thing,
                superseded_by=successor.certificate_id,
                at=at,
            )

    def _check(self, principal: str, successor: DeviceCertificate, thing: str) -> DeviceCertificate:
        predecessor = self._describe(principal, thing)
        if predecessor.ca_certificate_id != successor.ca_certificate_id:
            raise _taken(thing, "a certificate of another CA")
        if not self._is_same_device(predecessor, successor):
            raise _taken(thing, "the certificate of another identity")
        if predecessor.certificate.not_before > successor.certificate.not_before:
            raise _taken(thing, "a newer certificate of the same device")
        return predecessor

    def _describe(self, principal: str, thing: str) -> DeviceCertificate:
        _, is_certificate, certificate_id = principal.partition(":cert/")
        if not is_certificate:
            raise _taken(thing, "a principal that is not a certificate")
        description = self.iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
        try:
            return DeviceCertificate.read(description)
        except MalformedCertificateError as error:
            raise _taken(thing, "a certificate that cannot be read") from error

    def _is_same_device(self, predecessor: DeviceCertificate, successor: DeviceCertificate) -> bool:
        if predecessor.certificate.common_names != successor.certificate.common_names:
            return False
        try:
            return thing_name(self.name, predecessor) == thing_name(self.name, successor)
        except RefusedError:
            return False


def _taken(thing: str, by: str) -> RefusedError:
    return RefusedError(Reason.THING_TAKEN, f"the thing '{thing}' has {by} already")
