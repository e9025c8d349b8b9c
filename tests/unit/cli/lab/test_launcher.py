"""The event loop that MiniStack runs on opens nothing but loopback."""

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
def test_a_server_asked_for_on_any_interface_listens_on_loopback(host: str | None) -> None:
    found = addresses(lambda loop: loop.create_server(asyncio.Protocol, host=host, port=0), [])

    assert [address for address, _ in found] == ["127.0.0.1"]


def test_a_server_for_the_port_of_a_handed_over_socket_gets_that_socket() -> None:
    place = loopback_socket()
    port = place.getsockname()[1]

    found = addresses(lambda loop: loop.create_server(asyncio.Protocol, host="0.0.0.0", port=port), [place])

    assert found == [("127.0.0.1", port)]


def test_a_server_with_a_socket_of_its_own_keeps_it() -> None:
    place = loopback_socket()
    port = place.getsockname()[1]

    found = addresses(lambda loop: loop.create_server(asyncio.Protocol, sock=place), [])

    assert found == [("127.0.0.1", port)]
