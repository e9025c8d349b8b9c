"""Real devices, hundreds in one asyncio process, with TLS, their own certificates and an MQTT CONNECT."""

import asyncio
import ssl
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.storm.devices import Behaviour

_ANSWER_LIMIT = 20.0
_CONNACK = 0x20


@dataclass
class RealDevice:
    """One device that connects until it is admitted."""

    client_id: str
    context: ssl.SSLContext
    host: str
    port: int
    attempts: int = 0
    first_attempt: float = 0.0
    """Seconds since 1970."""
    connected_at: float | None = None
    """Seconds since 1970; None until the broker accepts its connect."""

    async def run(self, behaviour: Behaviour, delay: float) -> None:
        """Start after `delay` seconds, and connect repeatedly until connected."""
        await asyncio.sleep(delay)
        self.first_attempt = time.time()
        while self.connected_at is None:
            begun = time.monotonic()
            self.attempts += 1
            if await connects(self.context, self.client_id, self.host, self.port):
                self.connected_at = time.time()
                return
            pause = behaviour.wait_after(self.attempts) - (time.monotonic() - begun)
            await asyncio.sleep(max(0.0, pause))


async def connects(
    context: ssl.SSLContext, client_id: str, host: str, port: int, server_name: str | None = None
) -> bool:
    """Connect once, with the name of the host or another one to the TLS layer; whether it was accepted."""
    try:
        async with asyncio.timeout(_ANSWER_LIMIT):
            reader, writer = await asyncio.open_connection(
                host, port, ssl=context, server_hostname=server_name
            )
            try:
                writer.write(connect_packet(client_id))
                answer = await reader.readexactly(4)
            finally:
                writer.close()
                # The end of a connection that was refused in the TLS layer is an error too.
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, asyncio.IncompleteReadError):
        return False
    return answer[0] == _CONNACK and answer[3] == 0


def connect_packet(client_id: str) -> bytes:
    """An MQTT 3.1.1 CONNECT with a clean session (MQTT 3.1.1 section 3.1)."""
    name = client_id.encode()
    rest = struct.pack("!H4sBBHH", 4, b"MQTT", 4, 2, 60, len(name)) + name
    if len(rest) > 127:
        raise ValueError(f"client id of {len(name)} bytes, expected at most 115")
    return bytes([0x10, len(rest)]) + rest


def client_context(broker_ca: Path, chain: Path, key: Path) -> ssl.SSLContext:
    """A TLS context with the device's chain and the broker's CA."""
    context = ssl.create_default_context(cafile=str(broker_ca))
    context.load_cert_chain(chain, key)
    return context
