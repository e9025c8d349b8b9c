"""The program of the lab's child process: MiniStack, on loopback only, with AWS's rule for a device's chain.

`python -m iot_jitr_cli.lab.launcher GATEWAY_FD MQTT_FD REQUEST_LOG [PARENT_PID]`, configured by the
environment variables of MiniStack. With its parent's process id it ends when the parent ends for any reason.

MiniStack's own code is not changed. If MiniStack is less strict than necessary, its event loop is stricter:

* A server listens on loopback, on the inherited socket for that port if there is one. MiniStack itself binds
  its MQTT listener to 0.0.0.0 for every value of `BIND_HOST`.
* A device that does not send the server's name (SNI) must present its CA certificate after its own: AWS IoT
  finds the account by one of the two
  (https://docs.aws.amazon.com/iot/latest/developerguide/device-certs-your-own.html). MiniStack accepts any
  chain.
* The client certificate callback of a domain configuration is invoked (`iot_jitr_cli.lab.callbacks`).

`iot_jitr_cli.lab.connections` answers two calls that MiniStack does not have.
"""

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from hypercorn.asyncio import serve
from hypercorn.config import Config

from iot_jitr_cli.lab import callbacks, connections
from iot_jitr_cli.lab.environment import LOOPBACK
from iot_jitr_cli.lab.requests import AsgiApp, recorded

_KEEP_ALIVE = 75
"""Seconds for which an idle HTTP connection stays open, as in MiniStack's own command."""
_PARENT_INTERVAL = 1.0
"""Seconds between two checks whether the parent is running."""
_DER = 2
"""`_ssl.ENCODING_DER`."""
_logger = logging.getLogger(__name__)


class ChainRefusedError(ssl.SSLError):
    """A device sent no server name and did not present its CA certificate, or a callback refused it."""


class StricterEventLoop(asyncio.SelectorEventLoop):
    """An event loop that listens on loopback only, and refuses chains that AWS IoT refuses."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._handed_over = {handed.getsockname()[1]: handed for handed in sockets}
        self._contexts: WeakSet[ssl.SSLContext] = WeakSet()
        self._names: WeakKeyDictionary[ssl.SSLObject, str] = WeakKeyDictionary()

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> asyncio.Server:
        """Open a server as asyncio does, on the inherited socket for `port`, else on loopback."""
        del host
        create = super().create_server
        if options.get("sock") is not None:
            return await create(protocol_factory, **options)
        if port in self._handed_over:
            return await create(protocol_factory, sock=self._handed_over.pop(port), **options)
        return await create(protocol_factory, LOOPBACK, port, **options)

    async def start_tls(self, transport: Any, protocol: Any, sslcontext: Any, **options: Any) -> Any:
        """Do the TLS handshake as asyncio does.

        Raises:
            ChainRefusedError: The client sent neither a server name nor its CA certificate, or the domain's
                client certificate callback refused it.
        """
        if not options.get("server_side"):
            return await super().start_tls(transport, protocol, sslcontext, **options)
        if sslcontext not in self._contexts:
            self._prepare(sslcontext)
        upgraded: Any = await super().start_tls(transport, protocol, sslcontext, **options)
        connection = upgraded.get_extra_info("ssl_object")
        name = self._names.get(connection)
        if name is None and not is_complete(_presented(connection)):
            message = "a device sent no server name (SNI), and not its CA certificate after its own: refused"
            _logger.warning(message)
            raise ChainRefusedError(message)
        if name is not None and not await callbacks.admits(name, _presented(connection)):
            raise ChainRefusedError(f"the client certificate callback of {name} refused a device")
        return upgraded

    def _prepare(self, context: ssl.SSLContext) -> None:
        """Record which clients send a server name; MiniStack's own callback is still called."""
        former: Any = context.sni_callback

        def note(connection: ssl.SSLObject, name: str | None, own: ssl.SSLContext) -> Any:
            if name:
                self._names[connection] = name
            return former(connection, callbacks.account_endpoint(name), own) if former else None

        context.sni_callback = note
        # A session ticket contains only the client's certificate, so a resumed session would have no chain.
        context.options |= ssl.OP_NO_TICKET
        self._contexts.add(context)


def is_complete(chain: Sequence[bytes]) -> bool:
    """Whether a chain (DER, as presented) contains the issuer of its first certificate.

    A client without a certificate presents an empty chain; MiniStack itself refuses or accepts it.
    """
    if not chain:
        return True
    leaf, *others = map(x509.load_der_x509_certificate, chain)
    return any(_is_issuer(other, leaf) for other in others)


def _presented(connection: Any) -> list[bytes]:
    """The chain that the client presented, DER. Python 3.13 has a public method for it."""
    return [each.public_bytes(_DER) for each in connection._sslobj.get_unverified_chain() or ()]  # noqa: SLF001


def _is_issuer(ca: x509.Certificate, leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def run(gateway_fd: str, mqtt_fd: str, request_log: str, parent: str = "0") -> None:
    """Serve MiniStack with the arguments of the command line, until SIGTERM or the end of the parent."""
    from ministack.app import app  # type: ignore[import-untyped]  # noqa: PLC0415  starts logging when imported

    connections.install()
    config = Config()
    config.bind = [f"fd://{gateway_fd}"]
    config.keep_alive_timeout = _KEEP_ALIVE
    config.graceful_timeout = 1
    mqtt = socket.socket(fileno=int(mqtt_fd))
    with (
        Path(request_log).open("a") as log,
        asyncio.Runner(loop_factory=lambda: StricterEventLoop([mqtt])) as runner,
    ):
        runner.run(_serve(recorded(app, log), config, int(parent)))


async def _serve(app: AsgiApp, config: Config, parent: int) -> None:
    """Serve until SIGTERM, or until `parent` (0: none) has ended; then another process is the parent."""
    serving = asyncio.create_task(serve(app, config))
    while not serving.done():
        await asyncio.wait({serving}, timeout=_PARENT_INTERVAL)
        if parent and os.getppid() != parent:
            # Without this, the process would continue to run. The functions' processes end with it.
            os.killpg(os.getpgrp(), signal.SIGKILL)
    await serving


if __name__ == "__main__":
    run(*sys.argv[1:])
