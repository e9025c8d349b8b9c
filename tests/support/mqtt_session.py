"""One MQTT 5 connection of a device, to test what its policy allows.

MQTT 5, because its broker answers what it refuses with a reason code and keeps the connection; under 3.1.1 it
would close it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from iot_jitr_cli.connect import Credentials, Endpoint
from tests.support.limits import LONGEST_WAIT

if TYPE_CHECKING:
    from paho.mqtt.reasoncodes import ReasonCode


class RefusedByBrokerError(Exception):
    """The broker refused the device."""


class MqttSession:
    """A connected device."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._codes: dict[int, ReasonCode] = {}
        self.messages: list[tuple[str, bytes]] = []
        client.on_publish = lambda _c, _u, mid, code, _p: self._codes.update({mid: code})
        client.on_subscribe = lambda _c, _u, mid, codes, _p: self._codes.update({mid: codes[0]})
        client.on_message = lambda _c, _u, message: self.messages.append((message.topic, message.payload))

    def may_publish(self, topic: str, payload: bytes = b"hello") -> bool:
        """Publish with quality of service 1; return whether the broker took it."""
        return self._answered(self._client.publish(topic, payload, qos=1).mid)

    def may_subscribe(self, topic_filter: str) -> bool:
        """Subscribe; return whether the broker granted it."""
        _, mid = self._client.subscribe(topic_filter, qos=1)
        assert mid is not None
        return self._answered(mid)

    def wait_for_message(self, topic: str) -> bytes:
        """Return the payload of a message on `topic`."""
        self._loop_until(lambda: any(each == topic for each, _ in self.messages))
        return next(payload for each, payload in self.messages if each == topic)

    def _answered(self, mid: int) -> bool:
        self._loop_until(lambda: mid in self._codes)
        return not self._codes[mid].is_failure

    def _loop_until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LONGEST_WAIT
        while not reached():
            assert time.monotonic() < deadline, "the broker did not answer"
            assert self._client.loop(0.05) == MQTTErrorCode.MQTT_ERR_SUCCESS, (
                "the broker closed the connection"
            )


@contextmanager
def session(credentials: Credentials, endpoint: Endpoint, client_id: str) -> Iterator[MqttSession]:
    """Connect a device whose certificate is active.

    Raises:
        RefusedByBrokerError: The broker closed the connection, or refused it.
    """
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTProtocolVersion.MQTTv5)
    client.tls_set_context(credentials.tls_context(endpoint))
    answers: list[ReasonCode] = []
    client.on_connect = lambda _c, _u, _f, code, _p: answers.append(code)
    deadline = time.monotonic() + LONGEST_WAIT
    try:
        # The client sends no pings: the broker must not close the connection while a test is busy.
        client.connect(endpoint.host, endpoint.port, keepalive=3600)
        while not answers:
            assert time.monotonic() < deadline, "the broker did not answer"
            if client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                raise RefusedByBrokerError("closed without an answer")
    except OSError as error:
        raise RefusedByBrokerError(str(error)) from error
    if answers[0].is_failure:
        raise RefusedByBrokerError(str(answers[0]))
    try:
        yield MqttSession(client)
    finally:
        client.disconnect()
