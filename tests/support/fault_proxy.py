"""A proxy before the local cloud's API: services fail, connections break, functions crash at a chosen call.

Functions reach it through `AWS_ENDPOINT_URL_<SERVICE>`, the AWS SDK's own variables, so the code under test
runs unchanged and receives the same errors as from the network.
"""

import http.client
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import urlsplit

from tests.support.loopback_server import LoopbackServer

_SERVICE = re.compile(r"Credential=[^/,]+/\d+/[^/]+/([^/]+)/aws4_request")
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_UPSTREAM_TIMEOUT = 60


class BrokenConnectionError(Exception):
    """Raised by a fault: the caller gets no answer, and the call takes no effect."""


@dataclass(frozen=True)
class Request:
    """One AWS API call on its way."""

    service: str
    operation: str
    """Its name, or method and path where the protocol does not name it."""
    body: bytes
    port: int
    """The caller's own port: which process it is."""


@dataclass(frozen=True)
class Answer:
    """The response of a fault, instead of that of the service."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


INTERNAL_FAILURE = Answer(
    500,
    b'{"__type": "InternalFailureException", "message": "injected"}',
    {"Content-Type": "application/json", "x-amzn-ErrorType": "InternalFailureException"},
)
"""What AWS IoT and DynamoDB say."""
S3_UNAVAILABLE = Answer(
    503,
    b"<Error><Code>ServiceUnavailable</Code><Message>injected</Message></Error>",
    {"Content-Type": "application/xml"},
)


@dataclass(eq=False)
class Fault:
    """A fault of the calls of one service, or of those that contain one of some texts."""

    service: str
    mentions: Sequence[str]
    strike: Callable[[Request], Answer | None]
    """None: the call goes on to the service."""
    struck: int = 0
    over: bool = False

    def concerns(self, request: Request) -> bool:
        if self.over or request.service != self.service:
            return False
        said = request.operation + request.body.decode(errors="replace")
        return not self.mentions or any(text in said for text in self.mentions)


def broken(_request: Request) -> None:
    """Strike: the connection breaks."""
    raise BrokenConnectionError


def answering(answer: Answer) -> Callable[[Request], Answer]:
    """Strike: the service answers so."""
    return lambda _request: answer


class FaultProxy:
    """Serves on loopback until the end of `running`."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self._faults: list[Fault] = []
        self._server = LoopbackServer(type("Handler", (_Handler,), {"proxy": self}))

    @property
    def url(self) -> str:
        return self._server.url

    @contextmanager
    def running(self) -> Iterator[Self]:
        with self._server.running():
            yield self

    @contextmanager
    def fault(
        self, service: str, strike: Callable[[Request], Answer | None], mentions: Sequence[str] = ()
    ) -> Iterator[Fault]:
        """Apply a fault to the calls of a service, or to those that contain one of some texts."""
        fault = Fault(service, mentions, strike)
        self._faults.append(fault)
        try:
            yield fault
        finally:
            fault.over = True

    def forwarded(self, request: Request, answer: Answer) -> None:
        """Called with the service's answer to a request that no fault struck."""

    def strike(self, request: Request) -> Answer | None:
        """The response of the first fault that applies to the request; None if none applies."""
        for fault in list(self._faults):
            if fault.concerns(request):
                fault.struck += 1
                return fault.strike(request)
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = _SERVICE.search(self.headers.get("Authorization", ""))
        named = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        request = Request(
            found[1] if found else "", named or f"{self.command} {self.path}", body, self.client_address[1]
        )
        try:
            answer = self.proxy.strike(request) or self._forward(request)
        except BrokenConnectionError:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_HEAD = handle_request  # noqa: N815 - the base class's

    def _forward(self, request: Request) -> Answer:
        connection = http.client.HTTPConnection(self.proxy.upstream, timeout=_UPSTREAM_TIMEOUT)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        try:
            connection.request(self.command, self.path, request.body, headers)
            response = connection.getresponse()
            kept = {n: v for n, v in response.getheaders() if n.lower() not in _HOP_BY_HOP}
            answer = Answer(response.status, response.read(), kept)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenConnectionError from error
        finally:
            connection.close()
        self.proxy.forwarded(request, answer)
        return answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Write no log."""
