"""A device on its way in by just-in-time registration, with paho-mqtt.

Install: pip install paho-mqtt

Usage: paho_device.py HOST PORT CHAIN_FILE KEY_FILE CLIENT_ID [CA_FILE]
"""

import random
import sys

import paho.mqtt.client as mqtt

host, port, chain_file, key_file, client_id = sys.argv[1:6]
ca_file = sys.argv[6] if len(sys.argv) > 6 else None
topic = f"devices/{client_id}/hello"


def on_connect(client, userdata, flags, reason_code, properties):
    """Subscribe once the device is active; the first connect is always refused."""
    if not reason_code.is_failure:
        client.subscribe(topic, qos=1)


def on_subscribe(client, userdata, mid, reason_codes, properties):
    """Say hello where the device itself listens."""
    client.publish(topic, "hello", qos=1)


def on_message(client, userdata, message):
    """Take the message back and leave."""
    print(f"received {message.payload.decode()!r} from {message.topic}")
    client.disconnect()


device = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id)
# The chain file, not the device certificate alone: the device's certificate, then its CA's.
device.tls_set(ca_certs=ca_file, certfile=chain_file, keyfile=key_file)
# paho doubles the delay after each refusal, but adds no jitter: an odd start keeps a fleet apart.
device.reconnect_delay_set(min_delay=random.uniform(1, 2), max_delay=60)
device.on_connect, device.on_subscribe, device.on_message = on_connect, on_subscribe, on_message
device.connect_async(host, int(port), keepalive=30)
# Goes on after connections that end without a CONNACK, and with this argument after a failed first one too.
device.loop_forever(retry_first_connection=True)
