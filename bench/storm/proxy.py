"""A proxy in front of the local cloud's AWS IoT API that enforces the account's quotas.

`python -m bench.storm.proxy UPSTREAM` prints its own address and serves until its standard input is closed.
The functions use it through `AWS_ENDPOINT_URL_IOT`, a variable of the AWS SDK, so production code does not
depend on it. `GET /report` returns the results of the calls and the time of each activation, `POST /reset`
deletes this record.
"""

import http.client
import json
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from bench.storm.operations import operation_of
from bench.storm.quotas import Quotas

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_CERTIFICATE = re.compile(r"/certificates/([0-9a-f]{64})")
_UPSTREAM_TIMEOUT = 30


@dataclass
class Account:
    """The state of the proxy: the quotas, and the time of each activation (seconds since 1970)."""

    quotas: Quotas = field(default_factory=Quotas)
    activated: list[tuple[str, float]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def report(self, since: int) -> dict[str, Any]:
        """The results of the calls; the activations from number `since` on."""
        with self.lock:
            return {
                "served": dict(self.quotas.served),
                "throttled": dict(self.quotas.throttled),
                "activated": self.activated[since:],
            }


class Handler(BaseHTTPRequestHandler):
    """Forwards a call or throttles it."""

    protocol_version = "HTTP/1.1"
    upstream = ""
    account = Account()
    _connections = threading.local()

    def handle_request(self) -> None:
        """Answer one request."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/report"):
            since = parse_qs(urlsplit(self.path).query).get("since", ["0"])[0]
            self._answer_json(200, self.account.report(int(since)))
        elif self.path == "/reset":
            type(self).account = Account()
            self._answer_json(200, {})
        elif self._allowed():
            self._forward(body)
        else:
            self._answer_json(
                400,
                {"message": "Rate exceeded"},
                {"x-amzn-ErrorType": "ThrottlingException", "x-amzn-RequestId": "storm"},
            )

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_request  # noqa: N815 - the base class's names

    def _allowed(self) -> bool:
        with self.account.lock:
            return self.account.quotas.allow(operation_of(self.command, self.path))

    def _forward(self, body: bytes) -> None:
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        connection = self._upstream()
        try:
            connection.request(self.command, self.path, body, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            # The caller may retry; the effect of this call is unknown.
            connection.close()
            self.close_connection = True
            return
        self._note_activation(response.status)
        self.send_response(response.status)
        for name, value in response.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _note_activation(self, status: int) -> None:
        target = urlsplit(self.path)
        named = _CERTIFICATE.fullmatch(target.path)
        to_active = parse_qs(target.query).get("newStatus") == ["ACTIVE"]
        if named and to_active and self.command == "PUT" and status == http.client.OK:
            with self.account.lock:
                self.account.activated.append((named[1], time.time()))

    def _upstream(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._connections, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self.upstream, timeout=_UPSTREAM_TIMEOUT)
            self._connections.connection = connection
        return connection

    def _answer_json(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
        answer = json.dumps(document).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Print nothing: there would be thousands of lines."""


class Server(ThreadingHTTPServer):
    """On loopback, on a free port."""

    daemon_threads = True
    request_queue_size = 512


def main() -> int:
    """Serve until standard input is closed."""
    Handler.upstream = urlsplit(sys.argv[1]).netloc
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    sys.stdin.read()
    server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
