"""Turns a CA's auto-registration on and off, for operations that cannot wait for a deployment."""

from iot_jitr_cli.ca.report import CaReport
from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaState, CaStatus
from iot_jitr_runtime.ca_registration.registry import CaRegistry


class ProvisioningTemplateInTheWayError(WrongUseError):
    """AWS's own provisioning would activate the CA's devices."""


def enable(registry: CaRegistry, ca: CaReport) -> CaState:
    """Make the CA ACTIVE and turn its auto-registration on.

    Raises:
        ProvisioningTemplateInTheWayError: The CA has a provisioning template.
        RegistryError: The call failed.
    """
    if ca.has_provisioning_template:
        raise ProvisioningTemplateInTheWayError(
            f"CA certificate {ca.certificate_id} has a provisioning template: AWS would activate its devices "
            "past every check; delete the CA certificate and register it without one"
        )
    return _set(registry, ca, CaState(CaStatus.ACTIVE, AutoRegistration.ENABLE))


def disable(registry: CaRegistry, ca: CaReport) -> CaState:
    """Register no new devices of the CA; devices that are active stay connected.

    Raises:
        RegistryError: The call failed.
    """
    return _set(registry, ca, CaState(ca.status, AutoRegistration.DISABLE))


def _set(registry: CaRegistry, ca: CaReport, state: CaState) -> CaState:
    registry.set_state(ca.certificate_id, state)
    return state
