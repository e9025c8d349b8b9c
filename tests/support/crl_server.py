"""An HTTP server on loopback that serves a CRL, or responds wrongly as a test needs it."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.support.loopback_server import LoopbackServer

Behaviour = Callable[["Request"], None]
_BETWEEN_DROPS = 0.02


class Request(BaseHTTPRequestHandler):
    """One request, in the server's thread."""

    server: "_Server"

    def do_GET(self) -> None:
        self.server.owner.requests.append((self.path, dict(self.headers)))
        self.server.owner.behaviour(self)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    @property
    def closing(self) -> threading.Event:
        return self.server.owner.closing

    def drip(self, begin: bytes) -> None:
        """Send `begin`, and then one byte after the other until the client disconnects or the test ends."""
        self.wfile.write(begin)
        while not self.closing.wait(_BETWEEN_DROPS):
            self.wfile.write(b"x")
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Write no log."""


class _Server(LoopbackServer):
    owner: "CrlServer"


@dataclass
class CrlServer:
    """Set `behaviour`; `requests` has path and headers of each."""

    port: int
    behaviour: Behaviour = lambda request: request.answer(404)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/ca.crl", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def serve(self, body: bytes, **headers: str) -> None:
        def behave(request: Request) -> None:
            same = {
                "If-None-Match": headers.get("ETag"),
                "If-Modified-Since": headers.get("Last_Modified"),
            }
            if any(value and request.headers.get(name) == value for name, value in same.items()):
                request.answer(304)
            else:
                request.answer(200, body, **headers)

        self.behaviour = behave


@contextmanager
def crl_server(tls: ssl.SSLContext | None = None) -> Iterator[CrlServer]:
    server = _Server(Request)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.owner = CrlServer(server.server_port)
    with server.running():
        try:
            yield server.owner
        finally:
            server.owner.closing.set()
