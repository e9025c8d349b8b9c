"""AWS clients for the local cloud, deaf to the caller's AWS configuration."""

import os
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session

from iot_jitr_cli.lab.endpoint import REGION
from iot_jitr_cli.session import CONFIG

if TYPE_CHECKING:
    from iot_jitr_cli.lab.endpoint import Endpoint

_NOTHING_CONFIGURED = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def client(endpoint: "Endpoint", service: str) -> Any:
    """A boto3 client with root rights in the local cloud, which can reach nothing else."""
    core = botocore.session.Session(session_vars=_NOTHING_CONFIGURED)
    core.set_default_client_config(CONFIG)
    session = boto3.Session(
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        region_name=REGION,
        botocore_session=core,
    )
    return session.client(service, endpoint_url=endpoint.url)  # type: ignore[call-overload]  # by name
