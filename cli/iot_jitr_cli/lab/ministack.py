"""Starts MiniStack on two loopback ports; a running MiniStack with its credentials and its own pages."""

import importlib.util
import json
import os
import secrets
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import boto3
import botocore.session

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab.environment import LOOPBACK, child_environment
from iot_jitr_cli.lab.files import LabFiles
from iot_jitr_cli.lab.process import ProcessIdentity, spawn, stop_processes
from iot_jitr_cli.session import CONFIG
from iot_jitr_cli.waiting import wait_until

REGION = "us-east-1"
ACCOUNT = "000000000000"

_NO_CONFIGURATION = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
_START_LIMIT = 180.0
"""Time limit in seconds for the first answer; about 3 s on an idle machine. An exit is detected at once."""
_REQUEST_LIMIT = 30.0
_OPENER = build_opener(ProxyHandler({}))
"""Opens URLs without the caller's proxies."""
LAUNCHER = ("-m", "iot_jitr_cli.lab.launcher")
"""The module that the lab's process runs."""


class UnreachableError(CliError):
    """MiniStack's process runs, but it does not answer."""


@dataclass(frozen=True, slots=True)
class MiniStack:
    """A running MiniStack: its addresses, and the root credentials that it was started with."""

    process: ProcessIdentity
    gateway_port: int
    mqtt_port: int
    access_key_id: str
    secret_access_key: str = field(repr=False)

    @property
    def url(self) -> str:
        """The AWS endpoint. With an address instead of `localhost`, the JavaScript SDK uses path-style S3."""
        return f"http://{LOOPBACK}:{self.gateway_port}"

    @property
    def credentials(self) -> dict[str, str]:
        """The `AWS_*` variables of a caller with root rights; they are valid only in this local cloud."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    @property
    def session(self) -> boto3.Session:
        """A session with root rights; it does not read the caller's AWS configuration.

        Each of its clients is made once.
        """
        return _session(self)

    def health(self) -> Mapping[str, Any]:
        """MiniStack's health report.

        Raises:
            UnreachableError: It does not answer.
        """
        answer: Mapping[str, Any] = json.loads(self.fetch("/_ministack/health"))
        return answer

    def fetch(self, path: str) -> bytes:
        """Read one of MiniStack's own pages.

        Raises:
            UnreachableError: It does not answer, or answers with an error.
        """
        try:
            with _OPENER.open(f"{self.url}{path}", timeout=_REQUEST_LIMIT) as response:
                content: bytes = response.read()
        except (OSError, HTTPException) as error:
            raise UnreachableError(
                f"MiniStack does not answer {self.url}{path} ({error}): 'jitr lab down', then 'jitr lab up'"
            ) from error
        return content


def start(files: LabFiles, ports: tuple[int, int], *, outlives_caller: bool = False) -> MiniStack:
    """Start MiniStack with IAM enforced, in the lab's folder.

    Args:
        files: The lab's folder.
        ports: The ports of the AWS endpoint and of the MQTT broker; 0 selects a free port.
        outlives_caller: It runs until it is stopped, also after the end of this process.

    Raises:
        CliError: The extra `lab` is not installed, a port of `ports` is not free, or MiniStack ended or did
            not answer within three minutes.
    """
    if importlib.util.find_spec("ministack") is None:
        raise CliError("the local cloud, MiniStack, is missing: pip install 'iot-jitr[lab]'")
    access_key_id, secret_access_key = f"LKIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe(30)
    with ExitStack() as stack:
        gateway = stack.enter_context(_listening_socket(ports[0], "gateway"))
        mqtt = stack.enter_context(_listening_socket(ports[1], "mqtt"))
        gateway_port, mqtt_port = gateway.getsockname()[1], mqtt.getsockname()[1]
        variables = {
            "AUTH": "true",
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(gateway_port),
            "IOT_MTLS_PORT": str(mqtt_port),
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "MINISTACK_REGION": REGION,
            # MiniStack uses these credentials as those of the account's root user.
            "AWS_ACCESS_KEY_ID": access_key_id,
            "AWS_SECRET_ACCESS_KEY": secret_access_key,
            "LAMBDA_EXECUTOR": "local",
            # MiniStack must not use the Docker daemon of this machine.
            "DOCKER_HOST": f"unix://{files.folder / 'no-docker.sock'}",
        }
        descriptors = (gateway.fileno(), mqtt.fileno())
        arguments = [*map(str, descriptors), str(files.requests)]
        if not outlives_caller:
            arguments.append(str(os.getpid()))
        process = spawn(
            [sys.executable, *LAUNCHER, *arguments],
            environment=child_environment(files.folder, variables),
            log=files.ministack_log,
            cwd=files.folder,
            sockets=descriptors,
        )
    started = MiniStack(process, gateway_port, mqtt_port, access_key_id, secret_access_key)
    try:
        _wait_until_ready(started, files.ministack_log)
    except BaseException:
        # Also after Ctrl-C.
        stop_processes(files.folder)
        raise
    return started


def _listening_socket(port: int, name: str) -> socket.socket:
    """Bind a port now and return its socket: another program could use a port that is only selected."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
    except OSError as error:
        bound.close()
        raise CliError(
            f"cannot listen on {LOOPBACK}:{port} ({error.strerror}): choose another with --{name}-port, "
            "or leave it out to get a free one"
        ) from error
    return bound


def _wait_until_ready(started: MiniStack, log: Path) -> None:
    state = wait_until(lambda: _state(started), limit=_START_LIMIT) or "did not answer"
    if state != "listening":
        raise CliError(f"MiniStack did not start ({state}; last line: {last_line(log)!r}): see {log}")


def _state(started: MiniStack) -> str | None:
    """The state of the MQTT listener, or that the process has ended; `None` while there is no answer."""
    if not started.process.is_running():
        return "ended"
    try:
        started.fetch("/_ministack/ready")
        return str(started.health()["iot_mtls"])
    except UnreachableError:
        return None


def last_line(log: Path) -> str:
    """The last non-empty line of a log."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


@cache
def _session(ministack: MiniStack) -> boto3.Session:
    core = botocore.session.Session(session_vars=_NO_CONFIGURATION)
    core.set_default_client_config(CONFIG)
    session = boto3.Session(
        aws_access_key_id=ministack.access_key_id,
        aws_secret_access_key=ministack.secret_access_key,
        region_name=REGION,
        botocore_session=core,
    )
    session.client = cache(partial(session.client, endpoint_url=ministack.url))  # type: ignore[method-assign]
    return session
