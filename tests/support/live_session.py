"""A device that connects once and stays, to see whether it is left alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from iot_jitr_cli.connect import Credentials, Endpoint
from iot_jitr_cli.waiting import wait_until
from tests.support.limits import LONGEST_WAIT


@dataclass
class Session:
    """A live connection."""

    client: Client
    topic: str

    def publishes(self) -> bool:
        """Whether the broker still takes a message of this very connection."""
        message = self.client.publish(self.topic, b"still here", qos=1)
        if message.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        wait_until(lambda: message.is_published() or not self.client.is_connected(), limit=LONGEST_WAIT)
        return message.is_published() and self.client.is_connected()


@contextmanager
def live_session(credentials: Credentials, endpoint: Endpoint) -> Iterator[Session]:
    """Connect an activated device; a connection that breaks is not made again."""
    name = credentials.common_name
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.tls_set_context(credentials.tls_context(endpoint))
    broken = threading.Event()
    client.on_disconnect = lambda *_: broken.set()
    client.connect(endpoint.host, endpoint.port)
    client.loop_start()
    try:
        assert wait_until(client.is_connected, limit=LONGEST_WAIT, interval=0.05)
        yield Session(client, f"devices/{name}/status")
        assert not broken.is_set()
    finally:
        client.disconnect()
        client.loop_stop()
