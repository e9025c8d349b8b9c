"""`DeleteConnection` and `GetConnection` on the lab's own MiniStack: real sessions, IAM enforced."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.lab.ministack import ACCOUNT, REGION
from tests.support.lab_with_ca import active_device, credentials
from tests.support.limits import LONGEST_WAIT

pytestmark = pytest.mark.timing


@dataclass
class Device:
    """A connected device; it does not connect again."""

    client_id: str
    client: Client
    closed: threading.Event = field(default_factory=threading.Event)


@contextmanager
def connected(lab: Lab, *, clean: bool = True) -> Iterator[Device]:
    """Connect a new device whose certificate is registered and active."""
    identity, broker = active_device(lab), lab.broker()
    name = identity.certificate.common_names[0]
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=name,
        protocol=MQTTProtocolVersion.MQTTv311,
        clean_session=clean,
        reconnect_on_failure=False,
    )
    device, ready = Device(name, client), threading.Event()
    client.tls_set_context(credentials(identity).tls_context(broker))
    client.on_connect = lambda *_: ready.set()
    client.on_disconnect = lambda *_: device.closed.set()
    client.will_set(f"wills/{name}", b"gone")
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        assert ready.wait(LONGEST_WAIT)
        yield device
    finally:
        client.disconnect()
        client.loop_stop()


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_deleted_connection_is_closed_and_the_disconnect_is_recorded(lab: Lab) -> None:
    data = lab.client("iot-data")
    with connected(lab) as device, connected(lab) as other:
        before = data.get_connection(clientId=device.client_id)
        data.delete_connection(clientId=device.client_id)

        assert device.closed.wait(LONGEST_WAIT)
        after = data.get_connection(clientId=device.client_id)
        assert not other.closed.is_set()
        assert data.get_connection(clientId=other.client_id)["connected"]

    assert (before["connected"], before["cleanSession"]) == (True, True)
    assert before["connectedSince"] <= after["disconnectedSince"]
    assert (after["connected"], after["disconnectReason"]) == (False, "API_INITIATED_DISCONNECT")


def test_an_unknown_client_id_is_not_found(lab: Lab) -> None:
    data = lab.client("iot-data")
    with connected(lab) as device:
        data.delete_connection(clientId=device.client_id)
        with pytest.raises(ClientError) as again:
            data.delete_connection(clientId=device.client_id)
    with pytest.raises(ClientError) as never:
        data.get_connection(clientId=f"never-{uuid4()}")

    assert code(again) == code(never) == ("ResourceNotFoundException", 404)


def test_a_persistent_session_is_kept_unless_clean_session_is_given(lab: Lab) -> None:
    data = lab.client("iot-data")
    with connected(lab, clean=False) as device:
        data.delete_connection(clientId=device.client_id)
        assert device.closed.wait(LONGEST_WAIT)

        data.delete_connection(clientId=device.client_id, cleanSession=True)
        with pytest.raises(ClientError) as gone:
            data.delete_connection(clientId=device.client_id)

    assert code(gone) == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize(("prevented", "published"), [(False, 1), (True, 0)])
def test_the_last_will_is_published_unless_it_is_prevented(
    lab: Lab, *, prevented: bool, published: int
) -> None:
    seen: list[str] = []
    with connected(lab) as watcher, connected(lab) as device, connected(lab) as last:
        both = threading.Event()
        watcher.client.on_subscribe = lambda *_: both.set()
        done = threading.Event()

        def on_message(_client: object, _data: object, message: object) -> None:
            topic = message.topic  # type: ignore[attr-defined]
            seen.append(topic)
            if topic == f"wills/{last.client_id}":
                done.set()

        watcher.client.on_message = on_message
        watcher.client.subscribe("wills/#")
        assert both.wait(LONGEST_WAIT)
        lab.client("iot-data").delete_connection(clientId=device.client_id, preventWillMessage=prevented)
        lab.client("iot-data").delete_connection(clientId=last.client_id)
        assert done.wait(LONGEST_WAIT)

    assert seen.count(f"wills/{device.client_id}") == published


def test_both_calls_take_a_permission_on_the_client(lab: Lab) -> None:
    def user(*resources: str) -> boto3.session.Session:
        iam, name = lab.client("iam"), f"user-{uuid4()}"
        iam.create_user(UserName=name)
        statement = {
            "Effect": "Allow",
            "Action": ["iot:DeleteConnection", "iot:GetConnection"],
            "Resource": [f"arn:aws:iot:{REGION}:{ACCOUNT}:client/{each}" for each in resources],
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="calls", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)

    with connected(lab) as device:
        allowed = user(device.client_id).client("iot-data", endpoint_url=lab.ministack.url)
        other = user("another-client").client("iot-data", endpoint_url=lab.ministack.url)

        for call in (other.get_connection, other.delete_connection):
            with pytest.raises(ClientError) as denied:
                call(clientId=device.client_id)
            assert code(denied) == ("ForbiddenException", 403)
        assert not device.closed.is_set()
        assert allowed.get_connection(clientId=device.client_id)["connected"]
        allowed.delete_connection(clientId=device.client_id)
        assert device.closed.wait(LONGEST_WAIT)


def test_an_invalid_client_id_is_refused_and_ministack_serves_other_calls(lab: Lab) -> None:
    data = lab.client("iot-data")

    with pytest.raises(ClientError) as refused:
        data.delete_connection(clientId="a" * 129)

    assert code(refused) == ("InvalidRequestException", 400)
    data.publish(topic="devices/any", payload=b"taken")
