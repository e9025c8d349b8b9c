"""Sessions for the caller's AWS: `AWS_PROFILE`, `AWS_REGION` and `AWS_ENDPOINT_URL`, with short time-outs.

>>> iot = aws_session().client("iot")  # doctest: +SKIP
"""

import os
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import boto3
import botocore.session
from botocore import exceptions
from botocore.config import Config

from iot_jitr_cli.console import CliError
from iot_jitr_runtime.aws_errors import DENIED

CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 3},
    user_agent_extra="iot-jitr-cli",
)
"""For every client: time-outs in seconds to connect and to read; three attempts, because a user waits."""


def aws_session() -> boto3.Session:
    """A session with a region and credentials; its clients have short time-outs and are created once.

    `AWS_REGION` has precedence over `AWS_DEFAULT_REGION`, and `AWS_DEFAULT_REGION` over the profile's region
    (boto3 itself does not read `AWS_REGION`). Its clients use `AWS_ENDPOINT_URL`.

    Raises:
        CliError: Neither the environment nor the profile sets a region, or there are no credentials in the
            environment, the profile or the instance's metadata.
    """
    core = botocore.session.Session()
    core.set_default_client_config(CONFIG)
    session = boto3.Session(botocore_session=core, region_name=os.environ.get("AWS_REGION") or None)
    if not session.region_name:
        raise CliError("no AWS region is configured: set AWS_REGION, or 'region' in the AWS profile")
    if session.get_credentials() is None:
        raise CliError(
            "no AWS credentials found: set AWS_PROFILE, or log in ('aws sso login'), "
            'or for the local cloud: eval "$(jitr lab env)"'
        )
    # A new client for each call would need a new connection and a TLS handshake for each call.
    session.client = cache(partial(_client, session.client))  # type: ignore[method-assign]
    return session


def _client(make: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Make a client.

    Raises:
        CliError: The configured endpoint is not a URL; botocore raises only a ValueError for that.
    """
    try:
        return make(*arguments, **options)
    except ValueError as error:
        if not str(error).startswith("Invalid endpoint"):
            raise
        raise CliError(
            f"{error}: expected a URL such as http://127.0.0.1:4566 in AWS_ENDPOINT_URL, or as the profile's "
            "'endpoint_url'"
        ) from error


_CHECK_PROFILE = "check AWS_PROFILE and ~/.aws/config"
_CHECK_ENDPOINT = "is the network up, and AWS_ENDPOINT_URL right (for the local cloud: 'jitr lab status')?"
_LOG_IN = "set AWS_PROFILE, or log in ('aws sso login')"
_REMEDIES: dict[type[exceptions.BotoCoreError], str] = {
    exceptions.ProfileNotFound: _CHECK_PROFILE,
    exceptions.InvalidRegionError: "check AWS_REGION",
    exceptions.EndpointConnectionError: _CHECK_ENDPOINT,
    exceptions.ConnectTimeoutError: _CHECK_ENDPOINT,
    exceptions.NoCredentialsError: _LOG_IN,
    exceptions.PartialCredentialsError: _LOG_IN,
    exceptions.TokenRetrievalError: _LOG_IN,
    exceptions.SSOTokenLoadError: _LOG_IN,
}


def explain(error: BaseException) -> str | None:
    """One line for an error of the AWS SDK: the failure and the fix; `None` for any other error."""
    if isinstance(error, exceptions.ClientError):
        return _service_error(error)
    if isinstance(error, exceptions.BotoCoreError):
        remedy = next((text for kind, text in _REMEDIES.items() if isinstance(error, kind)), None)
        return f"{error} ({remedy})" if remedy else str(error)
    return None


_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}


def _service_error(error: exceptions.ClientError) -> str:
    answer = error.response.get("Error", {})
    code, text = answer.get("Code", "unknown"), answer.get("Message") or "no message"
    what = f"AWS refused {error.operation_name}: {code}: {text}"
    if code in _EXPIRED:
        return f"{what} (log in again, or check AWS_PROFILE and AWS_ENDPOINT_URL)"
    if code in DENIED:
        return f"{what} (the caller's identity lacks a permission)"
    return what
