"""A device that connects once and stays connected, to measure when its connection ends."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from iot_jitr_cli.connect.credentials import Credentials
from iot_jitr_cli.connect.endpoint import Endpoint

_KEEP_ALIVE = 30


class OpenSession:
    """One connection with its own thread. It is not opened again after its end.

    Attributes:
        closed_at: When the connection ended, in seconds since 1970; None while it is open.
    """

    def __init__(self, credentials: Credentials, client_id: str) -> None:
        """Prepare the connection; `open_session` opens it."""
        self.closed_at: float | None = None
        self._answered, self._closed = threading.Event(), threading.Event()
        self._open = False
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        self._credentials = credentials
        client.on_connect = self._connack
        client.on_disconnect = self._disconnected

    def open(self, endpoint: Endpoint, timeout: float) -> bool:
        """Connect; return whether the device was admitted within `timeout` seconds.

        Raises:
            OSError: The endpoint cannot be reached, or refuses the handshake.
        """
        self._client.tls_set_context(self._credentials.tls_context(endpoint))
        self._client.connect_timeout = timeout
        self._client.connect(endpoint.host, endpoint.port, _KEEP_ALIVE)
        self._client.loop_start()
        self._answered.wait(timeout)
        return self._open

    def is_closed(self) -> bool:
        """Whether the connection has ended."""
        return self._closed.is_set()

    def wait_until_closed(self, timeout: float) -> bool:
        """Wait until the connection ends; return whether it did within `timeout` seconds."""
        return self._closed.wait(timeout)

    def close(self) -> None:
        """Close the connection from the device's side."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connack(self, _client: Client, _data: object, _flags: object, code: object, *_: object) -> None:
        self._open = not getattr(code, "is_failure", True)
        self._answered.set()

    def _disconnected(self, *_: object) -> None:
        if self.closed_at is None:
            self.closed_at = time.time()
        self._closed.set()
        self._answered.set()


@contextmanager
def open_session(
    credentials: Credentials, endpoint: Endpoint, client_id: str, timeout: float
) -> Iterator[OpenSession | None]:
    """Open a session; None if the device was not admitted within `timeout` seconds.

    Raises:
        OSError: The endpoint cannot be reached, or refuses the handshake.
    """
    session = OpenSession(credentials, client_id)
    try:
        yield session if session.open(endpoint, timeout) else None
    finally:
        session.close()
