"""One attempt at its limit, and the TLS handshake alone."""

import ssl
from typing import Any

import pytest
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from iot_jitr_cli.connect import Credentials
from iot_jitr_cli.connect.attempt import Attempt, Exchange, probe
from iot_jitr_cli.connect.causes import Cause
from iot_jitr_cli.connect.endpoint import Endpoint
from iot_jitr_cli.pki import DeviceSpec
from tests.support.clock import Stopwatch
from tests.support.identities import ca, device
from tests.support.limits import LONGEST_WAIT
from tests.support.mqtt_broker import Act, broker
from tests.support.ports import silent_port

pytestmark = pytest.mark.timing


class Connection:
    """Replaces the MQTT client: it connects at the time-out, and then reads a response."""

    def __init__(self, clock: Stopwatch, on_connect: Any) -> None:
        self.clock = clock
        self.on_connect = on_connect

    def connect(self, *_: object) -> None:
        self.clock.sleep(3600)

    def loop(self, _timeout: float) -> MQTTErrorCode:
        self.on_connect(self, None, None, ReasonCode(PacketTypes.CONNACK, "Not authorized"), None)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def disconnect(self) -> None:
        """Nothing is connected."""


def test_a_response_that_is_there_at_the_time_out_counts() -> None:
    clock = Stopwatch()
    attempt = Attempt(Exchange("id", "topic"), ssl.create_default_context(), lambda *_: None, clock)
    attempt._client = Connection(clock, attempt._client.on_connect)  # type: ignore[assignment]

    failure = attempt.run(Endpoint("there"), timeout=10)

    assert failure is not None
    assert failure.cause is Cause.NOT_AUTHORIZED


@pytest.mark.parametrize("newest_tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_probe_reads_the_alert_about_a_foreign_certificate(newest_tls: ssl.TLSVersion) -> None:
    foreign = Credentials.of(ca("Foreign CA").issue(DeviceSpec("sensor-1")))
    with broker(Act.ACCEPT, newest_tls=newest_tls) as served:
        context = foreign.tls_context(served.endpoint)
        found = probe(served.endpoint, context, limit=LONGEST_WAIT, wait=LONGEST_WAIT)

    assert found is not None
    assert (found.cause, found.seen) == (Cause.CERTIFICATE_REJECTED, "TLS alert: unknown ca")


def test_the_short_wait_of_the_probe_begins_after_the_handshake() -> None:
    with silent_port() as port:
        endpoint = Endpoint("127.0.0.1", port)
        found = probe(endpoint, Credentials.of(device()).tls_context(endpoint), limit=0.1, wait=LONGEST_WAIT)

    assert found is not None
    assert found.cause is Cause.TIMED_OUT
