"""The event loop of MiniStack opens only loopback sockets."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from iot_jitr_cli.lab.launcher import StricterEventLoop

pytestmark = pytest.mark.timing


def loopback_socket() -> socket.socket:
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    return place


def addresses(
    open_server: Callable[[asyncio.AbstractEventLoop], Coroutine[Any, Any, asyncio.Server]],
    handed_over: list[socket.socket],
) -> list[tuple[str, int]]:
    loop = StricterEventLoop(handed_over)

    async def opened() -> list[tuple[str, int]]:
        server = await open_server(loop)
        names = [each.getsockname() for each in server.sockets]
        server.close()
        return names

    try:
        return loop.run_until_complete(opened())
    finally:
        loop.close()


@pytest.mark.parametrize("host", ["0.0.0.0", None, "", "127.0.0.1"])
def test_a_server_for_any_interface_listens_on_loopback(host: str | None) -> None:
    found = addresses(lambda loop: loop.create_server(asyncio.Protocol, host=host, port=0), [])

    assert [address for address, _ in found] == ["127.0.0.1"]


@pytest.mark.parametrize("handed_over", [True, False])
def test_a_server_uses_the_socket_that_is_passed_for_its_port(*, handed_over: bool) -> None:
    place = loopback_socket()
    port = place.getsockname()[1]
    options = {"host": "0.0.0.0", "port": port} if handed_over else {"sock": place}

    found = addresses(
        lambda loop: loop.create_server(asyncio.Protocol, **options), [place] if handed_over else []
    )

    assert found == [("127.0.0.1", port)]
