"""The common inputs of the functions that change certificates: activator, reconciler and sweep."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from iot_jitr.ca_registration import CaRegistration
from iot_jitr.capacity import Capacity
from iot_jitr.devices import DeviceResources
from iot_jitr.functions import FunctionSettings
from iot_jitr.ledger import Ledger
from iot_jitr.queues import ActivationQueues
from iot_jitr_runtime import environment


@dataclass(frozen=True)
class PipelineParts:
    """The parts of a pipeline that its functions need; they are created before the functions."""

    cas: Mapping[str, CaRegistration]
    """The registered CA of each name."""
    capacity: Capacity
    devices: DeviceResources
    """Device policy, admission and things."""
    ledger: Ledger
    queues: ActivationQueues
    functions: FunctionSettings

    def environment(self, cas: Iterable[CaRegistration], device_settings: Iterable[str]) -> dict[str, str]:
        """Return the environment variables of a function that reads or changes certificates.

        Args:
            cas: The CAs whose certificates the function processes.
            device_settings: The variables about devices that the function reads, if they are configured.
        """
        of_cas = {ca.certificate_id: ca.configuration.setting for ca in cas}
        of_devices = self.devices.environment
        return {
            environment.LEDGER_TABLE: self.ledger.table.table_name,
            environment.CAS: cdk.Stack.of(self.ledger).to_json_string(of_cas),
            **{name: of_devices[name] for name in device_settings if name in of_devices},
            environment.ACTIVATIONS_PER_SECOND: str(self.capacity.activations_per_second),
        }


def read_ca_certificates(cas: Iterable[CaRegistration]) -> iam.PolicyStatement:
    """Allow to read the certificates of these CAs."""
    return iam.PolicyStatement(
        actions=["iot:DescribeCACertificate"], resources=[ca.certificate_arn for ca in cas]
    )
