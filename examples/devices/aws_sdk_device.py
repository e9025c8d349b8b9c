"""A device on its way in by just-in-time registration, with the AWS IoT Device SDK v2.

Install: pip install awsiotsdk

Usage: aws_sdk_device.py HOST PORT CHAIN_FILE KEY_FILE CLIENT_ID [CA_FILE]
"""

import random
import sys
import threading

from awscrt import mqtt5
from awsiot import mqtt5_client_builder

host, port, chain_file, key_file, client_id = sys.argv[1:6]
ca_file = sys.argv[6] if len(sys.argv) > 6 else None
topic = f"devices/{client_id}/hello"
connected, received = threading.Event(), threading.Event()


def on_message(data):
    """Take the message back."""
    print(f"received {data.publish_packet.payload.decode()!r} from {data.publish_packet.topic}")
    received.set()


device = mqtt5_client_builder.mtls_from_path(
    endpoint=host,
    port=int(port),
    # The chain file, not the device certificate alone: the device's certificate, then its CA's.
    cert_filepath=chain_file,
    pri_key_filepath=key_file,
    ca_filepath=ca_file,
    client_id=client_id,
    # The SDK's jitter may reconnect sooner than the minimum; an odd minimum keeps a fleet apart as well.
    retry_jitter_mode=mqtt5.ExponentialBackoffJitterMode.NONE,
    min_reconnect_delay_ms=random.randint(1000, 2000),
    max_reconnect_delay_ms=60_000,
    on_lifecycle_connection_success=lambda _data: connected.set(),
    on_publish_received=on_message,
)
# The MQTT 5 client retries its first connect too; the SDK's MQTT 3.1.1 client gives up after it.
device.start()
connected.wait()
subscription = mqtt5.Subscription(topic_filter=topic, qos=mqtt5.QoS.AT_LEAST_ONCE)
device.subscribe(mqtt5.SubscribePacket(subscriptions=[subscription])).result(timeout=10)
device.publish(mqtt5.PublishPacket(topic=topic, payload=b"hello", qos=mqtt5.QoS.AT_LEAST_ONCE)).result(
    timeout=10
)
received.wait(timeout=10)
device.stop()
