"""A broker that follows a script: real TLS with client certificates, and just enough MQTT 3.1.1."""

import ipaddress
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from iot_jitr_cli.connect import Endpoint
from iot_jitr_cli.pki import DevelopmentCa, KeyKind
from iot_jitr_cli.pki.extensions import Extension
from iot_jitr_cli.pki.keys import key_pem
from iot_jitr_runtime.certificates import Certificate
from tests.support.device_certificates import certificate_of
from tests.support.identities import ca
from tests.support.limits import LONGEST_WAIT
from tests.support.ports import reserved_port

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ, DISCONNECT = 1, 3, 8, 12, 14


class Act(Enum):
    """The behaviour of the broker for one connection."""

    ACCEPT = auto()
    ACCEPT_AND_ECHO_BEFORE_PUBACK = auto()
    ACCEPT_AND_SEND_ANOTHER_MESSAGE_FIRST = auto()
    HANG_UP_ON_HANDSHAKE = auto()
    HANG_UP_AFTER_HANDSHAKE = auto()
    HANG_UP_ON_CONNECT = auto()
    HANG_UP_ON_SUBSCRIBE = auto()
    ANSWER_NOT_AUTHORIZED = auto()
    ANSWER_UNAVAILABLE = auto()
    REFUSE_SUBSCRIPTION = auto()
    IGNORE_CONNECT = auto()
    IGNORE_SUBSCRIBE = auto()
    IGNORE_PUBLISH = auto()
    SWALLOW_MESSAGE = auto()


class Broker:
    """Serves one connection after another on `endpoint`; the last act of the script is repeated."""

    def __init__(self, context: ssl.SSLContext, script: tuple[Act, ...], endpoint: Endpoint) -> None:
        self._context = context
        self._script = script
        self._listener = socket.create_server((endpoint.host, endpoint.port))
        self.endpoint = endpoint
        self.client_ids: list[str] = []
        self.server_names: list[str] = []
        self.subscribed: list[str] = []
        self.common_names: list[str] = []
        self.failures: list[str] = []
        self.silent = threading.Event()
        """Set as soon as it owes an answer that it is not going to give."""
        context.sni_callback = lambda _socket, name, _context: self.server_names.append(name)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        # Closing a socket does not wake the thread that waits in accept.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(LONGEST_WAIT)

    def _serve(self) -> None:
        for number in range(10_000):
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(LONGEST_WAIT)
            with connection, suppress(OSError, _HungUp):
                self._play(connection, self._script[min(number, len(self._script) - 1)])

    def _play(self, connection: socket.socket, act: Act) -> None:
        if act is Act.HANG_UP_ON_HANDSHAKE:
            connection.recv(10_000)
            return
        try:
            tls = self._context.wrap_socket(connection, server_side=True)
        except OSError as error:
            self.failures.append(str(error))
            _drain(connection)
            raise
        with tls:
            certificate = tls.getpeercert() or {}
            names = [value for pairs in certificate.get("subject", ()) for name, value in pairs]
            self.common_names.extend(names)
            if act is Act.HANG_UP_AFTER_HANDSHAKE:
                raise _HungUp
            self._converse(tls, act)

    def _converse(self, tls: ssl.SSLSocket, act: Act) -> None:
        handlers = {
            CONNECT: self._connect,
            SUBSCRIBE: self._subscribe,
            PUBLISH: self._publish,
            PINGREQ: self._ping,
        }
        while True:
            kind, body = _packet(tls)
            if kind == DISCONNECT:
                return
            handlers[kind](tls, act, body)

    def _connect(self, tls: ssl.SSLSocket, act: Act, body: bytes) -> None:
        length = int.from_bytes(body[10:12])
        self.client_ids.append(body[12 : 12 + length].decode())
        if act is Act.HANG_UP_ON_CONNECT:
            raise _HungUp
        code = {Act.ANSWER_NOT_AUTHORIZED: 5, Act.ANSWER_UNAVAILABLE: 3}.get(act, 0)
        self._answer(tls, b"" if act is Act.IGNORE_CONNECT else bytes([0x20, 2, 0, code]))

    def _subscribe(self, tls: ssl.SSLSocket, act: Act, body: bytes) -> None:
        self.subscribed.append(body[4 : 4 + int.from_bytes(body[2:4])].decode())
        if act is Act.HANG_UP_ON_SUBSCRIBE:
            raise _HungUp
        code = 0x80 if act is Act.REFUSE_SUBSCRIPTION else 1
        suback = bytes([0x90, 3]) + body[:2] + bytes([code])
        self._answer(tls, b"" if act is Act.IGNORE_SUBSCRIBE else suback)

    def _publish(self, tls: ssl.SSLSocket, act: Act, body: bytes) -> None:
        after_topic = 2 + int.from_bytes(body[:2])
        puback = bytes([0x40, 2]) + body[after_topic : after_topic + 2]
        echo = _message(body[:after_topic], body[after_topic + 2 :])
        if act is Act.IGNORE_PUBLISH:
            self._answer(tls, b"")
            return
        if act is Act.ACCEPT_AND_SEND_ANOTHER_MESSAGE_FIRST:
            tls.sendall(_message(body[:after_topic], b"not yours"))
        if act is Act.ACCEPT_AND_ECHO_BEFORE_PUBACK:
            tls.sendall(echo + puback)
        elif act is Act.SWALLOW_MESSAGE:
            tls.sendall(puback)
            self.silent.set()
        else:
            tls.sendall(puback + echo)

    def _ping(self, tls: ssl.SSLSocket, _act: Act, _body: bytes) -> None:
        self._answer(tls, bytes([0xD0, 0]))

    def _answer(self, tls: ssl.SSLSocket, packet: bytes) -> None:
        if packet:
            tls.sendall(packet)
        else:
            self.silent.set()


class _HungUp(Exception):  # noqa: N818  ends a conversation, is no error
    """The broker closes this connection now."""


@contextmanager
def broker(
    *script: Act, trusted: Certificate | None = None, newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> Iterator[Broker]:
    """Run a broker that admits clients with a certificate of the trusted CA (default: `ca()`)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest_tls
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=(trusted or ca().certificate).pem)
    with tempfile.TemporaryDirectory() as directory, reserved_port() as port:
        server, trusted_by_devices = Path(directory) / "server.pem", Path(directory) / "ca.pem"
        server.write_bytes(server_identity())
        context.load_cert_chain(server)
        trusted_by_devices.write_text(server_ca().certificate.pem)
        running = Broker(context, script, Endpoint("127.0.0.1", port, trusted_by_devices))
        try:
            yield running
        finally:
            running.close()


def server_ca() -> DevelopmentCa:
    """The CA that signed the broker's certificate."""
    return ca("Broker CA")


def server_identity() -> bytes:
    """A key and a certificate of it for `localhost` and 127.0.0.1, by `server_ca`, PEM."""
    key, authority = KeyKind.EC_P256.generate(), server_ca()
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    certificate = certificate_of(
        [(NameOID.COMMON_NAME, "broker")],
        ca=authority,
        device_key=key,
        extensions=[Extension(x509.SubjectAlternativeName(names)), Extension(authority_key)],
    )
    return key_pem(key) + certificate.pem.encode()


def _packet(tls: ssl.SSLSocket) -> tuple[int, bytes]:
    kind = _exactly(tls, 1)[0] >> 4
    length, shift = 0, 0
    while True:
        octet = _exactly(tls, 1)[0]
        length |= (octet & 0x7F) << shift
        shift += 7
        if not octet & 0x80:
            return kind, _exactly(tls, length)


def _exactly(tls: ssl.SSLSocket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = tls.recv(count - len(data))
        if not more:
            raise _HungUp
        data += more
    return data


def _message(topic: bytes, payload: bytes) -> bytes:
    return bytes([0x30, len(topic) + len(payload)]) + topic + payload


def _drain(connection: socket.socket) -> None:
    """Read what the client still sends; closing with unread data would destroy the alert on its way."""
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(10_000):
        pass
