"""Starts MiniStack on two loopback ports and waits until both answer."""

import importlib.util
import json
import secrets
import socket
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

from iot_jitr_cli.console import CliError
from iot_jitr_cli.lab.endpoint import ACCOUNT, REGION, Endpoint
from iot_jitr_cli.lab.environment import LOOPBACK, child_environment
from iot_jitr_cli.lab.files import LabFiles
from iot_jitr_cli.lab.process import ProcessIdentity, spawn, stop_processes
from iot_jitr_cli.waiting import wait_until

_START_LIMIT = 180.0
"""Seconds from the start to the first answer; some three on an idle machine. An end is noticed at once."""
_REQUEST_LIMIT = 30.0
_OPENER = build_opener(ProxyHandler({}))
"""Without the caller's proxies."""
LAUNCHER = ("-m", "iot_jitr_cli.lab.launcher")
"""What the Python of the lab's process runs."""


class UnreachableError(CliError):
    """MiniStack's process runs, but it does not answer."""


def start(files: LabFiles, ports: tuple[int, int], owner: ProcessIdentity | None = None) -> Endpoint:
    """Start MiniStack with IAM enforced, working in the lab's folder; it does not outlive `owner`.

    Args:
        files: The lab's folder.
        ports: Of the AWS endpoint and of the MQTT broker; 0 takes a free one.
        owner: The process with which it ends, if it ends with one.

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
            # MiniStack takes the pair it was started with for the account's root.
            "AWS_ACCESS_KEY_ID": access_key_id,
            "AWS_SECRET_ACCESS_KEY": secret_access_key,
            "LAMBDA_EXECUTOR": "local",
            # No Docker daemon of this machine.
            "DOCKER_HOST": f"unix://{files.folder / 'no-docker.sock'}",
        }
        descriptors = (gateway.fileno(), mqtt.fileno())
        arguments = [*map(str, descriptors), str(files.requests)]
        if owner is not None:
            arguments += [str(owner.pid), repr(owner.started)]
        process = spawn(
            [sys.executable, *LAUNCHER, *arguments],
            environment=child_environment(files.folder, variables),
            log=files.ministack_log,
            cwd=files.folder,
            sockets=descriptors,
        )
    endpoint = Endpoint(process, gateway_port, mqtt_port, access_key_id, secret_access_key)
    try:
        _wait_until_ready(endpoint, files.ministack_log)
    except BaseException:
        # Ctrl-C included.
        stop_processes(files.folder)
        raise
    return endpoint


def health(endpoint: Endpoint) -> Mapping[str, Any]:
    """MiniStack's own health report.

    Raises:
        UnreachableError: It does not answer.
    """
    answer: Mapping[str, Any] = json.loads(fetch(endpoint, "/_ministack/health"))
    return answer


def fetch(endpoint: Endpoint, path: str) -> bytes:
    """Read one of MiniStack's own pages.

    Raises:
        UnreachableError: It does not answer, or not with success.
    """
    try:
        with _OPENER.open(f"{endpoint.url}{path}", timeout=_REQUEST_LIMIT) as response:
            content: bytes = response.read()
    except (OSError, HTTPException) as error:
        raise UnreachableError(
            f"MiniStack does not answer {endpoint.url}{path} ({error}): 'jitr lab down', then 'jitr lab up'"
        ) from error
    return content


def _listening_socket(port: int, name: str) -> socket.socket:
    """Bind a port now and hand the socket over: another program could take a port that is only chosen."""
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


def _wait_until_ready(endpoint: Endpoint, log: Path) -> None:
    state = wait_until(lambda: _state(endpoint), limit=_START_LIMIT) or "did not answer"
    if state != "listening":
        raise CliError(f"MiniStack did not start ({state}; last line: {last_line(log)!r}): see {log}")


def _state(endpoint: Endpoint) -> str | None:
    """The state of its MQTT listener, or that the process has ended; `None` while it does not answer."""
    if not endpoint.process.is_running():
        return "ended"
    try:
        fetch(endpoint, "/_ministack/ready")
        return str(health(endpoint)["iot_mtls"])
    except UnreachableError:
        return None


def last_line(log: Path) -> str:
    """The last line of a log that is not empty."""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
