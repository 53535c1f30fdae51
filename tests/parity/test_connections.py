"""`create_connection` and `connect_accepted_socket`: hosts, sockets, local addresses, and how they fail."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

import pytest

from .support import Loop, Recorder, nonblocking_pair, port_of, refused_port, tcp_sockets, turns


async def _server(loop: Loop, host: str = "127.0.0.1", **kwargs: Any) -> asyncio.AbstractServer:
    return await loop.create_server(Recorder, host, 0, **kwargs)


async def _close(server: asyncio.AbstractServer, *transports: asyncio.BaseTransport) -> None:
    for transport in transports:
        transport.close()
    server.close()
    await turns(3)
    await server.wait_closed()


async def test_create_connection_returns_transport_and_protocol(loop: Loop) -> None:
    server = await _server(loop)
    transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    assert isinstance(transport, asyncio.Transport)
    assert protocol.transport is transport
    assert protocol.events == ["made"]
    await _close(server, transport)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", b"127.0.0.1"], ids=repr)
async def test_the_host_may_be_a_literal_or_a_name(loop: Loop, host: Any) -> None:
    server = await _server(loop)
    transport, _ = await loop.create_connection(
        Recorder, host, port_of(server), family=socket.AF_INET
    )
    assert transport.get_extra_info("peername")[0] == "127.0.0.1"
    await _close(server, transport)


async def test_the_port_may_be_a_string(loop: Loop) -> None:
    server = await _server(loop)
    transport, _ = await loop.create_connection(Recorder, "127.0.0.1", str(port_of(server)))  # type: ignore[call-overload]
    await _close(server, transport)


async def test_ipv6_loopback_can_be_connected(loop: Loop) -> None:
    try:
        server = await _server(loop, "::1")
    except OSError:
        pytest.skip("no IPv6 here")
    transport, _ = await loop.create_connection(Recorder, "::1", port_of(server))
    assert transport.get_extra_info("peername")[:2] == ("::1", port_of(server))
    assert len(transport.get_extra_info("peername")) == 4
    await _close(server, transport)


async def test_a_connected_socket_can_be_given(loop: Loop) -> None:
    a, b = tcp_sockets()
    transport, protocol = await loop.create_connection(Recorder, sock=a)
    b.send(b"x")
    assert await protocol.received(1) == b"x"
    assert transport.get_extra_info("socket").fileno() == a.fileno()
    transport.close()
    await protocol.lost
    b.close()


async def test_a_blocking_socket_is_made_non_blocking(loop: Loop) -> None:
    a, b = tcp_sockets()
    a.setblocking(True)
    transport, protocol = await loop.create_connection(Recorder, sock=a)
    assert a.gettimeout() == 0
    transport.close()
    await protocol.lost
    b.close()


async def test_tcp_transports_do_not_delay(loop: Loop) -> None:
    server = await _server(loop)
    transport, _ = await loop.create_connection(Recorder, "127.0.0.1", port_of(server))
    sock = transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    await _close(server, transport)


async def test_local_addr_binds_the_near_end(loop: Loop) -> None:
    server = await _server(loop)
    port = refused_port()
    transport, _ = await loop.create_connection(
        Recorder, "127.0.0.1", port_of(server), local_addr=("127.0.0.1", port)
    )
    assert transport.get_extra_info("sockname") == ("127.0.0.1", port)
    await _close(server, transport)


async def test_a_local_addr_that_is_taken_is_an_os_error_that_says_so(loop: Loop) -> None:
    server = await _server(loop)
    taken = port_of(server)
    with pytest.raises(OSError, match="error while attempting to bind on address") as caught:
        await loop.create_connection(Recorder, "127.0.0.1", taken, local_addr=("127.0.0.1", taken))
    assert caught.value.errno == 98
    await _close(server)


async def test_a_refused_connection_names_the_address(loop: Loop) -> None:
    port = refused_port()
    with pytest.raises(ConnectionRefusedError) as caught:
        await loop.create_connection(Recorder, "127.0.0.1", port)
    assert caught.value.errno == 111
    assert str(caught.value) == f"[Errno 111] Connect call failed ('127.0.0.1', {port})"


async def test_many_addresses_that_all_refuse_are_one_os_error_with_all_texts(
    loop: Loop, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    port = refused_port()
    addresses = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{i}", port)) for i in (1, 2)
    ]
    _resolve_to(loop, addresses)
    with pytest.raises(OSError, match="^Multiple exceptions: ") as caught:
        await loop.create_connection(Recorder, "name.test", port)
    text = str(caught.value)
    assert f"Connect call failed ('127.0.0.1', {port})" in text
    assert f"Connect call failed ('127.0.0.2', {port})" in text


def _resolve_to(loop: Loop, addresses: list[Any]) -> None:
    """Make the loop's own resolver answer with these addresses, as a user's override would."""

    async def getaddrinfo(*args: Any, **kwargs: Any) -> list[Any]:
        return addresses

    loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign]


@pytest.mark.asyncio_since(3, 12, "all_errors= is new in 3.12")
async def test_with_all_errors_every_exception_is_in_a_group(loop: Loop) -> None:
    port = refused_port()
    _resolve_to(
        loop, [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{i}", port)) for i in (1, 2)]
    )
    with pytest.raises(ExceptionGroup) as caught:
        await loop.create_connection(Recorder, "name.test", port, all_errors=True)  # type: ignore[call-overload]
    assert [type(exc) for exc in caught.value.exceptions] == [ConnectionRefusedError] * 2


async def test_the_next_address_is_tried_when_one_refuses(loop: Loop) -> None:
    server = await _server(loop)
    good, bad = port_of(server), refused_port()
    _resolve_to(
        loop,
        [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
            for port in (bad, bad, good)
        ],
    )
    transport, _ = await loop.create_connection(Recorder, "name.test", 1)
    assert transport.get_extra_info("peername") == ("127.0.0.1", good)
    await _close(server, transport)


@pytest.mark.parametrize("delay", [0.001, 0.25, 10])
async def test_happy_eyeballs_goes_on_at_once_after_a_refusal(loop: Loop, delay: float) -> None:
    server = await _server(loop)
    good, bad = port_of(server), refused_port()
    _resolve_to(
        loop,
        [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (bad, good)],
    )
    transport, _ = await loop.create_connection(
        Recorder, "name.test", 1, happy_eyeballs_delay=delay
    )
    assert transport.get_extra_info("peername") == ("127.0.0.1", good)
    await _close(server, transport)


async def test_happy_eyeballs_where_all_refuse_raises_all(loop: Loop) -> None:
    port = refused_port()
    _resolve_to(
        loop, [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{i}", port)) for i in (1, 2)]
    )
    with pytest.raises(OSError, match="Connect call failed"):
        await loop.create_connection(Recorder, "name.test", port, happy_eyeballs_delay=0.01)


async def test_interleave_sorts_the_families_in_turns(loop: Loop) -> None:
    server = await _server(loop)
    good = port_of(server)
    v4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", good))
    v6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", refused_port(), 0, 0))
    _resolve_to(loop, [v6, v6, v4])
    transport, _ = await loop.create_connection(
        Recorder, "name.test", 1, happy_eyeballs_delay=0.25, interleave=1
    )
    assert transport.get_extra_info("peername") == ("127.0.0.1", good)
    await _close(server, transport)


async def test_a_name_without_addresses_is_an_os_error(loop: Loop) -> None:
    _resolve_to(loop, [])
    with pytest.raises(OSError, match=r"^getaddrinfo\(\) returned empty list$"):
        await loop.create_connection(Recorder, "name.test", 80)


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        ({}, "host and port was not specified and no sock specified"),
        (
            {"sock": "yes", "host": "127.0.0.1", "port": 80},
            "host/port and sock can not be specified at the same time",
        ),
        (
            {"host": "127.0.0.1", "port": 80, "server_hostname": "x"},
            "server_hostname is only meaningful with ssl",
        ),
        (
            {"host": "127.0.0.1", "port": 80, "ssl_handshake_timeout": 1},
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
        (
            {"host": "127.0.0.1", "port": 80, "ssl_shutdown_timeout": 1},
            "ssl_shutdown_timeout is only meaningful with ssl",
        ),
        (
            {"sock": "yes", "ssl": True},
            "You must set server_hostname when using ssl without a host",
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
async def test_arguments_that_contradict_each_other_are_a_value_error(
    loop: Loop, kwargs: dict[str, Any], text: str
) -> None:
    a, b = tcp_sockets()
    if "sock" in kwargs:
        kwargs = {**kwargs, "sock": a}
    with pytest.raises(ValueError, match=f"^{text}$"):
        await loop.create_connection(Recorder, **kwargs)
    a.close()
    b.close()


async def test_a_datagram_socket_is_refused(loop: Loop) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="^A Stream Socket was expected, got "):
            await loop.create_connection(Recorder, sock=sock)
        with pytest.raises(ValueError, match="^A Stream Socket was expected, got "):
            await loop.connect_accepted_socket(Recorder, sock)


async def test_accepted_sockets_get_a_transport(loop: Loop) -> None:
    a, b = tcp_sockets()
    transport, protocol = await loop.connect_accepted_socket(Recorder, a)
    assert protocol.events == ["made"]
    b.send(b"x")
    assert await protocol.received(1) == b"x"
    transport.close()
    await protocol.lost
    b.close()


async def test_a_connection_attempt_can_be_cancelled(loop: Loop) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):  # the queue of the listener is full now: a further SYN is not answered
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        task = loop.create_task(loop.create_connection(Recorder, *listener.getsockname()))
        await turns(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for filler in fillers:
            filler.close()


async def test_a_cancelled_connection_over_a_socket_does_not_close_the_next_user_of_its_number(
    loop: Loop,
) -> None:
    for steps in range(4):
        a, b = nonblocking_pair()
        task = loop.create_task(loop.create_connection(Recorder, sock=a))
        await turns(steps)
        task.cancel()
        try:
            transport, _ = await task
        except asyncio.CancelledError:
            pass
        else:
            transport.abort()
        del task
        a.close()
        fresh = [nonblocking_pair() for _ in range(4)]
        await turns(5)
        gc.collect()
        for c, d in fresh:
            c.send(b"alive")
            assert d.recv(10) == b"alive"
            c.close()
            d.close()
        b.close()


async def test_many_connections_at_once_all_succeed(loop: Loop) -> None:
    server = await _server(loop, backlog=200)
    made = await asyncio.gather(
        *(loop.create_connection(Recorder, "127.0.0.1", port_of(server)) for _ in range(100))
    )
    names = {transport.get_extra_info("sockname") for transport, _ in made}
    assert len(names) == 100
    await _close(server, *(transport for transport, _ in made))


async def test_connects_that_time_out_at_random_leave_no_fd_in_use(loop: Loop) -> None:
    import random

    server = await _server(loop, backlog=500)
    rng = random.Random(7)

    async def attempt() -> None:
        sock = socket.socket()
        sock.setblocking(False)
        try:
            async with asyncio.timeout(rng.random() * 0.002):
                await loop.sock_connect(sock, ("127.0.0.1", port_of(server)))
            transport, _ = await loop.create_connection(Recorder, sock=sock)
            transport.abort()
        except TimeoutError:
            sock.close()

    for _ in range(5):
        await asyncio.gather(*(attempt() for _ in range(60)))
    await _close(server)


async def test_a_factory_that_is_not_callable_is_a_type_error(loop: Loop) -> None:
    server = await _server(loop)
    sock = socket.create_connection(("127.0.0.1", port_of(server)))
    with pytest.raises(TypeError, match="not callable"):
        await loop.create_connection(None, sock=sock)  # type: ignore[call-overload]
    sock.close()
    await _close(server)
