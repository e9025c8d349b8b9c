"""Where a running local cloud listens, its root credentials, and clients for it."""

import os
from dataclasses import dataclass, field
from functools import cache, partial

import boto3
import botocore.session

from iot_jitr_cli.lab.environment import LOOPBACK
from iot_jitr_cli.lab.process import ProcessIdentity
from iot_jitr_cli.session import CONFIG

REGION = "us-east-1"
ACCOUNT = "000000000000"

_NO_CONFIGURATION = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running MiniStack: where it listens, and the root credentials it was started with."""

    process: ProcessIdentity
    gateway_port: int
    mqtt_port: int
    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def url(self) -> str:
        """The AWS endpoint. An address, not `localhost`: it makes the JavaScript SDK use path-style S3."""
        return f"http://{LOOPBACK}:{self.gateway_port}"

    @property
    def credentials(self) -> dict[str, str]:
        """The `AWS_*` variables of a caller with root rights in this local cloud, and nowhere else."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    @property
    def session(self) -> boto3.Session:
        """A session with root rights; it reads nothing of the caller's AWS configuration.

        Each of its clients is made once.
        """
        return _session(self)


@cache
def _session(endpoint: Endpoint) -> boto3.Session:
    core = botocore.session.Session(session_vars=_NO_CONFIGURATION)
    core.set_default_client_config(CONFIG)
    session = boto3.Session(
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        region_name=REGION,
        botocore_session=core,
    )
    session.client = cache(partial(session.client, endpoint_url=endpoint.url))  # type: ignore[method-assign]
    return session
