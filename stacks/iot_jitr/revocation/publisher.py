"""The CRL publisher: fetches CRLs on a schedule and on upload, and compiles them into indexes."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from constructs import Construct

from iot_jitr.allowed import as_timedelta
from iot_jitr.ca_registration import CaRegistration
from iot_jitr.configuration import CrlBucket, CrlUrl, RevocationSettings, upload_prefix
from iot_jitr.encryption import KeyUse, key_permissions
from iot_jitr.functions import FunctionSettings, JitrFunction
from iot_jitr.parts import read_ca_certificates
from iot_jitr.revocation.bucket import RevocationBucket
from iot_jitr_runtime import environment
from iot_jitr_runtime.publisher import Trigger
from iot_jitr_runtime.revocation import PREFIX

WATCH_EVERY = timedelta(minutes=5)
"""The interval at which CRLs are fetched that are stale, become stale soon, or are missing."""

CrlSources = Mapping[CaRegistration, CrlUrl | CrlBucket]
"""The CAs that have a CRL, each with the source of its CRLs."""


class CrlPublisher(Construct):
    """The publisher function, its schedules and its uploads.

    Attributes:
        function: The function with its role and log group.
        uploads: Name of the CA → rule that starts it when a CRL is uploaded; empty if all CRLs are fetched.
        schedule: The rule that starts it to search for new CRLs.
        watch: The rule that starts it for CRLs that become stale soon.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        sources: CrlSources,
        bucket: RevocationBucket,
        functions: FunctionSettings,
        settings: RevocationSettings,
    ) -> None:
        """Create the function and its triggers."""
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
                    {ca.certificate_id: _setting(ca, source, bucket.name) for ca, source in sources.items()}
                ),
            },
            permissions=[
                iam.PolicyStatement(actions=["s3:PutObject"], resources=[bucket.objects(PREFIX)]),
                read_ca_certificates(sources),
            ],
            key_uses=[KeyUse.WRITE_OBJECTS],
            # A million entries need about 110 MB and a few seconds of CPU; Lambda allocates CPU by memory.
            memory_mib=1024,
            timeout=timedelta(minutes=5),
            # The next scheduled invocation continues the work of a failed one.
            retry_attempts=0,
        )
        bucket.grant_read_indexes(self.function)
        self.uploads = {
            ca.configuration.name: self._read_uploads(ca.configuration.name, source, bucket)
            for ca, source in sources.items()
            if isinstance(source, CrlBucket)
        }
        self.schedule = self._on_schedule("Schedule", as_timedelta(settings.every), Trigger.SCHEDULE)
        self.watch = self._on_schedule("Watch", WATCH_EVERY, Trigger.WATCH)

    def _read_uploads(self, ca_name: str, source: CrlBucket, bucket: RevocationBucket) -> events.Rule:
        prefix, theirs = upload_prefix(source, ca_name), _bucket_of_yours(source)
        objects = bucket.objects(prefix)
        if theirs is not None:
            arn = f"arn:{cdk.Aws.PARTITION}:s3:::{theirs}"
            objects = f"{arn}/{prefix}*"
            self.function.allow(iam.PolicyStatement(actions=["s3:ListBucket"], resources=[arn]))
        if (key_arn := _key_of_yours(source)) is not None:
            self.function.allow(*key_permissions(key_arn, KeyUse.READ_OBJECTS))
        self.function.allow(
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[objects]),
            wildcard="every object below the prefix is a revocation list, whatever its name",
        )
        return self.function.on_upload(f"Upload{ca_name}", theirs or bucket.name, prefix)

    def _on_schedule(self, rule_id: str, every: timedelta, trigger: Trigger) -> events.Rule:
        return self.function.on_schedule(
            rule_id, every, f"Fetches new revocation lists ({trigger})", {"trigger": trigger.value}
        )


def crl_location(ca: CaRegistration, source: CrlUrl | CrlBucket, own_bucket: str) -> str:
    """Return the source of a CA's CRLs: a URL, or an S3 URI."""
    if isinstance(source, CrlUrl):
        return source.url
    return f"s3://{_bucket_of_yours(source) or own_bucket}/{upload_prefix(source, ca.configuration.name)}"


def _bucket_of_yours(source: CrlBucket) -> str | None:
    """Return the name of a bucket that is not the pipeline's; None for the pipeline's own."""
    return source.bucket if isinstance(source.bucket, str | None) else source.bucket.bucket_name


def _key_of_yours(source: CrlBucket) -> str | None:
    """Return the ARN of the key that encrypts such a bucket; None for S3's own key."""
    of_bucket = None if isinstance(source.bucket, str | None) else source.bucket.encryption_key
    key = source.encryption_key or of_bucket
    return key if isinstance(key, str | None) else key.key_arn


def _setting(ca: CaRegistration, source: CrlUrl | CrlBucket, own_bucket: str) -> dict[str, Any]:
    """Return the settings of a CA's CRLs (`JITR_CRL_SOURCES`)."""
    where: dict[str, Any] = (
        {"url": source.url}
        if isinstance(source, CrlUrl)
        else {
            "bucket": _bucket_of_yours(source) or own_bucket,
            "prefix": upload_prefix(source, ca.configuration.name),
        }
    )
    if source.max_age is not None:
        where["max_age_hours"] = as_timedelta(source.max_age) // timedelta(hours=1)
    return where
