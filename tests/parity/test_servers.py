"""`create_server` and `Server`: hosts, options, serving and closing."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import socket
import sys
from typing import Any

import pytest

from .support import Loop, Recorder, Serving, port_of, turns


async def test_a_server_serves_one_connection_after_another(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    for i in range(5):
        transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
        transport.write(b"x" * i)
        transport.close()
        protocols = await serving.made(i + 1)
        await protocols[i].lost
        assert len(protocols[i].data) == i
    server.close()
    await server.wait_closed()


async def test_a_server_is_an_asyncio_server_of_this_loop(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    assert isinstance(server, asyncio.AbstractServer)
    assert server.get_loop() is loop
    assert server.is_serving() is True
    server.close()
    assert server.is_serving() is False


async def test_sockets_is_a_tuple_of_transport_sockets_and_empty_after_close(loop: Loop) -> None:
    from asyncio.trsock import TransportSocket

    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    assert isinstance(server.sockets, tuple)
    [sock] = server.sockets
    assert isinstance(sock, TransportSocket)
    assert sock.getsockname()[0] == "127.0.0.1"
    server.close()
    assert server.sockets == ()


async def test_one_server_may_listen_on_many_hosts(loop: Loop) -> None:
    server = await loop.create_server(Recorder, ["127.0.0.1", "127.0.0.2"], 0)
    assert {sock.getsockname()[0] for sock in server.sockets} == {"127.0.0.1", "127.0.0.2"}
    for sock in server.sockets:
        transport, _ = await loop.create_connection(Recorder, *sock.getsockname())
        transport.close()
    server.close()
    await turns(3)


@pytest.mark.parametrize("host", [None, ""], ids=repr)
async def test_no_host_means_all_interfaces(loop: Loop, host: str | None) -> None:
    server = await loop.create_server(Recorder, host, 0, family=socket.AF_INET)
    assert server.sockets[0].getsockname()[0] == "0.0.0.0"
    server.close()


async def test_without_a_family_no_host_means_both_families_on_one_port_or_ipv4_alone(
    loop: Loop,
) -> None:
    server = await loop.create_server(Recorder, None, 0)
    families = {sock.family for sock in server.sockets}
    assert socket.AF_INET in families
    assert families <= {socket.AF_INET, socket.AF_INET6}
    server.close()


async def test_an_ipv6_socket_takes_ipv6_only(loop: Loop) -> None:
    try:
        server = await loop.create_server(Recorder, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 here")
    assert server.sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
    server.close()


async def test_a_socket_can_be_given(loop: Loop) -> None:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    server = await loop.create_server(Recorder, sock=sock)
    assert server.sockets[0].getsockname() == sock.getsockname()
    transport, _ = await loop.create_connection(Recorder, *sock.getsockname())
    transport.close()
    server.close()
    await turns(3)
    assert sock.fileno() == -1


async def test_the_address_may_be_reused_by_default(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    assert server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1
    server.close()
    server = await loop.create_server(Recorder, "127.0.0.1", 0, reuse_address=False)
    assert server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0
    server.close()


async def test_reuse_port_lets_two_servers_share_a_port(loop: Loop) -> None:
    first = await loop.create_server(Recorder, "127.0.0.1", 0, reuse_port=True)
    second = await loop.create_server(Recorder, "127.0.0.1", port_of(first), reuse_port=True)
    assert port_of(first) == port_of(second)
    first.close()
    second.close()


@pytest.mark.asyncio_since(3, 13, "keep_alive= is new in 3.13")
@pytest.mark.parametrize("keep_alive", [True, False, None])
async def test_keep_alive_is_set_on_the_listening_socket(
    loop: Loop, keep_alive: bool | None
) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0, keep_alive=keep_alive)  # type: ignore[call-overload]
    assert server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == int(
        bool(keep_alive)
    )
    server.close()


async def test_a_port_that_is_taken_is_an_os_error_that_names_the_address(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    port = port_of(server)
    with pytest.raises(OSError) as caught:
        await loop.create_server(Recorder, "127.0.0.1", port)
    assert caught.value.errno == errno.EADDRINUSE
    text = str(caught.value).lower()
    assert f"error while attempting to bind on address ('127.0.0.1', {port}): " in text
    assert text.endswith("address already in use")
    server.close()


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({}, ValueError, "Neither host/port nor sock were specified"),
        (
            {"host": "127.0.0.1", "port": 0, "sock": "yes"},
            ValueError,
            "host/port and sock can not be specified at the same time",
        ),
        (
            {"host": "127.0.0.1", "port": 0, "ssl": True},
            TypeError,
            "ssl argument must be an SSLContext or None",
        ),
        (
            {"host": "127.0.0.1", "port": 0, "ssl_handshake_timeout": 1},
            ValueError,
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
        (
            {"host": "127.0.0.1", "port": 0, "ssl_shutdown_timeout": 1},
            ValueError,
            "ssl_shutdown_timeout is only meaningful with ssl",
        ),
        ({"sock": "datagram"}, ValueError, "A Stream Socket was expected, got .*"),
    ],
    ids=["nothing", "both", "ssl", "handshake", "shutdown", "datagram"],
)
async def test_arguments_that_make_no_sense_are_refused(  # type: ignore[no-untyped-def]
    loop: Loop, kwargs: dict[str, Any], error, text: str
) -> None:
    kind = socket.SOCK_DGRAM if kwargs.get("sock") == "datagram" else socket.SOCK_STREAM
    with socket.socket(type=kind) as sock:
        if "sock" in kwargs:
            kwargs = {**kwargs, "sock": sock}
        with pytest.raises(error, match=f"^{text}$"):
            await loop.create_server(Recorder, **kwargs)


async def test_a_server_that_does_not_start_serving_does_so_later(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0, start_serving=False)
    assert server.is_serving() is False
    await server.start_serving()
    assert server.is_serving() is True
    await server.start_serving()
    transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    await serving.made(1)
    transport.close()
    server.close()
    await turns(3)


async def test_connections_have_the_context_of_who_made_the_server_or_before_3_15_had_it_serve(
    loop: Loop,
) -> None:
    variable = contextvars.ContextVar("variable", default="none")
    seen: list[str] = []

    class Looks(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            seen.append(variable.get())
            variable.set("the connection's")

    variable.set("the maker's")
    serving = Serving(Looks)
    server = await loop.create_server(serving, "127.0.0.1", 0, start_serving=False)
    variable.set("the starter's")
    await server.start_serving()
    variable.set("later")
    for number in range(2):
        transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
        transport.close()
        await (await serving.made(number + 1))[number].lost
    server.close()
    await server.wait_closed()
    first = "the maker's" if sys.version_info >= (3, 15) else "the starter's"
    assert seen == [first] * 2


async def test_serve_forever_serves_until_cancelled_and_then_closes(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0, start_serving=False)
    task = loop.create_task(server.serve_forever())
    await turns(2)
    assert server.is_serving()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not server.is_serving()
    assert server.sockets == ()


async def test_serve_forever_ends_when_the_server_is_closed(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    task = loop.create_task(server.serve_forever())
    await turns(2)
    server.close()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_serve_forever_twice_or_on_a_closed_server_is_a_runtime_error(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    task = loop.create_task(server.serve_forever())
    await turns(2)
    with pytest.raises(RuntimeError, match=r"is already being awaited on serve_forever\(\)$"):
        await server.serve_forever()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(RuntimeError, match="^server .+ is closed$"):
        await server.serve_forever()


async def test_leaving_async_with_closes_the_server(loop: Loop) -> None:
    async with await loop.create_server(Recorder, "127.0.0.1", 0) as server:
        assert server.is_serving()
    assert not server.is_serving()


async def test_closing_a_server_leaves_its_connections(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    transport, client = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    [protocol] = await serving.made(1)
    server.close()
    transport.write(b"still here")
    assert await protocol.received(10) == b"still here"
    transport.close()
    await client.lost
    await protocol.lost


async def test_after_close_connections_are_refused(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    port = port_of(server)
    server.close()
    server.close()
    await server.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await loop.create_connection(Recorder, "127.0.0.1", port)


@pytest.mark.asyncio_since(3, 12, 1, "wait_closed() really waits from 3.12.1 on")
async def test_wait_closed_waits_for_close_and_for_the_last_connection(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    [protocol] = await serving.made(1)
    waiting = loop.create_task(server.wait_closed())
    await turns(3)
    assert not waiting.done()
    server.close()
    await turns(3)
    assert not waiting.done()
    transport.close()
    await protocol.lost
    await waiting
    await server.wait_closed()


@pytest.mark.asyncio_since(3, 13, "Server.close_clients is new in 3.13")
async def test_close_clients_closes_the_connections_after_flushing(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    _, client = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    [protocol] = await serving.made(1)
    protocol.transport.write(b"x" * 3_000_000)
    server.close()
    server.close_clients()  # type: ignore[attr-defined]
    assert len(await client.received(3_000_000)) == 3_000_000
    assert await protocol.lost is None
    await client.lost
    await server.wait_closed()


@pytest.mark.asyncio_since(3, 13, "Server.abort_clients is new in 3.13")
async def test_abort_clients_drops_the_connections_at_once(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    transport, client = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    [protocol] = await serving.made(1)
    transport.pause_reading()
    protocol.transport.write(b"x" * 20_000_000)
    server.close()
    server.abort_clients()  # type: ignore[attr-defined]
    assert await protocol.lost is None
    await server.wait_closed()
    transport.abort()
    await client.lost


async def test_a_burst_of_connections_is_served_whole(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0, backlog=128)
    clients = []
    for _ in range(100):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", port_of(server)))
        clients.append(sock)
    protocols = await serving.made(100)
    for sock in clients:
        sock.close()
    for protocol in protocols:
        await protocol.lost
    server.close()
    await server.wait_closed()


async def test_a_client_gone_before_it_was_accepted_does_not_hurt(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    import struct

    for _ in range(5):
        sock = socket.create_connection(("127.0.0.1", port_of(server)))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    transport, client = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    await serving.made(1)
    transport.close()
    await client.lost
    for protocol in serving.protocols:
        await protocol.lost
    server.close()


async def test_the_repr_of_a_server_shows_its_sockets(loop: Loop) -> None:
    server = await loop.create_server(Recorder, "127.0.0.1", 0)
    assert repr(server).startswith("<Server sockets=(<asyncio.TransportSocket fd=")
    server.close()
