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

    It is retained when the stack is deleted, for S3 deletes empty buckets only.

    Attributes:
        bucket: `crl/…` is where CRLs are uploaded, `index/…` is what the functions read.
    """

    def __init__(self, scope: Construct, construct_id: str, *, encryption: Encryption) -> None:
        """Create the bucket, under the key of `encryption` or else under one of S3's own."""
        super().__init__(scope, construct_id)
        self._encryption = encryption
        kind = s3.BucketEncryption
        self.bucket = s3.Bucket(
            self,
            "Objects",
            versioned=True,
            encryption=kind.S3_MANAGED if encryption.key is None else kind.KMS,
            encryption_key=encryption.key,
            # One call of KMS for a bucket's objects of a while, not one for each object.
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
        # The construct's own option for this brings a hidden function with a broad role. The CDK
        # adds that function with any notification, and the function replaces this configuration.
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

    def let_read_indexes(self, function: JitrFunction) -> None:
        """Let a function read the indexes."""
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
    """Keeps a bucket's events going to EventBridge where notifications are added to it as well."""

    def visit(self, node: IConstruct) -> None:
        """Called by the CDK for the bucket and all below it."""
        if isinstance(node, s3.Bucket) and node.node.try_find_child(_NOTIFICATIONS) is not None:
            node.enable_event_bridge_notification()
