"""Clients for the AWS accounts of moto."""

from functools import cache
from typing import Any

import boto3
import moto.core  # noqa: F401 - has to be imported before a session is made, or moto does not answer for it
from botocore.config import Config

REGION = "eu-central-1"
CALLER = {"AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""The environment of a `jitr` command for such an account."""


@cache
def _session() -> boto3.Session:
    # One for all tests: it takes longer to make than a client. A handler that a test registers with a client
    # stays with that client.
    return boto3.Session("test", "test")


def aws_client(service: str, region: str = REGION) -> Any:
    """Create a client without retries: the code under test must receive the faults."""
    return _session().client(  # type: ignore[call-overload]
        service, region_name=region, config=Config(retries={"total_max_attempts": 1})
    )
