"""How a server accepts connections: what the accepted sockets are, and what is known of their peers."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from .support import Loop, Recorder, Serving, port_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_accepted_socket_is_of_its_listeners_kind_and_never_blocks(
    loop: Loop, host: str
) -> None:
    serving = Serving()
    server = await loop.create_server(serving, host, 0)
    transport, _ = await loop.create_connection(Recorder, host, port_of(server))
    [accepted] = await serving.made(1)
    sock = accepted.transport.get_extra_info("socket")
    listening = server.sockets[0]
    assert (sock.family, sock.type, sock.proto) == (
        listening.family,
        listening.type,
        listening.proto,
    )
    assert sock.gettimeout() == 0
    assert not os.get_blocking(sock.fileno())
    assert not os.get_inheritable(sock.fileno())
    assert accepted.transport.get_extra_info("peername") == transport.get_extra_info("sockname")
    transport.close()
    server.close()


async def test_a_default_timeout_makes_no_accepted_socket_block(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    socket.setdefaulttimeout(5)
    try:
        client = socket.socket()
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port_of(server)))
        [accepted] = await serving.made(1)
    finally:
        socket.setdefaulttimeout(None)
    assert accepted.transport.get_extra_info("socket").gettimeout() == 0
    client.close()
    server.close()


@pytest.mark.parametrize("name", ["", "/client", "\0aioxide-test-{pid}"], ids=repr)
async def test_the_peer_of_a_unix_connection_is_known_by_its_name(
    loop: Loop, tmp_path: Path, name: str
) -> None:
    serving = Serving()
    path = str(tmp_path / "server")
    server = await loop.create_unix_server(serving, path)
    client = socket.socket(socket.AF_UNIX)
    client.setblocking(False)
    expected: Any = ""
    if name:
        own = f"{tmp_path}{name}" if name[0] == "/" else name.format(pid=os.getpid())
        client.bind(own)
        expected = own if name[0] == "/" else own.encode()
    await loop.sock_connect(client, path)
    [accepted] = await serving.made(1)
    assert accepted.transport.get_extra_info("peername") == expected
    client.close()
    server.close()


class Doorkeeper(socket.socket):
    """A listening socket with a way of its own to accept."""

    accepted = 0

    def accept(self) -> tuple[socket.socket, Any]:
        connection, peer = super().accept()
        self.accepted += 1
        return connection, ("someone", peer[1])


async def test_a_listening_socket_may_accept_in_its_own_way(loop: Loop) -> None:
    serving = Serving()
    listening = Doorkeeper()
    listening.bind(("127.0.0.1", 0))
    server = await loop.create_server(serving, sock=listening)
    transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    [accepted] = await serving.made(1)
    assert listening.accepted == 1
    assert accepted.transport.get_extra_info("peername")[0] == "someone"
    assert accepted.transport.get_extra_info("socket").gettimeout() == 0
    transport.close()
    server.close()
