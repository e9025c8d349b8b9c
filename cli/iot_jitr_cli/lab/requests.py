"""A record of every AWS API call that reaches the local cloud: the caller, the operation and the status.

One JSON object a line: `at` (seconds since 1970), `key` (access key id of the caller), `service`, `operation`
(or method and path, if the protocol does not contain it) and `status` (HTTP). No parameters, no secrets.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

_CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d+/[^/]+/([^/]+)/aws4_request")
_OWN_PAGES = "/_ministack/"

# Every server has its own types for ASGI's messages.
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One AWS API call."""

    at: float
    key: str
    service: str
    operation: str
    status: int


def read_calls(file: Path) -> list[ApiCall]:
    """All calls so far, in the order of their answers."""
    return [ApiCall(**json.loads(line)) for line in file.read_text().splitlines()]


def recorded(app: AsgiApp, log: TextIO) -> AsgiApp:
    """Wrap an ASGI app so that its answered AWS API calls are written to `log`."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_OWN_PAGES):
            await app(scope, receive, send)
            return

        async def send_recorded(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                log.write(json.dumps(asdict(_call(scope, message["status"]))) + "\n")
                log.flush()
            await send(message)

        await app(scope, receive, send_recorded)

    return answer


def _call(scope: Mapping[str, Any], status: int) -> ApiCall:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    found = _CREDENTIAL.search(headers.get("authorization", ""))
    key, service = found.groups() if found else ("", "")
    target = headers.get("x-amz-target", "").rpartition(".")[2]
    return ApiCall(time.time(), key, service, target or f"{scope['method']} {scope['path']}", status)
