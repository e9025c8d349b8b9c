"""Attaches the shared policy to a certificate before it is activated."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from iot_jitr_runtime.activator.interfaces import DeviceCertificate
from iot_jitr_runtime.outcomes import DeferredError, Reason
from iot_jitr_runtime.policy.common_name import check_common_name

if TYPE_CHECKING:
    from mypy_boto3_iot import IoTClient


@dataclass(frozen=True)
class SharedPolicy:
    """One policy for all devices; its policy variables are replaced when a device connects."""

    iot: "IoTClient"
    name: str
    needs_common_name: bool
    """Whether the policy's variables include the certificate's common name."""

    def check(self, device: DeviceCertificate) -> None:
        """Check that the common name may be used in the policy.

        Raises:
            RefusedError: `INVALID_COMMON_NAME`.
        """
        if self.needs_common_name:
            check_common_name(device.certificate)

    def attach(self, device: DeviceCertificate, thing_name: str | None) -> str:  # noqa: ARG002 - part of the protocol
        """Attach the policy; attaching it again changes nothing.

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
