"""Versioned buckets in this process (moto)."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto import mock_aws

from tests.support.aws_clients import aws_client


@contextmanager
def simulated_s3() -> Iterator[Any]:
    """Open an empty account; yields an S3 client. Opening an account takes longer than a test."""
    with mock_aws():
        yield s3_client()


def s3_client() -> Any:
    """A client for the account that is open."""
    return aws_client("s3", "us-east-1")


def new_bucket(s3: Any) -> str:
    """Create an empty bucket and return its name."""
    name = f"revocation-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name
