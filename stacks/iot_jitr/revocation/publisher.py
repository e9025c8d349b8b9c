"""The CRL publisher: fetches CRLs on a schedule and on upload, and compiles them into indexes."""

from collections.abc import Sequence
from datetime import timedelta

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from constructs import Construct

from iot_jitr.acknowledgements import acknowledge_wildcard
from iot_jitr.allowed import as_timedelta
from iot_jitr.configuration import CrlBucket, RevocationSettings
from iot_jitr.encryption import KeyUse, key_permissions
from iot_jitr.functions import FunctionSettings, FunctionSize, JitrFunction
from iot_jitr.revocation.bucket import RevocationBucket, on_upload
from iot_jitr.revocation.sources import RevokingCa
from iot_jitr_runtime import environment
from iot_jitr_runtime.publisher.trigger import Trigger
from iot_jitr_runtime.revocation import PREFIX

WATCH_EVERY = timedelta(minutes=5)
"""How often CRLs that are about to become stale, are stale or missing are fetched."""

_SIZE = FunctionSize(1024, cdk.Duration.minutes(5))
"""A million entries take about 110 MB and a few seconds of CPU, which Lambda gives by memory."""


class CrlPublisher(Construct):
    """The publisher function, its schedules and its uploads.

    Attributes:
        function: The function with its role and log group.
        uploads: What starts it when a CRL was uploaded, by the CA's name; empty where all are fetched.
        schedule: What starts it for a new CRL.
        watch: What starts it when a CRL is about to become stale.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        cas: Sequence[RevokingCa],
        bucket: RevocationBucket,
        functions: FunctionSettings,
        settings: RevocationSettings,
    ) -> None:
        """Create the function and what starts it."""
        super().__init__(scope, construct_id)
        self.function = JitrFunction(
            self,
            "Function",
            handler=environment.CRL_PUBLISHER_HANDLER,
            description="Compiles revocation lists into the index that the activator reads",
            settings=functions,
            environment={
                environment.REVOCATION_BUCKET: bucket.name,
                environment.CRL_SOURCES: cdk.Stack.of(self).to_json_string(
                    {ca.certificate_id: ca.publisher_settings(bucket.name) for ca in cas}
                ),
            },
            permissions=[
                iam.PolicyStatement(actions=["s3:PutObject"], resources=[bucket.objects(PREFIX)]),
                iam.PolicyStatement(
                    actions=["iot:DescribeCACertificate"], resources=[ca.certificate_arn for ca in cas]
                ),
            ],
            key_uses=[KeyUse.WRITE_OBJECTS],
            size=_SIZE,
            # What an invocation leaves undone, the next one on the schedule finds.
            retry_attempts=0,
        )
        bucket.let_read_indexes(self.function)
        self.uploads = {
            ca.name: self._read_uploads(ca, ca.upload, bucket) for ca in cas if ca.upload is not None
        }
        self.schedule = self._on_schedule("Schedule", as_timedelta(settings.every), Trigger.SCHEDULE)
        self.watch = self._on_schedule("Watch", WATCH_EVERY, Trigger.WATCH)

    def _read_uploads(self, ca: RevokingCa, upload: CrlBucket, bucket: RevocationBucket) -> events.Rule:
        prefix = upload.prefix_for(ca.name)
        rule = on_upload(
            self,
            f"Upload{ca.name}",
            bucket=upload.bucket_name or bucket.name,
            prefix=prefix,
            function=self.function,
        )
        objects = bucket.objects(prefix)
        if upload.bucket_name is not None:
            arn = f"arn:{cdk.Aws.PARTITION}:s3:::{upload.bucket_name}"
            objects = f"{arn}/{prefix}*"
            self.function.allow(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[arn]))
        if upload.encryption_key_arn is not None:
            self.function.allow(*key_permissions(upload.encryption_key_arn, KeyUse.READ_OBJECTS))
        self.function.allow(iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]))
        acknowledge_wildcard(
            self.function.role,
            objects,
            "every object below the prefix is a revocation list, whatever its name",
        )
        return rule

    def _on_schedule(self, name: str, every: timedelta, trigger: Trigger) -> events.Rule:
        return events.Rule(
            self,
            name,
            description=f"Fetches new revocation lists ({trigger})",
            schedule=events.Schedule.rate(cdk.Duration.seconds(int(every.total_seconds()))),
            targets=[
                targets.LambdaFunction(
                    self.function.function,
                    event=events.RuleTargetInput.from_object({"trigger": trigger.value}),
                    retry_attempts=0,
                )
            ],
        )
