"""The sweep: revokes, suspends and releases certificates after their activation, as the CRLs say."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.allowed import as_timedelta
from iot_jitr.configuration import RevocationSettings
from iot_jitr.encryption import KeyUse
from iot_jitr.functions import FunctionSettings, FunctionSize, JitrFunction
from iot_jitr.ledger import SERIAL_INDEX, SUSPENDED_INDEX, TASK_INDEX
from iot_jitr.revocation.bucket import RevocationBucket, on_upload
from iot_jitr.revocation.sources import RevokingCa
from iot_jitr_policy.client_id import UnknownClientIdError
from iot_jitr_runtime import environment
from iot_jitr_runtime.policy import PLACEHOLDER
from iot_jitr_runtime.revocation import PREFIX

if TYPE_CHECKING:
    from iot_jitr.capacity import Capacity
    from iot_jitr.devices import DeviceResources
    from iot_jitr.ledger import Ledger

SWEEP_EVERY = timedelta(minutes=1)
"""How often the sweep looks whether something was left undone."""
LEDGER_LAG = timedelta(seconds=30)
"""How far the ledger's index by serial number may lag behind its rows; far more than it does."""

_SIZE = FunctionSize(512, cdk.Duration.minutes(5))


class SweepFunction(Construct):
    """The sweep function, and what starts it.

    Attributes:
        function: The function with its role and log group.
        schedule: What starts it when something was left undone.
        on_new_index: What starts it when a CRL was compiled.
        client_id: The client id by which it closes sessions, as a template; None where it closes none.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cas: Sequence[RevokingCa],
        bucket: RevocationBucket,
        capacity: "Capacity",
        devices: "DeviceResources",
        ledger: "Ledger",
        functions: FunctionSettings,
        settings: RevocationSettings,
    ) -> None:
        """Create the function and what starts it."""
        super().__init__(scope, construct_id)
        self.client_id = self._client_id(devices, settings)
        profile = {
            name: value for name, value in devices.environment.items() if name != environment.ON_REFUSAL
        }
        self.function = JitrFunction(
            self,
            "Function",
            handler=environment.SWEEP_HANDLER,
            description="Revokes, suspends and releases device certificates as the revocation lists say",
            settings=functions,
            environment={
                environment.LEDGER_TABLE: ledger.table.table_name,
                environment.REVOCATION_BUCKET: bucket.name,
                environment.CAS: cdk.Stack.of(self).to_json_string(
                    {ca.certificate_id: ca.settings for ca in cas}
                ),
                **profile,
                environment.ACTIVATIONS_PER_SECOND: str(capacity.activations_per_second),
                environment.SWEEP: _setting(settings, capacity, self.client_id),
            },
            permissions=[
                iam.PolicyStatement(actions=["s3:GetObjectVersion"], resources=[bucket.objects(PREFIX)]),
                *_ledger_permissions(ledger, tasks=self.client_id is not None),
                *self._session_permissions(),
                *self._iot_permissions(cas),
                *devices.device_policy.withdrawal_permissions,
            ],
            key_uses=[KeyUse.TABLE],
            size=_SIZE,
            # What an invocation leaves undone, the next one on the schedule finds.
            retry_attempts=0,
        )
        bucket.let_read_indexes(self.function)
        devices.let_admit(self.function)
        self._acknowledge(devices)
        self.schedule = events.Rule(
            self,
            "Schedule",
            description="Finishes what sweeps have left undone",
            schedule=events.Schedule.rate(cdk.Duration.seconds(int(SWEEP_EVERY.total_seconds()))),
            targets=[targets.LambdaFunction(self.function.function, retry_attempts=0)],
        )
        self.on_new_index = on_upload(
            self, "NewIndex", bucket=bucket.name, prefix=PREFIX, function=self.function
        )

    @property
    def _certificates(self) -> str:
        return cdk.Stack.of(self).format_arn(service="iot", resource="cert", resource_name="*")

    def _iot_permissions(self, cas: Sequence[RevokingCa]) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(
                actions=["iot:DescribeCertificate", "iot:UpdateCertificate", "iot:AttachPolicy"],
                resources=[self._certificates],
            ),
            iam.PolicyStatement(
                actions=["iot:DescribeCACertificate"], resources=[ca.certificate_arn for ca in cas]
            ),
        ]

    def _client_id(self, devices: "DeviceResources", settings: RevocationSettings) -> str | None:
        if settings.close_sessions is False:
            return None
        try:
            return devices.profile.client_id
        except UnknownClientIdError as unknown:
            cdk.Annotations.of(self).add_info(
                f"Revocation: the sessions of revoked devices are left to AWS IoT, which ends them within "
                f"minutes: {unknown}"
            )
            return None

    @property
    def _clients(self) -> str | None:
        """The clients whose sessions it closes: what differs by certificate cannot be named before."""
        if self.client_id is None:
            return None
        name = PLACEHOLDER.sub("*", self.client_id)
        return cdk.Stack.of(self).format_arn(service="iot", resource="client", resource_name=name)

    def _session_permissions(self) -> list[iam.PolicyStatement]:
        if self._clients is None:
            return []
        return [iam.PolicyStatement(actions=["iot:DeleteConnection"], resources=[self._clients])]

    def _acknowledge(self, devices: "DeviceResources") -> None:
        acknowledge_wildcard(self.function.role, self._certificates, "a CRL may revoke any certificate")
        if self._clients is not None:
            acknowledge_wildcard(
                self.function.role, self._clients, "any device may be revoked, and its session closed"
            )
        withdrawal = devices.device_policy.withdrawal_permissions
        for resource in {each for statement in withdrawal for each in statement.resources}:
            acknowledge_wildcard(
                self.function.role, resource, "each device's own policy is made when the device is activated"
            )


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
    # An activator may work on the former index for as long as it keeps a copy, and until its time-out.
    settle = as_timedelta(settings.refresh) + capacity.function_timeout + LEDGER_LAG
    return json.dumps(
        {
            "share": settings.mass_revocation_limit_percent / 100,
            "minimum": settings.mass_revocation_limit_minimum,
            "settle_seconds": int(settle.total_seconds()),
            "dry_run": settings.dry_run,
            "client_id": client_id,
        }
    )
