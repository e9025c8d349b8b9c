"""Attaches the device policy to a certificate before it is activated.

A per-device policy is rendered from a template: three placeholders are replaced by verified values. Unsafe
values are refused, not escaped: only characters without a meaning in JSON, policies and topics are accepted,
and the document is written by `json.dumps`. So a field of a certificate cannot end its string, and cannot add
a wildcard, a policy variable or a placeholder.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.outcomes import DeferredError, Reason, RefusedError
from iot_jitr_runtime.policy import PLACEHOLDER, Placeholder
from iot_jitr_runtime.policy.common_name import check_common_name

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


@dataclass(frozen=True)
class SharedPolicy:
    """One policy for all devices; its policy variables are replaced when a device connects."""

    iot: "IoTClient"
    name: str

    def attach(self, device: DeviceCertificate, thing_name: str | None) -> str:  # noqa: ARG002 - as below
        """Attach the policy to the certificate and return its name. Idempotent.

        Raises:
            DeferredError: `POLICY_MISSING`.
        """
        try:
            self.iot.attach_policy(policyName=self.name, target=device.certificate_arn)
        except self.iot.exceptions.ResourceNotFoundException as error:
            raise DeferredError(
                Reason.POLICY_MISSING, f"there is no policy '{self.name}' to attach"
            ) from error
        return self.name


@dataclass(frozen=True)
class PerDevicePolicy:
    """Renders the template for each certificate. The policy's name is the prefix and the certificate's id."""

    iot: "IoTClient"
    prefix: str
    template: Mapping[str, Any]

    def attach(self, device: DeviceCertificate, thing_name: str | None) -> str:
        """Create the device's policy, attach it and return its name. Idempotent.

        Two calls. If the policy exists, from an interrupted attempt, its document is updated if the template
        has changed.

        Raises:
            RefusedError: `INVALID_COMMON_NAME` or `INVALID_THING_NAME`.
        """
        name = f"{self.prefix}{device.certificate_id}"
        document = render(self.template, device.certificate, thing_name)
        try:
            self.iot.create_policy(policyName=name, policyDocument=document)
        except self.iot.exceptions.ResourceAlreadyExistsException:
            self._update(name, document)
        self.iot.attach_policy(policyName=name, target=device.certificate_arn)
        return name

    def _update(self, name: str, document: str) -> None:
        found = self.iot.get_policy(policyName=name)["policyDocument"]
        if json.loads(found) == json.loads(document):
            return
        # A policy can have five versions; the older ones are not needed.
        delete_old_versions(self.iot, name)
        self.iot.create_policy_version(policyName=name, policyDocument=document, setAsDefault=True)


def delete_old_versions(iot: "IoTClient", name: str) -> None:
    """Delete all versions of a policy besides its default one."""
    for version in iot.list_policy_versions(policyName=name)["policyVersions"]:
        if not version["isDefaultVersion"]:
            iot.delete_policy_version(policyName=name, policyVersionId=version["versionId"])


def render(template: Mapping[str, Any], certificate: Certificate, thing_name: str | None) -> str:
    """Return the policy document of one device, in AWS's format.

    Args:
        template: The policy with placeholders, a parsed JSON document that `lint` has accepted.
        certificate: The device's verified certificate.
        thing_name: Name of the certificate's thing, None where devices have none.

    Raises:
        RefusedError: `INVALID_COMMON_NAME` or `INVALID_THING_NAME`, where the template needs it.
    """
    values = {
        Placeholder.COMMON_NAME: lambda: check_common_name(certificate),
        Placeholder.SERIAL_NUMBER: lambda: str(certificate.serial_number),
        Placeholder.THING_NAME: lambda: _checked_thing_name(thing_name),
    }
    return json.dumps(filled(template, values), separators=(",", ":"))


def filled(value: Any, values: Mapping[Placeholder, Callable[[], str]]) -> Any:
    """Return a parsed JSON value with its placeholders replaced; values are computed where they are used."""
    if isinstance(value, Mapping):
        return {key: filled(each, values) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, values) for each in value]
    if isinstance(value, str):
        # One pass: an inserted value is not searched for placeholders.
        return PLACEHOLDER.sub(lambda match: values[Placeholder(match[1])](), value)
    return value


def _checked_thing_name(name: str | None) -> str:
    # Most pipelines do not use it.
    from iot_jitr_runtime.things.patterns import REGISTRY_NAME, REGISTRY_NAME_IN_WORDS  # noqa: PLC0415

    if name is None:
        raise RefusedError(Reason.INVALID_THING_NAME, "the policy names the device's thing, and it has none")
    if not REGISTRY_NAME.fullmatch(name):
        raise RefusedError(Reason.INVALID_THING_NAME, f"{name[:140]!r} is not {REGISTRY_NAME_IN_WORDS}")
    return name
