"""A versioned bucket in this process (moto)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from moto import mock_aws

BUCKET = "revocation"
ONE_TRY = Config(retries={"total_max_attempts": 1})


@contextmanager
def versioned_bucket() -> Iterator[Any]:
    """Open an account with an empty versioned bucket; yields an S3 client."""
    with mock_aws():
        yield make_bucket()


def make_bucket(name: str = BUCKET) -> Any:
    """Create the bucket in the account that is open."""
    s3 = boto3.client(
        "s3",
        region_name="us-east-1",
        config=ONE_TRY,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return s3
