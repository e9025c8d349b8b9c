"""Tells a certificate refused by TLS from a CONNECT refused by MQTT, when a server says neither.

A server may simply hang up, on a certificate that it does not accept as on a CONNECT that it does not like.
So: the handshake once more, without a CONNECT, which by itself registers nothing. Who hangs up now objects to
the certificate.
"""

import socket
from typing import TYPE_CHECKING

from iot_jitr_cli.connect.causes import Cause, Failure, failure_of

if TYPE_CHECKING:
    import ssl

    from iot_jitr_cli.connect.endpoint import Endpoint


def probe(
    endpoint: "Endpoint", context: "ssl.SSLContext", *, limit: float, patience: float
) -> Failure | None:
    """Shake hands and send nothing; return why the server hung up, or `None` if it did not.

    Args:
        endpoint: The server.
        context: With the device's certificate.
        limit: Seconds that connecting, and each step of the handshake, may take.
        patience: Seconds after the handshake in which a server that objects hangs up.
    """
    try:
        with (
            socket.create_connection((endpoint.host, endpoint.port), timeout=limit) as tcp,
            context.wrap_socket(tcp, server_hostname=endpoint.host) as tls,
        ):
            tls.settimeout(patience)
            return _hung_up(tls)
    except OSError as error:
        return failure_of(error)


def _hung_up(tls: "ssl.SSLSocket") -> Failure | None:
    try:
        tls.recv(1)
    except TimeoutError:
        return None
    except OSError as error:
        found = failure_of(error)
        if found.cause is Cause.CERTIFICATE_REJECTED:
            return found
    # With TLS 1.3 the server judges the client's certificate after the client's side of the handshake.
    return Failure(Cause.CERTIFICATE_REJECTED, "closed right after the TLS handshake")
