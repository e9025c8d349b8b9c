"""CRLs in an S3 bucket: every object below a prefix is one."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from iot_jitr_runtime.aws_errors import AwsError, error_code
from iot_jitr_runtime.publisher.sources import MAX_CRL_BYTES, CrlObject, FetchError, FetchProblem
from iot_jitr_runtime.revocation.model import Origin

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

MAX_OBJECTS = 1000
"""Maximum number of CRLs of one CA: partitions and history."""
_MISSING = {"NoSuchKey", "PreconditionFailed"}


@dataclass(frozen=True)
class S3Source:
    """A bucket and a prefix, which may be a whole key."""

    s3: "S3Client"
    bucket: str
    prefix: str
    max_bytes: int = MAX_CRL_BYTES

    def contains(self, bucket: str, key: str) -> bool:
        """Whether an object belongs to this source."""
        return bucket == self.bucket and key.startswith(self.prefix)

    def objects(self, in_force: Collection[Origin]) -> list[CrlObject]:
        """List what is below the prefix. S3's listing has the ETags, so `in_force` is not needed.

        Raises:
            FetchError: The objects cannot be listed, there are none, or there are too many.
        """
        del in_force
        listed = self._listed()
        if not listed:
            raise FetchError(FetchProblem.NOT_FOUND, f"there is no CRL below {self._location(self.prefix)}")
        return [
            CrlObject(
                Origin(self._location(each["Key"]), each["ETag"]),
                partial(self._read, each["Key"], each["ETag"], each["Size"]),
            )
            for each in listed
        ]

    def _listed(self) -> "list[ObjectTypeDef]":
        objects: list[ObjectTypeDef] = []
        try:
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix)
            for page in pages:
                # A key that ends with a slash is a folder marker of the S3 console.
                objects += [each for each in page.get("Contents", []) if not each["Key"].endswith("/")]
                if len(objects) > MAX_OBJECTS:
                    raise FetchError(
                        FetchProblem.TOO_MANY,
                        f"there are more than {MAX_OBJECTS} objects below {self._location(self.prefix)}",
                    )
        except AwsError as error:
            raise FetchError(
                FetchProblem.UNREACHABLE, f"{self._location(self.prefix)} cannot be listed: {error}"
            ) from error
        return objects

    def _read(self, key: str, etag: str, size: int) -> bytes:
        location = self._location(key)
        if size > self.max_bytes:
            raise FetchError(
                FetchProblem.TOO_LARGE, f"{location} has {size} bytes, more than {self.max_bytes}"
            )
        try:
            # Read the version that was listed: the size above is the size of that version.
            response = self.s3.get_object(Bucket=self.bucket, Key=key, IfMatch=etag)
            return response["Body"].read()
        except AwsError as error:
            missing = error_code(error) in _MISSING
            problem = FetchProblem.NOT_FOUND if missing else FetchProblem.UNREACHABLE
            raise FetchError(problem, f"{location} cannot be read: {error}") from error

    def _location(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"
