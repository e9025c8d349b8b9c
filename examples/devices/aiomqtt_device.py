"""A device on its way in by just-in-time registration, with aiomqtt.

Install: pip install aiomqtt

Usage: aiomqtt_device.py HOST PORT CHAIN_FILE KEY_FILE CLIENT_ID [CA_FILE]
"""

import asyncio
import random
import ssl
import sys

import aiomqtt

host, port, chain_file, key_file, client_id = sys.argv[1:6]
ca_file = sys.argv[6] if len(sys.argv) > 6 else None
topic = f"devices/{client_id}/hello"

tls = ssl.create_default_context(cafile=ca_file)
# The chain file, not the device certificate alone: the device's certificate, then its CA's.
tls.load_cert_chain(chain_file, key_file)
if port == "443":
    tls.set_alpn_protocols(["x-amzn-mqtt-ca"])


async def say_hello():
    """One connection; ends with MqttError where the broker closes it."""
    options = {"identifier": client_id, "protocol": aiomqtt.ProtocolVersion.V311, "tls_context": tls}
    # A connection that is closed without a CONNACK is noticed by this time-out only, in seconds.
    async with aiomqtt.Client(host, int(port), **options, timeout=5) as device:
        await device.subscribe(topic, qos=1)
        await device.publish(topic, "hello", qos=1)
        async for message in device.messages:
            print(f"received {message.payload.decode()!r} from {message.topic}")
            return


async def main():
    """Reconnect until the device is active."""
    delay = 1.0
    while True:
        try:
            return await say_hello()
        except aiomqtt.MqttError:
            # At random between the delay and twice that; the delay doubles, up to half a minute.
            await asyncio.sleep(random.uniform(delay, 2 * delay))
            delay = min(2 * delay, 30.0)


asyncio.run(main())
