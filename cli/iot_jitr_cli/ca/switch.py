"""Turns a CA's auto-registration on and off, for operations that cannot wait for a deployment."""

from iot_jitr_cli.ca.report import CaReport
from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaState, CaStatus
from iot_jitr_runtime.ca_registration.registry import CaRegistry


class ProvisioningTemplateInTheWayError(WrongUseError):
    """AWS's own provisioning would activate the CA's devices."""


def enable(registry: CaRegistry, ca: CaReport) -> CaState:
    """Let devices of the CA be registered: ACTIVE, and auto-registration on.

    Raises:
        ProvisioningTemplateInTheWayError: The CA has a provisioning template.
        RegistryError: AWS IoT did not do it.
    """
    if ca.has_provisioning_template:
        raise ProvisioningTemplateInTheWayError(
            f"CA certificate {ca.certificate_id} has a provisioning template: AWS would activate its devices "
            "past every check; delete the CA certificate and register it without one"
        )
    return _set(registry, ca, CaState(CaStatus.ACTIVE, AutoRegistration.ENABLE))


def disable(registry: CaRegistry, ca: CaReport) -> CaState:
    """Register no more devices of the CA; those that are in stay connected.

    Raises:
        RegistryError: AWS IoT did not do it.
    """
    return _set(registry, ca, CaState(ca.status, AutoRegistration.DISABLE))


def _set(registry: CaRegistry, ca: CaReport, state: CaState) -> CaState:
    registry.set_state(ca.certificate_id, state)
    return state
