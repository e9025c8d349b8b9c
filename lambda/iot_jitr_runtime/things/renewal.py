"""Renewal: a newer certificate of the same device replaces an older one.

Two certificates belong to the same device if they have the same CA and the same common name, and result in
the same thing name. An older certificate never replaces a newer one: a key that was stolen years ago must not
cause a renewal.
"""

from typing import TYPE_CHECKING

from iot_jitr_runtime.certificates import MalformedCertificateError
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.outcomes import Reason, RefusedError
from iot_jitr_runtime.things.description import thing_name

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


def older_certificate(
    iot: "IoTClient", principal: str, successor: DeviceCertificate, thing: str, name_template: str
) -> DeviceCertificate:
    """Return a certificate of a thing, if it is an older one of the same device.

    Args:
        iot: The client that describes the certificate.
        principal: A principal of the thing, an ARN.
        successor: The certificate that is to replace it.
        thing: The thing's name.
        name_template: The template that the thing's name is made from.

    Raises:
        RefusedError: `THING_TAKEN`: it is not.
    """
    predecessor = _describe(iot, principal, thing)
    if predecessor.ca_certificate_id != successor.ca_certificate_id:
        raise _taken(thing, "a certificate of another CA")
    if not _is_same_device(predecessor, successor, name_template):
        raise _taken(thing, "the certificate of another identity")
    if predecessor.certificate.not_before > successor.certificate.not_before:
        raise _taken(thing, "a newer certificate of the same device")
    return predecessor


def _describe(iot: "IoTClient", principal: str, thing: str) -> DeviceCertificate:
    _, is_certificate, certificate_id = principal.partition(":cert/")
    if not is_certificate:
        raise _taken(thing, "a principal that is not a certificate")
    try:
        return DeviceCertificate.read(
            iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]
        )
    except MalformedCertificateError as error:
        raise _taken(thing, "a certificate that cannot be read") from error


def _is_same_device(predecessor: DeviceCertificate, successor: DeviceCertificate, name_template: str) -> bool:
    if predecessor.certificate.common_names != successor.certificate.common_names:
        return False
    try:
        return thing_name(name_template, predecessor) == thing_name(name_template, successor)
    except RefusedError:
        return False


def _taken(thing: str, by: str) -> RefusedError:
    return RefusedError(Reason.THING_TAKEN, f"the thing '{thing}' has {by} already")
