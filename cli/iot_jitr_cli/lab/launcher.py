"""What the lab's child process runs: MiniStack on the two sockets it was handed, and on nothing but loopback.

`python -m iot_jitr_cli.lab.launcher GATEWAY_FD MQTT_FD REQUEST_LOG [OWNER_PID OWNER_STARTED]`, configured by
the environment variables that MiniStack knows. With an owner it ends when that process does, however.

MiniStack binds its MQTT listener to 0.0.0.0 whatever `BIND_HOST` says. Here the event loop decides where a
server listens: one for the port of a handed-over socket gets that socket, any other one gets loopback.
MiniStack's own code is not changed.
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iot_jitr_cli.lab.environment import LOOPBACK
from iot_jitr_cli.lab.process import ProcessIdentity
from iot_jitr_cli.lab.requests import AsgiApp, recorded

if TYPE_CHECKING:
    from hypercorn.config import Config

_KEEP_ALIVE = 75
"""Seconds an idle HTTP connection stays open, as MiniStack's own command has it."""
_LOOK_EVERY = 1.0
"""Seconds between two looks at the owner."""


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


def main(gateway_fd: int, mqtt_fd: int, request_log: Path, owner: ProcessIdentity | None) -> None:
    """Serve MiniStack until SIGTERM, or until `owner` is gone; record the calls it gets in `request_log`."""
    from hypercorn.config import Config  # noqa: PLC0415  the extra `lab`, needed only in the child
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
        runner.run(_serve(recorded(app, log), config, owner))


async def _serve(app: AsgiApp, config: "Config", owner: ProcessIdentity | None) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415

    serving = asyncio.create_task(serve(app, config))
    while not serving.done():
        await asyncio.wait({serving}, timeout=_LOOK_EVERY)
        if owner is not None and not owner.is_running():
            # Nobody is left who would stop it: the functions' processes go with it.
            os.killpg(os.getpgrp(), signal.SIGKILL)
    await serving


def run(gateway_fd: str, mqtt_fd: str, request_log: str, *owner: str) -> None:
    """Serve as the command line says."""
    pid_and_start = ProcessIdentity(int(owner[0]), float(owner[1])) if owner else None
    main(int(gateway_fd), int(mqtt_fd), Path(request_log), pid_and_start)


if __name__ == "__main__":
    run(*sys.argv[1:])
