"""Tells a certificate refused by TLS from a CONNECT refused by MQTT, when the server only closes.

A server may close without a word, because of the certificate or because of the CONNECT. So this does the
handshake once more, without a CONNECT, which by itself registers nothing: a server that closes now refuses
the certificate.
"""

import socket
from typing import TYPE_CHECKING

from iot_jitr_cli.connect.causes import Cause, Failure, failure_from

if TYPE_CHECKING:
    import ssl

    from iot_jitr_cli.connect.endpoint import Endpoint


def probe(endpoint: "Endpoint", context: "ssl.SSLContext", *, limit: float, wait: float) -> Failure | None:
    """Do the handshake and send nothing; return why the server closed, or `None` if it did not.

    Args:
        endpoint: The server.
        context: With the device's certificate.
        limit: Seconds that connecting, and each step of the handshake, may take.
        wait: Seconds after the handshake in which a server that refuses the certificate closes.
    """
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), timeout=limit) as tcp,
            context.wrap_socket(tcp, server_hostname=endpoint.host) as tls,
        ):
            tls.settimeout(wait)
            return _closed(tls)
    except OSError as error:
        return failure_from(error)


def _closed(tls: "ssl.SSLSocket") -> Failure | None:
    try:
        tls.recv(1)
    except TimeoutError:
        return None
    except OSError as error:
        found = failure_from(error)
        if found.cause is Cause.CERTIFICATE_REJECTED:
            return found
    # With TLS 1.3 the server checks the client's certificate after the client's side of the handshake.
    return Failure(Cause.CERTIFICATE_REJECTED, "closed right after the TLS handshake")
