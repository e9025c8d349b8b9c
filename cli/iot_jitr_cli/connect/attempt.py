"""One attempt: TCP, TLS, CONNECT, subscribe, publish one message, receive it, disconnect; or TLS alone."""

import secrets
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion

from iot_jitr_cli.connect.causes import Cause, Failure, alert_in, failure_from
from iot_jitr_cli.connect.timeline import Step

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from paho.mqtt.client import ConnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

    from iot_jitr_cli.connect.endpoint import Endpoint

_AT_LEAST_ONCE = 1
_NOT_AUTHORIZED = 135
"""The reason code to which paho maps CONNACK 5, "not authorized" (MQTT 3.1.1 section 3.2.2.3)."""
_POLL = 0.1
"""Seconds to wait for the socket before the clock is read again."""
_KEEP_ALIVE = 30
_AWAITED = {
    Step.CONNECTED: "CONNACK",
    Step.SUBSCRIBED: "SUBACK",
    Step.PUBLISHED: "PUBACK",
    Step.RECEIVED: "the message",
}
"""The packet that completes each step."""


def _random_message() -> bytes:
    return f'{{"hello": "{secrets.token_hex(8)}"}}'.encode()


@dataclass(frozen=True)
class Exchange:
    """The MQTT exchange after the connect: subscribe, publish one message, receive it."""

    client_id: str
    topic: str
    """The topic that the device subscribes to and publishes to."""
    publish_to: str | None = None
    """Another topic to publish to. If it is set, the device does not receive its message."""
    payload: bytes = field(default_factory=_random_message)
    """The message; a message of an earlier attempt does not match it."""


class Attempt:
    """One connection, with its own network loop in the caller's thread. An instance is used once."""

    def __init__(
        self,
        exchange: Exchange,
        context: "ssl.SSLContext",
        on_step: "Callable[[Step, str], None]",
        clock: "Callable[[], float]" = time.monotonic,
    ) -> None:
        self._exchange = exchange
        self._on_step = on_step
        self._clock = clock
        self._failure: Failure | None = None
        self._done: set[Step] = set()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=exchange.client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=True,
            reconnect_on_failure=False,
        )
        client.tls_set_context(context)
        client.on_connect = self._connack
        client.on_subscribe = self._suback
        client.on_publish = self._puback
        client.on_message = self._message
        client.on_log = self._log

    def run(self, endpoint: "Endpoint", timeout: float) -> Failure | None:
        """Connect and do the exchange within `timeout` seconds; return the failure, or `None`."""
        deadline = self._clock() + timeout
        self._client.connect_timeout = timeout
        try:
            self._client.connect(endpoint.host, endpoint.port, _KEEP_ALIVE)
        except OSError as error:
            return failure_from(error)
        while not self._ended:
            # The clock is read before the socket: an answer that has arrived counts, even if read late.
            over = self._clock() > deadline
            if self._client.loop(_POLL) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                connected = Step.CONNECTED in self._done
                self._failure = self._failure or Failure(
                    Cause.CLOSED_AFTER_CONNACK if connected else Cause.CLOSED_WITHOUT_CONNACK
                )
            elif over and not self._ended:
                awaited = next(packet for step, packet in _AWAITED.items() if step not in self._done)
                self._failure = Failure(Cause.NO_ANSWER, f"waiting for {awaited}")
        self._client.disconnect()
        return self._failure

    @property
    def _target(self) -> str:
        """The topic to which the message is published."""
        return self._exchange.publish_to or self._exchange.topic

    @property
    def _ended(self) -> bool:
        return self._failure is not None or self._done == _AWAITED.keys()

    def _report(self, step: Step, detail: str) -> None:
        self._done.add(step)
        self._on_step(step, detail)

    def _connack(
        self,
        client: Client,
        _data: object,
        _flags: "ConnectFlags",
        code: "ReasonCode",
        _more: "Properties | None",
    ) -> None:
        if code.is_failure:
            cause = Cause.NOT_AUTHORIZED if code.value == _NOT_AUTHORIZED else Cause.CONNECT_REFUSED
            self._failure = Failure(cause, str(code))
            return
        self._report(Step.CONNECTED, f"as client id {self._exchange.client_id}")
        client.subscribe(self._exchange.topic, _AT_LEAST_ONCE)

    def _suback(
        self, client: Client, _data: object, _id: int, codes: "list[ReasonCode]", _more: "Properties | None"
    ) -> None:
        if any(code.is_failure for code in codes):
            self._failure = Failure(Cause.SUBSCRIBE_REFUSED, f"topic {self._exchange.topic}")
            return
        self._report(Step.SUBSCRIBED, self._exchange.topic)
        client.publish(self._target, self._exchange.payload, _AT_LEAST_ONCE)

    def _puback(
        self, _client: Client, _data: object, _id: int, _code: "ReasonCode", _more: "Properties | None"
    ) -> None:
        self._report(Step.PUBLISHED, f"{len(self._exchange.payload)} bytes to {self._target}")
        if Step.RECEIVED in self._done:
            self._on_step(Step.RECEIVED, f"from {self._exchange.topic}")

    def _message(self, _client: Client, _data: object, message: "MQTTMessage") -> None:
        if message.payload != self._exchange.payload or Step.RECEIVED in self._done:
            return
        self._done.add(Step.RECEIVED)
        # The message may arrive before its own PUBACK; the timeline keeps the order of the steps.
        if Step.PUBLISHED in self._done:
            self._on_step(Step.RECEIVED, f"from {self._exchange.topic}")

    def _log(self, _client: Client, _data: object, level: int, text: str) -> None:
        # Only this log line of paho contains the error that ended the connection.
        if level == LogLevel.MQTT_LOG_ERR and self._failure is None:
            self._failure = alert_in(text)


def probe(endpoint: "Endpoint", context: "ssl.SSLContext", *, limit: float, wait: float) -> Failure | None:
    """Do the handshake and send nothing; return the reason if the server closes the connection, else `None`.

    A server may close a connection without an answer, because of the certificate or because of the CONNECT.
    A handshake without a CONNECT registers nothing. If the server closes after it, the server refuses the
    certificate.

    Args:
        endpoint: The server.
        context: The TLS context with the device's certificate.
        limit: Seconds that connecting, and each step of the handshake, may take.
        wait: Seconds after the handshake within which a server closes if it refuses the certificate.
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
