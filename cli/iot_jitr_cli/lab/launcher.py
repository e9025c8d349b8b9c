"""What the lab's child process runs: MiniStack on the two sockets it was handed, and on nothing but loopback.

`python -m iot_jitr_cli.lab.launcher GATEWAY_FD MQTT_FD REQUEST_LOG`, configured by the environment variables
that MiniStack knows.

MiniStack binds its MQTT listener to 0.0.0.0 whatever `BIND_HOST` says. Here the event loop decides where a
server listens: one for the port of a handed-over socket gets that socket, any other one gets loopback.
MiniStack's own code is not changed.
"""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

from iot_jitr_cli.lab.environment import LOOPBACK
from iot_jitr_cli.lab.requests import recorded

_KEEP_ALIVE = 75
"""Seconds an idle HTTP connection stays open, as MiniStack's own command has it."""


class LoopbackEventLoop(asyncio.SelectorEventLoop):
    """An event loop that opens no server on anything but loopback."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._handed_over = {handed.getsockname()[1]: handed for handed in sockets}

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> asyncio.Server:
        """Open a server as asyncio does, on the socket handed over for `port`, else on loopback."""
        del host
        create = super().create_server
        if options.get("sock") is not None:
            return await create(protocol_factory, **options)
        if port in self._handed_over:
            return await create(protocol_factory, sock=self._handed_over.pop(port), **options)
        return await create(protocol_factory, LOOPBACK, port, **options)


def main(gateway_fd: int, mqtt_fd: int, request_log: Path) -> None:
    """Serve MiniStack until SIGTERM; record the calls it gets in `request_log`."""
    from hypercorn.asyncio import serve  # noqa: PLC0415  the extra `lab`, needed only in the child
    from hypercorn.config import Config  # noqa: PLC0415
    from ministack.app import app  # type: ignore[import-untyped]  # noqa: PLC0415  starts logging when imported

    config = Config()
    config.bind = [f"fd://{gateway_fd}"]
    config.keep_alive_timeout = _KEEP_ALIVE
    config.graceful_timeout = 1
    mqtt = socket.socket(fileno=mqtt_fd)
    with (
        request_log.open("a") as log,
        asyncio.Runner(loop_factory=lambda: LoopbackEventLoop([mqtt])) as runner,
    ):
        runner.run(serve(recorded(app, log), config))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
