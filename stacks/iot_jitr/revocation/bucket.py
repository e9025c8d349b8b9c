"""The bucket in which CRLs are uploaded and indexes are kept."""

import aws_cdk as cdk
import jsii
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct, IConstruct

from iot_jitr.acknowledgements import acknowledge
from iot_jitr.encryption import Encryption, KeyUse
from iot_jitr.functions import JitrFunction
from iot_jitr_runtime.revocation import PREFIX

_NOTIFICATIONS = "Notifications"
"""The construct that the CDK adds to a bucket for its own notifications."""
KEPT_DAYS = 30
"""How long indexes that have been replaced are kept."""


class RevocationBucket(Construct):
    """A versioned, encrypted, private bucket whose events go to EventBridge.

    It is retained when the stack is deleted, because S3 deletes only empty buckets.

    Attributes:
        bucket: CRLs are uploaded below `crl/`, and the functions read the indexes below `index/`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, encryption: Encryption) -> None:
        """Create the bucket, encrypted with the key of `encryption`, or with S3's own key."""
        super().__init__(scope, construct_id)
        self._encryption = encryption
        kind = s3.BucketEncryption
        self.bucket = s3.Bucket(
            self,
            "Objects",
            versioned=True,
            encryption=kind.S3_MANAGED if encryption.key is None else kind.KMS,
            encryption_key=encryption.key,
            # With a bucket key, one KMS call serves many objects for some time, instead of one call for each
            # object.
            bucket_key_enabled=None if encryption.key is None else True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=cdk.Duration.days(KEPT_DAYS),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
        )
        resource = self.bucket.node.default_child
        assert isinstance(resource, s3.CfnBucket)  # noqa: S101 - what the construct is made of
        # The construct's own option for this adds a hidden function with a broad role. The CDK also adds that
        # function with any notification, and the function then replaces this configuration.
        cdk.Aspects.of(self.bucket).add(_KeepEventBridge())
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(
                event_bridge_enabled=True
            )
        )
        acknowledge(
            self.bucket,
            "AwsSolutions-S1",
            "it contains revocation lists, which are public, and indexes made of them; CloudTrail can record "
            "who wrote them, as S3 data events",
        )

    @property
    def name(self) -> str:
        """The bucket's name."""
        return self.bucket.bucket_name

    def objects(self, prefix: str) -> str:
        """The ARN of all objects below a prefix."""
        return self.bucket.arn_for_objects(f"{prefix}*")

    def grant_read_indexes(self, function: JitrFunction) -> None:
        """Allow a function to read the indexes."""
        function.allow(
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[self.objects(PREFIX)]),
            wildcard="there is one index for each CA, named by the CA's id",
        )
        function.allow(
            # Without it S3 returns "access denied" for an index that does not exist.
            iam.PolicyStatement(actions=["s3:ListBucket"], resources=[self.bucket.bucket_arn]),
            *self._encryption.permissions(KeyUse.READ_OBJECTS),
        )


@jsii.implements(cdk.IAspect)
class _KeepEventBridge:
    """Keeps a bucket's events enabled for EventBridge if other notifications are added to the bucket."""

    def visit(self, node: IConstruct) -> None:
        """Called by the CDK for the bucket and all constructs below it."""
        if isinstance(node, s3.Bucket) and node.node.try_find_child(_NOTIFICATIONS) is not None:
            node.enable_event_bridge_notification()
