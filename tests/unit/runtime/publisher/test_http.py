"""Fetching over HTTP ends in the CRL or in one typed error, in bounded time, for any server."""

import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPSConnection
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from iot_jitr_runtime.publisher.http import MAX_REDIRECTS, HttpSource
from iot_jitr_runtime.publisher.sources import FetchError, FetchProblem
from iot_jitr_runtime.revocation.model import Origin
from tests.support.crl_server import Behaviour, CrlServer, Request, crl_server
from tests.support.limits import LONGEST_WAIT
from tests.support.mqtt_broker import server_ca, server_identity
from tests.support.ports import reserved_port, silent_port

pytestmark = pytest.mark.timing

BODY = b"the CRL"
HEADERS = b"HTTP/1.1 200 OK\r\n"
MODIFIED = "Mon, 05 Jan 2026 00:00:00 GMT"
SIZE = 1_000_000


@pytest.fixture
def server() -> Iterator[CrlServer]:
    with crl_server() as running:
        yield running


def source(url: str, **limits: float) -> HttpSource:
    """A source with limits that no correct server reaches, or with the given limits."""
    generous = {"max_bytes": SIZE, "total_seconds": LONGEST_WAIT, "pause_seconds": LONGEST_WAIT}
    return HttpSource(url, **(generous | limits))  # type: ignore[arg-type]


def fetch(url: str, *in_force: Origin, **limits: float) -> tuple[bytes | None, Origin]:
    [found] = source(url, **limits).objects(in_force)
    return found.read and found.read(), found.origin


def problem(url: str, **limits: float) -> FetchProblem:
    with pytest.raises(FetchError) as caught:
        fetch(url, **limits)
    assert "\n" not in str(caught.value)
    return caught.value.problem


def test_the_body_is_returned_with_its_cache_validators(server: CrlServer) -> None:
    server.serve(BODY, ETag='"1"', Last_Modified=MODIFIED)

    assert fetch(server.url()) == (BODY, Origin(server.url(), '"1"', MODIFIED))
    _, headers = server.requests[0]
    assert headers["Accept-Encoding"] == "identity"
    assert "If-None-Match" not in headers


@pytest.mark.parametrize("validators", [('"7"', MODIFIED), ('"7"', None), (None, MODIFIED)])
def test_an_unchanged_body_is_not_sent_again(
    server: CrlServer, validators: tuple[str | None, str | None]
) -> None:
    etag, modified = validators
    sent = {"ETag": etag, "Last_Modified": modified}
    server.serve(BODY, **{name: value for name, value in sent.items() if value})
    in_force = Origin(server.url(), etag, modified)

    assert fetch(server.url(), Origin("http://elsewhere", '"8"'), in_force) == (None, in_force)
    _, headers = server.requests[0]
    assert (headers.get("If-None-Match"), headers.get("If-Modified-Since")) == validators


def test_a_changed_body_is_sent(server: CrlServer) -> None:
    server.serve(BODY, ETag='"1"')

    assert fetch(server.url(), Origin(server.url(), '"0"')) == (BODY, Origin(server.url(), '"1"'))


def test_the_query_is_part_of_the_request(server: CrlServer) -> None:
    server.serve(BODY)
    fetch(server.url("/crl?ca=7"))
    fetch(f"http://127.0.0.1:{server.port}")

    assert [path for path, _ in server.requests] == ["/crl?ca=7", "/"]


def test_a_chunked_body_is_assembled(server: CrlServer) -> None:
    def chunked(request: Request) -> None:
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"4\r\nthe \r\n3\r\nCRL\r\n0\r\n\r\n")

    server.behaviour = chunked

    assert fetch(server.url())[0] == BODY


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server: CrlServer, status: int) -> None:
    def behave(request: Request) -> None:
        if request.path == "/ca.crl":
            request.answer(status, Location="/moved/../here.crl?x")
        else:
            request.answer(200, BODY)

    server.behaviour = behave

    assert fetch(server.url())[0] == BODY


@pytest.mark.parametrize("location", ["/ca.crl", "/{}"], ids=["a loop", "an endless chain"])
def test_too_many_redirects_are_a_problem(server: CrlServer, location: str) -> None:
    server.behaviour = lambda request: request.answer(302, Location=location.format(len(server.requests)))

    assert problem(server.url()) is FetchProblem.BAD_REDIRECT
    assert len(server.requests) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/ca.crl", "data:,x", "", None])
def test_a_redirect_to_anything_but_http_is_refused(server: CrlServer, location: str | None) -> None:
    headers = {} if location is None else {"Location": location}
    server.behaviour = lambda request: request.answer(302, **headers)

    assert problem(server.url()) is FetchProblem.BAD_REDIRECT


@pytest.mark.parametrize("host", ["localhost", "[::ffff:127.0.0.1]"])
def test_a_redirect_to_another_name_for_loopback_is_refused(server: CrlServer, host: str) -> None:
    server.behaviour = lambda request: request.answer(302, Location=server.url("/inside", host=host))

    assert problem(server.url()) is FetchProblem.BAD_REDIRECT
    assert [path for path, _ in server.requests] == ["/ca.crl"]


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "127.0.0.2", "::1", "::"],
)
def test_a_redirect_to_a_name_of_a_local_address_is_refused(
    server: CrlServer, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Link-local addresses are those of metadata services, whose responses contain credentials."""
    connect = HTTPConnection.connect

    def connect_to_address(connection: Any) -> None:
        if connection.host == "inside.example":
            connection.sock = SimpleNamespace(getpeername=lambda: (address, 80), close=lambda: None)
        else:
            connect(connection)

    monkeypatch.setattr(HTTPConnection, "connect", connect_to_address)
    server.behaviour = lambda request: request.answer(302, Location="http://inside.example/ca.crl")

    assert problem(server.url()) is FetchProblem.BAD_REDIRECT


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (404, FetchProblem.NOT_FOUND),
        (410, FetchProblem.NOT_FOUND),
        (403, FetchProblem.REFUSED),
        (500, FetchProblem.REFUSED),
        (206, FetchProblem.REFUSED),
        (300, FetchProblem.REFUSED),
    ],
)
def test_any_other_status_is_a_problem(server: CrlServer, status: int, expected: FetchProblem) -> None:
    server.behaviour = lambda request: request.answer(status, b"<html>no</html>")

    assert problem(server.url()) is expected


def declare_too_much(request: Request) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(10**12))
    request.end_headers()
    request.closing.wait()


def truncate(request: Request) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    request.wfile.write(BODY)


def send(content: bytes) -> Behaviour:
    return lambda request: request.wfile.write(content) and None


@pytest.mark.parametrize(
    ("behave", "expected"),
    [
        pytest.param(declare_too_much, FetchProblem.TOO_LARGE, id="a length that is too large"),
        pytest.param(truncate, FetchProblem.UNREACHABLE, id="a body that ends too early"),
        pytest.param(send(b""), FetchProblem.UNREACHABLE, id="nothing"),
        pytest.param(send(b"SSH-2.0-OpenSSH_9.2\r\n"), FetchProblem.UNREACHABLE, id="no HTTP"),
        pytest.param(send(HEADERS + b"A: b\r\n" * 200), FetchProblem.UNREACHABLE, id="too many headers"),
    ],
)
def test_a_response_that_cannot_be_read_to_its_end_is_a_problem(
    server: CrlServer, behave: Behaviour, expected: FetchProblem
) -> None:
    server.behaviour = behave

    assert problem(server.url()) is expected


def test_a_too_large_body_is_not_read_to_its_end(server: CrlServer) -> None:
    sent = []

    def send_much(request: Request) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(100):
            request.wfile.write(bytes(1_000_000))
            sent.append(1)

    server.behaviour = send_much

    assert problem(server.url()) is FetchProblem.TOO_LARGE
    assert len(sent) < 100


def test_a_body_of_exactly_the_limit_is_read(server: CrlServer) -> None:
    server.serve(bytes(1000))

    assert fetch(server.url(), max_bytes=1000)[0] == bytes(1000)
    assert problem(server.url(), max_bytes=999) is FetchProblem.TOO_LARGE


@pytest.mark.parametrize("begin", [HEADERS + b"\r\n", HEADERS + b"X-Slow: "], ids=["body", "headers"])
def test_a_slow_body_ends_at_the_deadline(server: CrlServer, begin: bytes) -> None:
    server.behaviour = lambda request: request.drip(begin)

    assert problem(server.url(), total_seconds=0.2) is FetchProblem.TIMED_OUT


def test_the_thread_of_a_slow_body_ends(server: CrlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.behaviour = lambda request: request.drip(HEADERS + b"\r\n")
    times = count()
    monkeypatch.setattr("iot_jitr_runtime.publisher.http.monotonic", lambda: next(times))

    with pytest.raises(FetchError, match="not complete") as caught:
        source(server.url(), total_seconds=3)._follow(Origin(server.url()))
    assert caught.value.problem is FetchProblem.TIMED_OUT
    assert next(times) == 5, "it has read until the deadline, and no further"


def test_a_server_without_a_response_times_out() -> None:
    with silent_port() as port:
        assert problem(f"http://127.0.0.1:{port}/", pause_seconds=0.2) is FetchProblem.TIMED_OUT


def test_a_closed_port_is_a_problem() -> None:
    with reserved_port() as port:
        assert problem(f"http://127.0.0.1:{port}/ca.crl") is FetchProblem.UNREACHABLE


def test_a_host_name_without_an_address_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_more: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    assert problem("http://no-such-host.invalid/ca.crl") is FetchProblem.UNREACHABLE


@pytest.mark.parametrize(
    "url",
    [
        "http:///ca.crl",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:1/with\nnewline",
        "http://[::1/",
    ],
)
def test_an_unreachable_server_is_a_problem(url: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(url)
    assert caught.value.problem is FetchProblem.UNREACHABLE


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[CrlServer, Path]]:
    """The server again, behind TLS, and the certificate of the CA that signed its own."""
    identity, trusted = tmp_path / "server.pem", tmp_path / "ca.pem"
    identity.write_bytes(server_identity())
    trusted.write_text(server_ca().certificate.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity)
    with crl_server(context) as running:
        yield running, trusted


def https(server: CrlServer, path: str = "/ca.crl") -> str:
    return server.url(path).replace("http:", "https:")


def test_the_certificate_of_an_https_server_is_verified(tls: tuple[CrlServer, Path]) -> None:
    server, _ = tls
    server.serve(BODY)

    assert problem(https(server)) is FetchProblem.UNREACHABLE
    assert server.requests == []


def test_https_is_never_redirected_to_http(
    tls: tuple[CrlServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, trusted = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    server.serve(BODY)
    assert fetch(https(server))[0] == BODY

    server.behaviour = lambda request: request.answer(302, Location="http://127.0.0.1:1/ca.crl")
    assert problem(https(server)) is FetchProblem.BAD_REDIRECT


def test_https_urls_use_tls_and_port_443_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[Any] = []

    def connect(self: Any) -> None:
        connected.append((type(self), self.host, self.port))
        raise ConnectionRefusedError

    monkeypatch.setattr(HTTPSConnection, "connect", connect)

    assert problem("https://crl.example/ca.crl") is FetchProblem.UNREACHABLE
    assert connected == [(HTTPSConnection, "crl.example", 443)]
