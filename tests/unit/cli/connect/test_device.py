"""Devices with a broker that follows a script, over real TLS."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from iot_jitr_cli.connect import (
    Backoff,
    Cause,
    ConnectResult,
    Credentials,
    Device,
    Ending,
    Endpoint,
    Step,
    TimelineEvent,
    connect,
)
from iot_jitr_cli.connect import device as device_module
from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki import DeviceSpec
from tests.support.clock import Stopwatch
from tests.support.identities import ca, ca_under_a_root, device
from tests.support.limits import LONGEST_WAIT
from tests.support.mqtt_broker import Act, broker
from tests.support.ports import reserved_port, silent_port

pytestmark = pytest.mark.timing

QUICK = Backoff(shortest=0.01, longest=0.02)
ONE_ATTEMPT = Backoff(shortest=2 * LONGEST_WAIT, longest=2 * LONGEST_WAIT)
"""Waits that do not fit into the time-out: the first attempt is the last."""
CREDENTIALS = Credentials.of(device())
FOREIGN = Credentials.of(ca("Foreign CA").issue(DeviceSpec("sensor-1")))
IN = [Step.CONNECTED, Step.SUBSCRIBED, Step.PUBLISHED, Step.RECEIVED]


@pytest.fixture(autouse=True)
def time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is waited for, however slow the machine; no limit decides what a test sees."""
    for name in ("ATTEMPT_TIMEOUT", "LAST_ATTEMPT_TIMEOUT", "PROBE_WAIT"):
        monkeypatch.setattr(device_module, name, LONGEST_WAIT)


def connect_until_published(endpoint: Endpoint, credentials: Credentials = CREDENTIALS) -> ConnectResult:
    return connect(Device(credentials, endpoint, "sensor-1", timeout=LONGEST_WAIT, backoff=QUICK))


def try_once(endpoint: Endpoint, credentials: Credentials = CREDENTIALS) -> ConnectResult:
    return connect(Device(credentials, endpoint, "sensor-1", timeout=LONGEST_WAIT, backoff=ONE_ATTEMPT))


def steps(result: ConnectResult) -> list[Step]:
    return [event.step for event in result.events]


def test_a_device_refused_at_first_connects_again_and_gets_its_message() -> None:
    with broker(Act.HANG_UP_ON_CONNECT, Act.HANG_UP_ON_CONNECT, Act.ACCEPT) as served:
        result = connect_until_published(served.endpoint)

    refused = [Step.CONNECTING, Step.REFUSED, Step.WAITING]
    assert steps(result) == [*refused, *refused, Step.CONNECTING, *IN]
    assert result.ending is Ending.PUBLISHED
    assert result.attempts == 3
    assert result.last_cause is Cause.CLOSED_WITHOUT_CONNACK
    assert served.client_ids == ["sensor-1"] * 3
    assert served.subscribed == ["devices/sensor-1/hello"]


def test_events_are_reported_in_order_with_their_times() -> None:
    seen_events: list[TimelineEvent] = []
    with broker(Act.HANG_UP_ON_CONNECT, Act.ACCEPT) as served:
        device = Device(CREDENTIALS, served.endpoint, "sensor-1", timeout=LONGEST_WAIT, backoff=QUICK)
        result = connect(device, seen_events.append)

    assert tuple(seen_events) == result.events
    assert [event.attempt for event in seen_events] == [1, 1, 1, 2, 2, 2, 2, 2]
    assert [event.elapsed for event in seen_events] == sorted(event.elapsed for event in seen_events)
    assert [event.at for event in seen_events] == sorted(event.at for event in seen_events)
    assert [event.cause is not None for event in seen_events] == [
        event.step is Step.REFUSED for event in seen_events
    ]


def test_waits_between_attempts_are_at_least_a_second_by_default() -> None:
    assert Device.__dataclass_fields__["backoff"].default_factory() == Backoff(1.0, 15.0)


def test_the_device_presents_its_certificate_and_sends_the_server_name() -> None:
    with broker(Act.ACCEPT) as served:
        connect_until_published(replace(served.endpoint, host="localhost"))

    assert served.common_names == ["sensor-1"]
    assert served.server_names == ["localhost"]


def test_the_ca_certificate_is_presented_after_the_device_certificate(tmp_path: Path) -> None:
    """A server that has only the root can verify the device, because the chain file has the CA."""
    root, signing = ca_under_a_root()
    files = signing.issue(DeviceSpec("sensor-1")).save(tmp_path / "whole")
    whole, lone = (Credentials.load(file, files.key) for file in (files.chain, files.certificate))

    with broker(Act.ACCEPT, trusted=root) as served:
        with_chain = connect_until_published(served.endpoint, whole)
        without = try_once(served.endpoint, lone)

    assert with_chain.ending is Ending.PUBLISHED
    assert without.ending is Ending.REFUSED
    assert without.last_cause is Cause.CERTIFICATE_REJECTED


@pytest.mark.parametrize(
    ("act", "cause", "seen"),
    [
        (Act.ANSWER_NOT_AUTHORIZED, Cause.NOT_AUTHORIZED, "Not authorized"),
        (Act.ANSWER_UNAVAILABLE, Cause.CONNECT_REFUSED, "Server unavailable"),
        (Act.HANG_UP_ON_SUBSCRIBE, Cause.CLOSED_AFTER_CONNACK, ""),
        (Act.REFUSE_SUBSCRIPTION, Cause.SUBSCRIBE_REFUSED, "devices/sensor-1/hello"),
        (Act.HANG_UP_ON_HANDSHAKE, Cause.CLOSED_IN_HANDSHAKE, ""),
    ],
)
def test_any_other_answer_is_a_refusal(act: Act, cause: Cause, seen: str) -> None:
    with broker(act) as served:
        result = try_once(served.endpoint)

    refusal = next(event for event in result.events if event.step is Step.REFUSED)
    assert result.ending is Ending.REFUSED
    assert refusal.cause is cause
    assert seen in refusal.detail


@pytest.mark.parametrize(
    ("act", "last", "awaited"),
    [
        (Act.IGNORE_CONNECT, Step.CONNECTING, "CONNACK"),
        (Act.IGNORE_SUBSCRIBE, Step.CONNECTED, "SUBACK"),
        (Act.IGNORE_PUBLISH, Step.SUBSCRIBED, "PUBACK"),
        (Act.SWALLOW_MESSAGE, Step.PUBLISHED, "the message"),
    ],
)
def test_no_response_after_the_handshake_is_a_refusal(act: Act, last: Step, awaited: str) -> None:
    """The device's time-out comes after the last response that it has read from the broker."""
    seen_events: set[Step] = set()
    with broker(act) as served:

        def clock() -> float:
            return 2 * LONGEST_WAIT if served.silent.is_set() and last in seen_events else 0.0

        device = Device(CREDENTIALS, served.endpoint, "sensor-1", timeout=LONGEST_WAIT)
        result = connect(device, lambda event: seen_events.add(event.step), clock=clock)

    refusal = result.events[-1]
    assert (result.ending, result.attempts) == (Ending.REFUSED, 1)
    assert (refusal.step, refusal.cause) == (Step.REFUSED, Cause.NO_ANSWER)
    assert refusal.detail.endswith(f"(waiting for {awaited})")


@pytest.mark.parametrize(
    ("act", "cause", "detail"),
    [
        (Act.HANG_UP_ON_CONNECT, Cause.CLOSED_WITHOUT_CONNACK, "TLS accepts the certificate"),
        (Act.HANG_UP_AFTER_HANDSHAKE, Cause.CERTIFICATE_REJECTED, "closed right after the TLS handshake"),
    ],
)
def test_the_probe_distinguishes_a_refused_connect_from_a_refused_certificate(
    monkeypatch: pytest.MonkeyPatch, act: Act, cause: Cause, detail: str
) -> None:
    if act is Act.HANG_UP_ON_CONNECT:
        # The server does not close, so the whole wait passes.
        monkeypatch.setattr(device_module, "PROBE_WAIT", 0.1)
    with broker(act) as served:
        result = try_once(served.endpoint)

    assert (result.ending, result.last_cause) == (Ending.REFUSED, cause)
    assert result.events[-1].step is Step.PROBED
    assert detail in result.events[-1].detail


@pytest.mark.parametrize("newest_tls", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_foreign_certificate_is_rejected_by_the_alert_that_tls_sends(newest_tls: ssl.TLSVersion) -> None:
    with broker(Act.ACCEPT, newest_tls=newest_tls) as served:
        result = try_once(served.endpoint, FOREIGN)

    assert result.ending is Ending.REFUSED
    assert result.last_cause is Cause.CERTIFICATE_REJECTED
    assert "unknown ca" in result.events[-1].detail


@contextmanager
def untrusted() -> Iterator[Endpoint]:
    with broker(Act.ACCEPT) as served:
        yield replace(served.endpoint, ca_file=None)
    assert served.client_ids == []


@contextmanager
def with_another_name() -> Iterator[Endpoint]:
    with broker(Act.ACCEPT) as served, pytest.MonkeyPatch.context() as patch:
        real = socket.create_connection
        patch.setattr(
            socket, "create_connection", lambda address, **more: real(("127.0.0.1", address[1]), **more)
        )
        yield replace(served.endpoint, host="other.example")


@contextmanager
def without_tls() -> Iterator[Endpoint]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener, ThreadPoolExecutor() as pool:

        def greet() -> socket.socket:
            connection, _ = listener.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return connection

        greeting = pool.submit(greet)
        yield Endpoint("127.0.0.1", listener.getsockname()[1])
        greeting.result().close()


@contextmanager
def silent_in_the_handshake() -> Iterator[Endpoint]:
    with silent_port() as port, pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_module, "ATTEMPT_TIMEOUT", 0.1)
        patch.setattr(device_module, "LAST_ATTEMPT_TIMEOUT", 0.1)
        yield Endpoint("127.0.0.1", port)


@pytest.mark.parametrize(
    ("server", "cause"),
    [
        (untrusted, Cause.SERVER_NOT_TRUSTED),
        (with_another_name, Cause.SERVER_NAME_MISMATCH),
        (without_tls, Cause.NOT_TLS),
        (silent_in_the_handshake, Cause.TIMED_OUT),
    ],
)
def test_an_endpoint_without_an_answer_about_the_device_is_unreachable(
    server: Callable[[], AbstractContextManager[Endpoint]], cause: Cause
) -> None:
    backoff = QUICK if cause.permanent else ONE_ATTEMPT
    with server() as endpoint:
        result = connect(Device(CREDENTIALS, endpoint, "sensor-1", timeout=LONGEST_WAIT, backoff=backoff))

    assert steps(result) == [Step.CONNECTING, Step.FAILED]
    assert (result.ending, result.last_cause) == (Ending.UNREACHABLE, cause)


def test_a_port_where_nothing_listens_is_tried_until_the_time_out() -> None:
    clock = Stopwatch()

    def wait(event: TimelineEvent) -> None:
        if event.step is Step.WAITING:
            clock.sleep(40)

    with reserved_port() as port:
        device = Device(CREDENTIALS, Endpoint("127.0.0.1", port), "sensor-1", timeout=100, backoff=QUICK)
        result = connect(device, wait, clock=clock)

    failed = [Step.CONNECTING, Step.FAILED]
    assert (result.ending, result.last_cause) == (Ending.UNREACHABLE, Cause.CONNECTION_REFUSED)
    assert steps(result) == [*failed, Step.WAITING] * 3 + failed
    assert [event.elapsed for event in result.events if event.step is Step.FAILED] == [0, 40, 80, 120]
    began = result.events[0].at
    assert [(event.at - began).total_seconds() for event in result.events] == [
        event.elapsed for event in result.events
    ]


def test_after_one_refusal_the_result_is_refused_even_if_the_endpoint_fails() -> None:
    clock = Stopwatch()
    with broker(Act.ANSWER_NOT_AUTHORIZED) as served:

        def close_after_the_first(event: TimelineEvent) -> None:
            if event.step is Step.REFUSED:
                served.close()
            if event.step is Step.FAILED:
                clock.sleep(2 * LONGEST_WAIT)

        device = Device(CREDENTIALS, served.endpoint, "sensor-1", timeout=LONGEST_WAIT, backoff=QUICK)
        result = connect(device, close_after_the_first, clock=clock)

    assert (result.attempts, result.last_cause) == (2, Cause.CONNECTION_REFUSED)
    assert result.ending is Ending.REFUSED


@pytest.mark.parametrize(
    "act", [Act.ACCEPT_AND_ECHO_BEFORE_PUBACK, Act.ACCEPT_AND_SEND_ANOTHER_MESSAGE_FIRST]
)
def test_only_the_own_message_of_the_device_counts_in_the_timeline(act: Act) -> None:
    with broker(act) as served:
        result = connect_until_published(served.endpoint)

    assert steps(result) == [Step.CONNECTING, *IN]


def test_a_device_can_be_stopped_while_it_waits() -> None:
    stop = threading.Event()
    with broker(Act.HANG_UP_ON_CONNECT) as served:
        waiting = Device(
            CREDENTIALS, served.endpoint, "sensor-1", timeout=3 * LONGEST_WAIT, backoff=ONE_ATTEMPT
        )
        result = connect(waiting, lambda event: stop.set() if event.step is Step.WAITING else None, stop)

    assert result.ending is Ending.STOPPED
    assert result.attempts == 1


def test_a_device_stopped_before_it_begins_does_nothing() -> None:
    stop = threading.Event()
    stop.set()

    result = connect(Device(CREDENTIALS, Endpoint("127.0.0.1", 1), "sensor-1"), stop=stop)

    assert (result.ending, result.attempts, result.last_cause) == (Ending.STOPPED, 0, None)


def test_the_topic_is_made_of_the_client_id() -> None:
    with broker(Act.ACCEPT) as served:
        connect(Device(CREDENTIALS, served.endpoint, "{0}", topic="a/{client_id}/b{1}"))

    assert served.subscribed == ["a/{0}/b{1}"]


@pytest.mark.parametrize("topic", ["", "a/#", "a/+/b"])
def test_a_topic_that_nothing_can_be_published_to_is_refused(topic: str) -> None:
    with pytest.raises(WrongUseError, match="one topic"):
        Device(CREDENTIALS, Endpoint("127.0.0.1"), "sensor-1", topic=topic)
