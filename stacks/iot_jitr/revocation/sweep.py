"""The sweep: revokes, suspends and releases certificates after their activation, as the CRLs list them."""

import json
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from iot_jitr.allowed import as_timedelta, whole_seconds
from iot_jitr.ca_registration import CaRegistration
from iot_jitr.configuration import RevocationSettings
from iot_jitr.encryption import KeyUse
from iot_jitr.functions import JitrFunction
from iot_jitr.parts import PipelineParts, read_ca_certificates
from iot_jitr.permissions import on_certificates
from iot_jitr.revocation.bucket import RevocationBucket
from iot_jitr_policy.client_id import UnknownClientIdError
from iot_jitr_runtime import environment
from iot_jitr_runtime.ledger_table import SERIAL_INDEX, SUSPENDED_INDEX, TASK_INDEX
from iot_jitr_runtime.policy import PLACEHOLDER
from iot_jitr_runtime.revocation import PREFIX

if TYPE_CHECKING:
    from iot_jitr.capacity import Capacity
    from iot_jitr.devices import DeviceResources
    from iot_jitr.ledger import Ledger

SWEEP_EVERY = timedelta(minutes=1)
"""The interval at which the sweep continues unfinished work."""
LEDGER_LAG = timedelta(seconds=30)
"""The assumed maximum delay of the ledger's index by serial number; the real delay is much shorter."""


class SweepFunction(Construct):
    """The sweep function and its triggers.

    Attributes:
        function: The function with its role and log group.
        schedule: The rule that starts it for unfinished work.
        on_new_index: The rule that starts it when an index is published.
        client_id: Template of the client ids whose sessions it closes; None if it closes no sessions.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        parts: PipelineParts,
        *,
        cas: Collection[CaRegistration],
        bucket: RevocationBucket,
        settings: RevocationSettings,
    ) -> None:
        """Create the function, for the CAs that have a CRL, and its triggers."""
        super().__init__(scope, construct_id)
        devices = parts.devices
        self.client_id = self._client_id(devices, settings)
        # It repeats the checks of an activation, and does not need the settings for refused certificates.
        device_settings = set(devices.environment) - {environment.ON_REFUSAL}
        self.function = JitrFunction(
            self,
            "Function",
            handler=environment.SWEEP_HANDLER,
            description="Revokes, suspends and releases device certificates listed in CRLs",
            settings=parts.functions,
            environment={
                **parts.environment(cas, sorted(device_settings)),
                environment.REVOCATION_BUCKET: bucket.name,
                environment.SWEEP: _setting(settings, parts.capacity, self.client_id),
            },
            permissions=[
                iam.PolicyStatement(actions=["s3:GetObjectVersion"], resources=[bucket.objects(PREFIX)]),
                *_ledger_permissions(parts.ledger, tasks=self.client_id is not None),
                read_ca_certificates(cas),
            ],
            key_uses=[KeyUse.TABLE],
            memory_mib=512,
            timeout=timedelta(minutes=5),
            # The next scheduled invocation continues the work of a failed one.
            retry_attempts=0,
        )
        bucket.grant_read_indexes(self.function)
        devices.grant_admit(self.function)
        self.function.allow(
            on_certificates(self, "iot:DescribeCertificate", "iot:UpdateCertificate", "iot:AttachPolicy"),
            wildcard="a CRL may revoke any certificate",
        )
        self.function.allow(
            *devices.device_policy.withdrawal_permissions,
            wildcard="each device's own policy is made when the device is activated",
        )
        if self.client_id is not None:
            # A client id that differs between certificates is not known before.
            clients = cdk.Stack.of(self).format_arn(
                service="iot", resource="client", resource_name=PLACEHOLDER.sub("*", self.client_id)
            )
            self.function.allow(
                iam.PolicyStatement(actions=["iot:DeleteConnection"], resources=[clients]),
                wildcard="any device may be revoked, and its session closed",
            )
        self.schedule = self.function.on_schedule(
            "Schedule", SWEEP_EVERY, "Finishes what sweeps have left undone"
        )
        self.on_new_index = self.function.on_upload("NewIndex", bucket.name, PREFIX)

    def _client_id(self, devices: "DeviceResources", settings: RevocationSettings) -> str | None:
        if settings.close_sessions is False:
            return None
        try:
            return devices.profile.client_id
        except UnknownClientIdError as unknown:
            cdk.Annotations.of(self).add_info_v2(
                "iot-jitr:sessions-left-to-aws-iot",
                f"Revocation: the sessions of revoked devices are left to AWS IoT, which ends them within "
                f"minutes: {unknown}",
            )
            return None


def _ledger_permissions(ledger: "Ledger", *, tasks: bool) -> list[iam.PolicyStatement]:
    table = ledger.table.table_arn
    return [
        iam.PolicyStatement(
            actions=[
                "dynamodb:BatchGetItem",
                "dynamodb:DescribeTable",
                "dynamodb:GetItem",
                "dynamodb:PutItem",
                "dynamodb:Scan",
                "dynamodb:UpdateItem",
            ],
            resources=[table],
        ),
        iam.PolicyStatement(
            actions=["dynamodb:Query"],
            resources=[
                f"{table}/index/{name}"
                for name in (SERIAL_INDEX, SUSPENDED_INDEX, *((TASK_INDEX,) if tasks else ()))
            ],
        ),
    ]


def _setting(settings: RevocationSettings, capacity: "Capacity", client_id: str | None) -> str:
    # An activator may use the former index until its copy is refreshed, and then until its time-out.
    settle = as_timedelta(settings.refresh) + capacity.function_timeout + LEDGER_LAG
    return json.dumps(
        {
            "share": settings.mass_revocation_limit_percent / 100,
            "minimum": settings.mass_revocation_limit_minimum,
            "settle_seconds": whole_seconds(settle),
            "dry_run": settings.dry_run,
            "client_id": client_id,
        }
    )
