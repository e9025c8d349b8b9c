"""One GET over HTTP(S), bounded in every direction: size, time, redirects, and where they lead.

The server is the CA's, but what it says is believed only when the CRL's signature verifies. Until then it
must not be able to fill the memory, to hold the function for long, or to send it to addresses that only the
function itself can reach (CWE-918), as the Lambda runtime's own API on loopback is.
"""

import ipaddress
import queue
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BytesIO
from typing import TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

from iot_jitr_runtime.crl_publisher.sources import MAX_CRL_BYTES, FetchError, FetchProblem

T = TypeVar("T")

_CHUNK = 1 << 16
_REDIRECTS = {
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.SEE_OTHER,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
}
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


@dataclass(frozen=True)
class Limits:
    """What a server may demand."""

    size: int = MAX_CRL_BYTES
    """Bytes of the answer's body."""
    total_seconds: float = 60
    """From the first look-up of the name to the last byte, redirects included."""
    pause_seconds: float = 10
    """Between two signs of life."""
    redirects: int = 5


@dataclass(frozen=True)
class Answer:
    """What the server said. No body: it has not changed."""

    body: bytes | None
    etag: str | None
    last_modified: str | None


def get(url: str, limits: Limits, *, etag: str | None = None, last_modified: str | None = None) -> Answer:
    """Fetch a URL, unless it still has the given ETag or was not modified since the given time.

    Raises:
        FetchError: It could not be fetched within the limits.
    """
    headers = {"User-Agent": "iot-jitr", "Accept-Encoding": "identity", "Connection": "close"}
    if etag is not None:
        headers["If-None-Match"] = etag
    if last_modified is not None:
        headers["If-Modified-Since"] = last_modified
    request = _Request(url, limits, headers, deadline=time.monotonic() + limits.total_seconds)
    return _within(limits.total_seconds, request.follow, url)


def _within(seconds: float, work: Callable[[], T], url: str) -> T:
    """Wait for `work` so long and no longer.

    Socket time-outs bound single reads only, and name look-ups not at all: a server that sends its headers
    byte by byte would get by them. A thread that is left behind ends at its own deadline.
    """
    done: queue.SimpleQueue[T | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put(work())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            done.put(error)

    threading.Thread(target=run, name="crl-fetch", daemon=True).start()
    try:
        result = done.get(timeout=seconds)
    except queue.Empty:
        raise FetchError(FetchProblem.TIMED_OUT, f"{url} took longer than {seconds:g} s") from None
    if isinstance(result, BaseException):
        raise result
    return result


@dataclass(frozen=True)
class _Request:
    url: str
    limits: Limits
    headers: dict[str, str]
    deadline: float
    clock: Callable[[], float] = time.monotonic

    def follow(self) -> Answer:
        """Follow redirects to the answer."""
        url = self.url
        for _ in range(self.limits.redirects + 1):
            try:
                answer = self._ask(url)
            except (OSError, HTTPException, ValueError) as error:
                if isinstance(error, TimeoutError):
                    raise FetchError(FetchProblem.TIMED_OUT, f"{url} fell silent: {error}") from error
                raise FetchError(FetchProblem.UNREACHABLE, f"{url}: {error!r}") from error
            if isinstance(answer, Answer):
                return answer
            url = answer
        raise FetchError(
            FetchProblem.BAD_REDIRECT, f"{self.url} redirects more than {self.limits.redirects} times"
        )

    def _ask(self, url: str) -> Answer | str:
        """Return the answer, or the URL it redirects to."""
        parts = urlsplit(url)
        connection = self._connect(parts)
        try:
            path = parts.path or "/"
            target = f"{path}?{parts.query}" if parts.query else path
            connection.request("GET", target, headers=self.headers)
            response = connection.getresponse()
            if response.status in _REDIRECTS:
                return self._redirect(url, response.headers.get("Location"))
            if response.status == HTTPStatus.NOT_MODIFIED:
                return Answer(None, self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since"))
            if response.status != HTTPStatus.OK:
                problem = FetchProblem.NOT_FOUND if response.status in _GONE else FetchProblem.REFUSED
                raise FetchError(problem, f"{url} answers {response.status} {response.reason}")
            return Answer(
                self._body(url, response), response.headers.get("ETag"), response.headers.get("Last-Modified")
            )
        finally:
            connection.close()

    def _connect(self, parts: SplitResult) -> HTTPConnection:
        if not parts.hostname:
            raise ValueError("the URL names no host")
        pause = self.limits.pause_seconds
        connection = (
            HTTPSConnection(parts.hostname, parts.port, timeout=pause, context=ssl.create_default_context())
            if parts.scheme == "https"
            else HTTPConnection(parts.hostname, parts.port, timeout=pause)
        )
        connection.connect()
        if parts.hostname != urlsplit(self.url).hostname:
            peer = ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0])
            # An IPv4 address written as an IPv6 one is the same host; not every Python says what it is.
            peer = getattr(peer, "ipv4_mapped", None) or peer
            if peer.is_loopback or peer.is_link_local or peer.is_unspecified:
                connection.close()
                raise FetchError(
                    FetchProblem.BAD_REDIRECT, f"{self.url} redirects to {parts.hostname}, which is {peer}"
                )
        return connection

    def _redirect(self, url: str, location: str | None) -> str:
        target = urljoin(url, location or "")
        scheme = urlsplit(target).scheme
        if not location or scheme not in {"http", "https"}:
            raise FetchError(FetchProblem.BAD_REDIRECT, f"{url} redirects to '{location}'")
        if urlsplit(url).scheme == "https" and scheme != "https":
            raise FetchError(FetchProblem.BAD_REDIRECT, f"{url} redirects from HTTPS to {target}")
        return target

    def _body(self, url: str, response: HTTPResponse) -> bytes:
        limit = self.limits.size
        too_large = FetchError(FetchProblem.TOO_LARGE, f"{url} is larger than {limit} bytes")
        if (response.length or 0) > limit:
            raise too_large
        body = BytesIO()
        while chunk := response.read1(_CHUNK):
            body.write(chunk)
            if body.tell() > limit:
                raise too_large
            if self.clock() > self.deadline:
                raise TimeoutError(f"not complete after {self.limits.total_seconds:g} s")
        if response.length:
            raise FetchError(FetchProblem.UNREACHABLE, f"{url} ended {response.length} bytes too early")
        return body.getvalue()
