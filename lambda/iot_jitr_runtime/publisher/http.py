"""A CRL at a URL that the operator configured: one GET, bounded in size, time, redirects and addresses.

The server belongs to the CA, but its response is not trusted before the CRL's signature is verified. So the
response must not be able to fill the memory, to block the function, or to redirect it to addresses that only
the function can reach (CWE-918), for example the Lambda runtime's own API on loopback.

Why `http.client` and not urllib3: urllib3 limits single reads only and does not return the address of the
connection, and the boto3 of the Lambda runtime may bring its version 1 or 2.
"""

import ipaddress
import ssl
from collections.abc import Collection
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BytesIO
from threading import Thread
from time import monotonic
from urllib.parse import SplitResult, urljoin, urlsplit

from iot_jitr_runtime.publisher.sources import MAX_CRL_BYTES, CrlObject, FetchError, FetchProblem
from iot_jitr_runtime.revocation.model import Origin

MAX_REDIRECTS = 5
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
class HttpSource:
    """One URL, `https://` or `http://`: a CRL is signed, so it needs no secure transport to be trusted."""

    url: str
    max_bytes: int = MAX_CRL_BYTES
    """Of the response's body."""
    total_seconds: float = 60
    """From the DNS query to the last byte, redirects included."""
    pause_seconds: float = 10
    """Between two bytes."""

    def objects(self, in_force: Collection[Origin]) -> list[CrlObject]:
        """Fetch the CRL, unless it has not changed.

        Args:
            in_force: Where the CRLs in force came from, with their cache validators.

        Raises:
            FetchError: It could not be fetched within the limits.
        """
        last = next((each for each in in_force if each.location == self.url), Origin(self.url))
        # A socket's time-out limits single reads, and it does not limit DNS queries. So the request runs in a
        # thread; if it takes too long, the thread ends later, at its own deadline.
        fetched: Future[CrlObject] = Future()
        Thread(target=self._fetch, args=(last, fetched), name="crl-fetch", daemon=True).start()
        try:
            return [fetched.result(self.total_seconds)]
        except TimeoutError:
            raise FetchError(
                FetchProblem.TIMED_OUT, f"{self.url} took longer than {self.total_seconds:g} s"
            ) from None

    def _fetch(self, last: Origin, fetched: "Future[CrlObject]") -> None:
        try:
            fetched.set_result(self._follow(last))
        except BaseException as error:  # noqa: BLE001 - raised again by `result`
            fetched.set_exception(error)

    def _follow(self, last: Origin) -> CrlObject:
        """Follow redirects to the final response."""
        deadline = monotonic() + self.total_seconds
        url = self.url
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = self._get(url, last, deadline)
            except TimeoutError as error:
                raise FetchError(FetchProblem.TIMED_OUT, f"{url} stopped sending: {error}") from error
            except (OSError, HTTPException, ValueError) as error:
                raise FetchError(FetchProblem.UNREACHABLE, f"{url}: {error!r}") from error
            if isinstance(response, CrlObject):
                return response
            url = response
        raise FetchError(FetchProblem.BAD_REDIRECT, f"{self.url} redirects more than {MAX_REDIRECTS} times")

    def _get(self, url: str, last: Origin, deadline: float) -> CrlObject | str:
        """Return the CRL object of the response, or the URL of its redirect."""
        headers = {"User-Agent": "iot-jitr", "Accept-Encoding": "identity", "Connection": "close"}
        if last.etag is not None:
            headers["If-None-Match"] = last.etag
        if last.last_modified is not None:
            headers["If-Modified-Since"] = last.last_modified
        parts = urlsplit(url)
        connection = self._connect(parts)
        try:
            path = parts.path or "/"
            connection.request("GET", f"{path}?{parts.query}" if parts.query else path, headers=headers)
            response = connection.getresponse()
            if response.status in _REDIRECTS:
                return _redirect(url, response.headers.get("Location"))
            if response.status == HTTPStatus.NOT_MODIFIED:
                return CrlObject(last, None)
            if response.status != HTTPStatus.OK:
                problem = FetchProblem.NOT_FOUND if response.status in _GONE else FetchProblem.REFUSED
                raise FetchError(problem, f"{url} responds {response.status} {response.reason}")
            body = self._body(url, response, deadline)
            origin = Origin(self.url, response.headers.get("ETag"), response.headers.get("Last-Modified"))
            return CrlObject(origin, lambda: body)
        finally:
            connection.close()

    def _connect(self, parts: SplitResult) -> HTTPConnection:
        if not parts.hostname:
            raise ValueError("the URL names no host")
        pause = self.pause_seconds
        connection = (
            HTTPSConnection(parts.hostname, parts.port, timeout=pause, context=ssl.create_default_context())
            if parts.scheme == "https"
            else HTTPConnection(parts.hostname, parts.port, timeout=pause)
        )
        connection.connect()
        if parts.hostname != urlsplit(self.url).hostname:
            peer = ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0])
            # An IPv4 address written as an IPv6 one is the same host; not every Python version detects it.
            peer = getattr(peer, "ipv4_mapped", None) or peer
            if peer.is_loopback or peer.is_link_local or peer.is_unspecified:
                connection.close()
                raise FetchError(
                    FetchProblem.BAD_REDIRECT, f"{self.url} redirects to {parts.hostname}, which is {peer}"
                )
        return connection

    def _body(self, url: str, response: HTTPResponse, deadline: float) -> bytes:
        too_large = FetchError(FetchProblem.TOO_LARGE, f"{url} is larger than {self.max_bytes} bytes")
        if (response.length or 0) > self.max_bytes:
            raise too_large
        body = BytesIO()
        while chunk := response.read1(_CHUNK):
            body.write(chunk)
            if body.tell() > self.max_bytes:
                raise too_large
            if monotonic() > deadline:
                raise TimeoutError(f"not complete after {self.total_seconds:g} s")
        if response.length:
            raise FetchError(FetchProblem.UNREACHABLE, f"{url} ended {response.length} bytes too early")
        return body.getvalue()


def _redirect(url: str, location: str | None) -> str:
    target = urljoin(url, location or "")
    scheme = urlsplit(target).scheme
    if not location or scheme not in {"http", "https"}:
        raise FetchError(FetchProblem.BAD_REDIRECT, f"{url} redirects to '{location}'")
    if urlsplit(url).scheme == "https" and scheme != "https":
        raise FetchError(FetchProblem.BAD_REDIRECT, f"{url} redirects from HTTPS to {target}")
    return target
