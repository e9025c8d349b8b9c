"""One attempt at its limit."""

import ssl
from typing import Any

from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from iot_jitr_cli.connect.attempt import Attempt, Exchange
from iot_jitr_cli.connect.causes import Cause
from iot_jitr_cli.connect.endpoint import Endpoint
from tests.support.clock import Stopwatch


class Connection:
    """In place of the MQTT client: it connects when the time is over, and then reads an answer."""

    def __init__(self, clock: Stopwatch, code: ReasonCode | None) -> None:
        self.clock = clock
        self.code = code
        self.on_connect: Any = None

    def connect(self, *_: object) -> None:
        self.clock.sleep(3600)

    def loop(self, _timeout: float) -> MQTTErrorCode:
        if self.code is not None:
            self.on_connect(self, None, None, self.code, None)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def disconnect(self) -> None:
        """Nothing is connected."""


def cause_of(code: ReasonCode | None) -> Cause | None:
    clock = Stopwatch()
    attempt = Attempt(Exchange("id", "topic", b""), ssl.create_default_context(), lambda *_: None, clock)
    connection = Connection(clock, code)
    connection.on_connect = attempt._client.on_connect
    attempt._client = connection  # type: ignore[assignment]

    failure = attempt.run(Endpoint("there"), timeout=10)

    return failure.cause if failure else None


def test_an_answer_that_is_there_when_the_time_is_over_counts() -> None:
    assert cause_of(ReasonCode(PacketTypes.CONNACK, "Not authorized")) is Cause.NOT_AUTHORIZED


def test_without_one_there_was_no_answer() -> None:
    assert cause_of(None) is Cause.NO_ANSWER
