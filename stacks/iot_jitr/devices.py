"""Device policy, admission and things of one pipeline, and the statuses of refused certificates."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from iot_jitr.admission import Admission, AdmissionResource
from iot_jitr.allowed import refusal, shown, texts
from iot_jitr.encryption import Encryption
from iot_jitr.functions import JitrFunction
from iot_jitr.policy import DevicePolicy, DevicePolicyError, DevicePolicyResource
from iot_jitr.things import (
    ThingRegistration,
    registration_permissions,
    retirement_permissions,
    things_setting,
)
from iot_jitr_policy.client_id import client_id_template
from iot_jitr_runtime import environment
from iot_jitr_runtime.activator.on_refusal import RefusalStatus, RefusalStatusError, check_statuses
from iot_jitr_runtime.outcomes import Outcome, Reason

if TYPE_CHECKING:
    from constructs import Construct

_LEASE_MARGIN = timedelta(seconds=5)


def _possible_statuses(statuses: Mapping[str, str]) -> bool:
    try:
        check_statuses(statuses)
    except RefusalStatusError as error:
        raise refusal("", shown(statuses), str(error)) from error
    return True


ON_REFUSAL = texts(
    "an object: reason of a refusal → pending, inactive or revoked",
    _possible_statuses,
    {
        "propertyNames": {"enum": [each.value for each in Reason if each.outcome is Outcome.REFUSED]},
        "additionalProperties": {"enum": [each.value for each in RefusalStatus]},
    },
)


@dataclass(frozen=True)
class DeviceProfile:
    """Device policy, admission and things of one pipeline.

    Raises:
        DevicePolicyError: The policy's template names the device's thing, and there are no things.
    """

    policy: DevicePolicy
    admission: Admission | None
    things: ThingRegistration | None
    on_refusal: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.policy.needs_thing_name and self.things is None:
            raise DevicePolicyError(
                "the device policy's template has the placeholder '{{thing_name}}', and no things are "
                "registered: configure 'things', or take the placeholder out"
            )

    @property
    def client_id(self) -> str:
        """The only client id with which a certificate may connect, as a template over the ledger's values.

        Raises:
            UnknownClientIdError: The policy does not allow exactly one client id.
        """
        return client_id_template(self.policy.document, has_things=self.things is not None)


class DeviceResources:
    """A device profile, deployed: the activator's settings and permissions for it.

    Attributes:
        profile: What was deployed.
        device_policy: The policy of the devices.
        admission: Which devices are expected; None where all are.
        environment: The activator's settings, by the names in `iot_jitr_runtime.environment`.
        task_permissions: The permissions for the reconciler's tasks: end the grace periods of renewals, and
            delete the policies of revoked certificates. A revocation needs the permissions of `device_policy`
            too.
    """

    def __init__(
        self,
        scope: "Construct",
        devices: DeviceProfile,
        *,
        activator_timeout: timedelta,
        encryption: Encryption,
        removal_policy: cdk.RemovalPolicy,
    ) -> None:
        """Deploy `devices`.

        Args:
            scope: The pipeline, in which the policy and the admission are made.
            devices: Device policy, admission and things.
            activator_timeout: The activator's time-out; leases on things last longer.
            encryption: The encryption key of an allow list; without one, DynamoDB's own key.
            removal_policy: Whether an allow list is retained when the stack is deleted.
        """
        self.profile = devices
        self.device_policy = DevicePolicyResource(scope, "DevicePolicy", devices.policy)
        self.environment = {environment.DEVICE_POLICY: self.device_policy.setting}
        self._permissions: list[iam.PolicyStatement] = [*self.device_policy.activator_permissions]
        self.task_permissions = [*self.device_policy.withdrawal_permissions]
        self.admission: AdmissionResource | None = None
        if devices.admission is not None:
            self.admission = AdmissionResource(
                scope, "Admission", devices.admission, encryption=encryption, removal_policy=removal_policy
            )
            self.environment[environment.ADMISSION] = self.admission.setting
        if devices.things is not None:
            lease = activator_timeout + _LEASE_MARGIN
            self.environment[environment.THINGS] = things_setting(devices.things, scope, lease=lease)
            self._permissions += registration_permissions(devices.things, scope)
            self.task_permissions += retirement_permissions(devices.things, scope)
        elif devices.policy.needs_thing:
            _warn_of_missing_things(scope)
        if devices.on_refusal:
            self.environment[environment.ON_REFUSAL] = json.dumps(dict(devices.on_refusal))

    def grant_admit(self, function: JitrFunction) -> None:
        """Allow a function to do what the profile needs when a device is activated.

        The permissions to attach a policy and to change a certificate's status are not among them.
        """
        function.allow(
            *self._permissions,
            wildcard="each device's own policy and thing are made when the device is activated",
        )
        if self.admission is not None:
            self.admission.grant_call(function)


def _warn_of_missing_things(scope: "Construct") -> None:
    cdk.Annotations.of(scope).add_warning_v2(
        "iot-jitr:policy-without-things",
        "the device policy names the device's thing (the options 'shadow' and 'jobs' do), and no things "
        "are registered: these statements grant nothing until things are attached to certificates",
    )
