"""Where a CA publishes its certificate revocation lists, or that it has none."""

from datetime import timedelta
from typing import Annotated, Final

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from iot_jitr.allowed import flag, having, refusal, span, text, whole_number
from iot_jitr.choices import OneOfClasses
from iot_jitr.encryption import KEY_ARN, KEY_ARN_ALLOWED
from iot_jitr.validation import options

_INDEXES = "index/"
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_KEY = having("key_arn", KEY_ARN_ALLOWED, KEY_ARN)
_AGE = span(_HOUR, 366 * _DAY, _HOUR)


@options
class NoRevocation:
    """The CA has no CRL: its certificates are accepted until they expire. In `cdk.json`: `"none"`."""


@options
class CrlUrl:
    """The CA publishes its CRL at a URL. In `cdk.json`: `{"type": "url", "url": "https://…"}`.

    Raises:
        ConfigurationError: The URL is not valid, or the age is out of its range.
    """

    url: Annotated[
        str, text(r"https?://[^\s/?#@]+(/[^\s#]*)?", "an https:// or http:// URL without credentials")
    ]
    """`https://` or `http://`, without credentials; a CRL is signed, so both are equally safe.
    https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.13"""
    max_age: Annotated[timedelta | cdk.Duration | None, _AGE] = None
    """How old a CRL may be, however far away its nextUpdate; 1 hour to 366 days, in whole hours. None:
    until its nextUpdate.
    https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5"""


@options
class CrlBucket:
    """The CA's CRLs are uploaded to S3; every object below the prefix is a CRL.

    In `cdk.json`: `{"type": "bucket"}`.

    Raises:
        ConfigurationError: The prefix is the prefix of the pipeline's own indexes, a key has no bucket, a
            bucket has no prefix, or a value is out of its range.
    """

    prefix: Annotated[str | None, text(r"[^\s*?\[\]]{0,512}", "the beginning of object keys")] = None
    """The beginning of the object keys, up to 512 characters. None: `crl/<name of the CA>/`; a bucket of
    yours has no such default.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
    bucket: Annotated[
        s3.IBucket | str | None,
        having("bucket_name", "a bucket, or the name of one", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    ] = None
    """A bucket of this account and region that sends its events to EventBridge, or its name; None: the
    pipeline's own bucket.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-event-notifications-eventbridge.html"""
    max_age: Annotated[timedelta | cdk.Duration | None, _AGE] = None
    """How old a CRL may be, however far away its nextUpdate; 1 hour to 366 days, in whole hours. None:
    until its nextUpdate.
    https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5"""
    encryption_key: Annotated[kms.IKey | kms.Key | str | None, _KEY] = None
    """The KMS key that encrypts your own bucket, or its ARN; the publisher gets the permission to decrypt
    with it. None: the key of the bucket if the bucket is a CDK object, otherwise S3's own key. The pipeline's
    own bucket has the pipeline's `encryption_key`.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"""

    def __post_init__(self) -> None:
        if self.bucket is not None and self.prefix is None:
            raise refusal(
                "prefix", "nothing beside a bucket", "the beginning of the object keys in that bucket"
            )
        if self.encryption_key is not None and self.bucket is None:
            raise refusal(
                "encryption_key",
                "a key and no bucket",
                "the bucket that it encrypts; the pipeline's own has the pipeline's encryption_key",
            )
        ours = self.bucket is None and self.prefix is not None
        if ours and (not self.prefix or _INDEXES.startswith(self.prefix) or self.prefix.startswith(_INDEXES)):
            raise refusal(
                "prefix", f"'{self.prefix}'", f"a prefix that leaves out '{_INDEXES}', the pipeline's own"
            )


def upload_prefix(source: CrlBucket, ca_name: str) -> str:
    """Return the prefix below which the CRLs of the CA with this name are uploaded."""
    return f"crl/{ca_name}/" if source.prefix is None else source.prefix


Revocation = NoRevocation | CrlUrl | CrlBucket
"""The source of a CA's revocations."""

REVOCATIONS: Final = OneOfClasses(
    {"none": NoRevocation, "url": CrlUrl, "bucket": CrlBucket},
    '"none", which says that certificates of this CA are activated without a revocation check; '
    'or {"type": "url", "url": "https://…"}; or {"type": "bucket"}',
    alone=("none",),
)


@options
class RevocationSettings:
    """How CRLs are updated and applied, for all CAs that have one.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    every: Annotated[timedelta | cdk.Duration, span(5 * _MINUTE, _DAY, _MINUTE)] = _HOUR
    """How often each CA's source is checked for a new CRL, 5 minutes to a day, in whole minutes. From 15
    minutes before a CRL becomes stale it is checked every 5 minutes."""
    refresh: Annotated[timedelta | cdk.Duration, span(timedelta(seconds=1), _MINUTE)] = _MINUTE
    """The minimum time between a worker's checks for a newer index, 1 to 60 seconds."""
    mass_revocation_limit_percent: Annotated[int, whole_number(1, 100)] = 10
    """A CRL that would revoke or suspend more than this share of a CA's devices in service, 1 to 100
    percent, waits for `jitr crl confirm`; 100: no CRL waits."""
    mass_revocation_limit_minimum: Annotated[int, whole_number(1, 1_000_000)] = 50
    """A CRL that revokes fewer devices than this, 1 to 1,000,000, never waits."""
    close_sessions: Annotated[bool | None, flag()] = None
    """Close the MQTT session of a device as soon as its certificate is revoked or suspended; otherwise AWS
    IoT ends it within minutes. None: sessions are closed if the device policy allows each certificate exactly
    one client id, as the project's own policy does. With true, the synthesis fails if the policy does not.
    https://docs.aws.amazon.com/iot/latest/apireference/API_iotdata_DeleteConnection.html"""
    dry_run: Annotated[bool, flag()] = False
    """Only report which certificates a new CRL would revoke or suspend. New devices are checked as usual."""
