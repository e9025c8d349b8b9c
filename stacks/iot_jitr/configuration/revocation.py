"""Where a CA publishes its certificate revocation lists, or that it has none, said in words."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from iot_jitr.validation import ConfigurationError, check_text

if TYPE_CHECKING:
    from iot_jitr.configuration.reader import Section

NONE = "none"
_INDEXES = "index/"
_NOT_OURS = f"a prefix that leaves out '{_INDEXES}', the pipeline's own"
_LONGEST_AGE_HOURS = 24 * 366
KEY_ARN = r"arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+"
"""A KMS key itself: a permission can name no alias."""
KEY_ARN_ALLOWED = "the ARN of a KMS key, arn:…:key/…"
_URL = r"https?://[^\s/?#@]+(/[^\s#]*)?"
_URL_ALLOWED = "an https:// or http:// URL without credentials"
_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_BUCKET_ALLOWED = "a bucket's name"
_PREFIX = r"[^\s*?\[\]]{0,512}"
_PREFIX_ALLOWED = "the beginning of object keys"
_PREFIX_MISSING = "the beginning of the object keys in that bucket"


@dataclass(frozen=True)
class NoRevocation:
    """The CA has no CRL: a certificate, once issued, is admitted until it expires."""

    setting = "none"
    """What the activator is told."""


@dataclass(frozen=True)
class CrlUrl:
    """The CA publishes its CRL at a URL.

    Raises:
        ConfigurationError: It is no such URL, or the age is out of its range.
    """

    url: str
    """`https://` or `http://`, without credentials; a CRL is signed, so both are as safe.
    https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.13"""
    max_age: timedelta | None = None
    """How old a CRL may be, however far away its nextUpdate; 1 to 8,784 whole hours. None: until its
    nextUpdate.
    https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5"""
    setting = "crl"

    def __post_init__(self) -> None:
        check_text("crl_url", self.url, _URL, _URL_ALLOWED)
        _check_age("crl_url", self.max_age)


@dataclass(frozen=True)
class CrlBucket:
    """The CA's CRLs are uploaded to S3; every object below the prefix is one.

    Raises:
        ConfigurationError: The prefix is where the pipeline keeps its own indexes, a key without a bucket, a
            bucket without a prefix, or a value out of its range.
    """

    prefix: str | None = None
    """The beginning of the object keys, up to 512 characters. None: `crl/<name of the CA>/`; a bucket of
    yours has no such default.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
    bucket: str | None = None
    """Name of a bucket of this account and region that sends its events to EventBridge; None: the pipeline's
    own bucket.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-event-notifications-eventbridge.html"""
    max_age: timedelta | None = None
    """How old a CRL may be, however far away its nextUpdate; 1 to 8,784 whole hours. None: until its
    nextUpdate.
    https://www.rfc-editor.org/rfc/rfc5280#section-5.1.2.5"""
    encryption_key_arn: str | None = None
    """ARN of the KMS key that encrypts the bucket of yours, which the publisher may decrypt with; None: S3's
    own. The pipeline's own bucket goes by the pipeline's `encryption_key`.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"""
    setting = "crl"

    def __post_init__(self) -> None:
        check_text("crl_s3.bucket", self.bucket, _BUCKET, _BUCKET_ALLOWED)
        check_text("crl_s3.prefix", self.prefix, _PREFIX, _PREFIX_ALLOWED)
        check_text("crl_s3.encryption_key", self.encryption_key_arn, KEY_ARN, KEY_ARN_ALLOWED)
        _check_age("crl_s3", self.max_age)
        if self.bucket is not None and self.prefix is None:
            raise ConfigurationError("crl_s3.prefix", f"nothing with bucket '{self.bucket}'", _PREFIX_MISSING)
        if self.encryption_key_arn is not None and self.bucket is None:
            raise ConfigurationError(
                "crl_s3.encryption_key",
                "a key and no bucket",
                "the bucket that it encrypts; the pipeline's own goes by the pipeline's encryption_key",
            )
        ours = self.bucket is None and self.prefix is not None
        if ours and (not self.prefix or _INDEXES.startswith(self.prefix) or self.prefix.startswith(_INDEXES)):
            raise ConfigurationError("crl_s3.prefix", f"'{self.prefix}'", _NOT_OURS)

    def prefix_for(self, ca_name: str) -> str:
        """The prefix below which the CRLs of the CA with this name lie."""
        return f"crl/{ca_name}/" if self.prefix is None else self.prefix


Revocation = NoRevocation | CrlUrl | CrlBucket
"""How the revocation of a CA's certificates is known."""


@dataclass(frozen=True)
class RevocationSettings:
    """How CRLs are kept fresh and acted on, for all CAs that have one.

    Raises:
        ConfigurationError: A value is out of its range.
    """

    every: timedelta = timedelta(hours=1)
    """How often each CA's source is asked for a new CRL, 5 minutes to a day. From 15 minutes before a CRL
    becomes stale it is asked every 5 minutes by itself."""
    refresh: timedelta = timedelta(minutes=1)
    """How often a worker asks for a newer index at most, 1 to 60 seconds."""
    catch_percent: int = 10
    """A CRL that would put out more than this share of a CA's devices, 1 to 100 percent, waits for
    `jitr crl confirm`; 100: none waits."""
    catch_minimum: int = 50
    """Fewer devices than this, 1 to 1,000,000, never wait."""
    dry_run: bool = False
    """Only report whom a new CRL would put out. New devices are checked all the same."""

    def __post_init__(self) -> None:
        _check("every", self.every, timedelta(minutes=5), timedelta(days=1))
        _check("refresh", self.refresh, timedelta(seconds=1), timedelta(seconds=60))
        _check("catch_percent", self.catch_percent, 1, 100)
        _check("catch_minimum", self.catch_minimum, 1, 1_000_000)


def _check_age(where: str, age: timedelta | None) -> None:
    hour = timedelta(hours=1)
    if age is not None and (age % hour or not hour <= age <= _LONGEST_AGE_HOURS * hour):
        raise ConfigurationError(f"{where}: max_age", str(age), f"1 to {_LONGEST_AGE_HOURS} whole hours")


def _check(name: str, value: timedelta | int, low: timedelta | int, high: timedelta | int) -> None:
    if not low <= value <= high:  # type: ignore[operator]  # each call compares like with like
        raise ConfigurationError(f"revocation: {name}", str(value), f"{low} to {high}")


ALLOWED = (
    '"none", which says that certificates of this CA are activated without a revocation check; '
    'or {"crl_url": "https://…"}; or {"crl_s3": {}}'
)


def read_revocation(ca: "Section") -> Revocation:
    """Read the key `revocation` of a CA.

    There is no default: to activate devices without a revocation check is a decision that somebody takes.

    Raises:
        ConfigurationError: It is missing or wrong.
    """
    value = ca.get("revocation")
    if value == NONE:
        return NoRevocation()
    if not isinstance(value, dict) or len({"crl_url", "crl_s3"} & set(value)) != 1:
        raise ca.wrong("revocation", ALLOWED)
    section = ca.section("revocation")
    hours = section.number("max_age_hours", 0, low=1, high=_LONGEST_AGE_HOURS)
    max_age = timedelta(hours=hours) if hours else None
    revocation: Revocation
    url = section.text("crl_url", None, pattern=_URL, allowed=_URL_ALLOWED)
    if url is not None:
        revocation = CrlUrl(url, max_age)
        section.get("crl_s3")
    else:
        revocation = _read_bucket(section.section("crl_s3"), max_age)
    section.finish()
    return revocation


def _read_bucket(s3: "Section", max_age: timedelta | None) -> CrlBucket:
    bucket = s3.text("bucket", None, pattern=_BUCKET, allowed=_BUCKET_ALLOWED)
    prefix = s3.text("prefix", None, pattern=f"(?=.){_PREFIX}", allowed=_PREFIX_ALLOWED)
    key = s3.text("encryption_key", None, pattern=KEY_ARN, allowed=KEY_ARN_ALLOWED)
    s3.finish()
    if key is not None and bucket is None:
        raise s3.wrong("encryption_key", "a key together with the bucket that it encrypts")
    if bucket is not None and prefix is None:
        raise s3.wrong("prefix", _PREFIX_MISSING)
    try:
        return CrlBucket(prefix, bucket, max_age, key)
    except ConfigurationError as error:
        raise s3.wrong("prefix", _NOT_OURS) from error


def read_revocation_settings(root: "Section") -> RevocationSettings | None:
    """Read the key `revocation` of the pipeline; None where it is absent.

    Raises:
        ConfigurationError: A value is wrong.
    """
    section = root.section("revocation")
    settings = RevocationSettings(
        every=timedelta(minutes=section.number("schedule_minutes", 60, low=5, high=1440)),
        refresh=timedelta(seconds=section.number("refresh_seconds", 60, low=1, high=60)),
        catch_percent=section.number("catch_percent", 10, low=1, high=100),
        catch_minimum=section.number("catch_minimum", 50, low=1, high=1_000_000),
        dry_run=section.flag("dry_run", default=False),
    )
    section.finish()
    return None if root.get("revocation") is None else settings
