"""Versioned buckets in this process (moto)."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from moto import mock_aws

ONE_TRY = Config(retries={"total_max_attempts": 1})
"""Faults are to reach the code under test, not botocore's retries."""


@contextmanager
def simulated_s3() -> Iterator[Any]:
    """Open an account with nothing in it; yields an S3 client. Opening one takes longer than a test does."""
    with mock_aws():
        yield s3_client()


def s3_client() -> Any:
    """A client for the account that is open."""
    return boto3.client(
        "s3",
        region_name="us-east-1",
        config=ONE_TRY,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def new_bucket(s3: Any) -> str:
    """Create an empty bucket and return its name."""
    name = f"revocation-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name
