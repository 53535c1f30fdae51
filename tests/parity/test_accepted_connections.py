"""What a server does with a connection that it has accepted: who is told what, and that no descriptor is forgotten."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from .support import Loop, Recorder, Reports, Serving, port_of, turns

if TYPE_CHECKING:
    from collections.abc import Iterator


def open_descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@contextmanager
def client_of(server: Any) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port_of(server))) as client:
        client.setblocking(False)
        yield client


async def end_of(loop: Loop, client: socket.socket) -> bytes:
    """What the client still gets, until the server has closed the connection."""
    received = b""
    try:
        while data := await loop.sock_recv(client, 100):
            received += data
    except ConnectionResetError:
        pass
    return received


@pytest.mark.asyncio_bug(
    "it says nothing outside of debug mode, and leaves the socket to the garbage collector"
)
async def test_what_a_protocol_factory_raises_costs_that_connection_only(
    loop: Loop, reports: Reports
) -> None:
    serving = Serving()
    failures = [OSError(24, "the factory's own"), ValueError("no protocol")]

    def factory() -> Recorder:
        if failures:
            raise failures[0]
        return serving()

    server = await loop.create_server(factory, "127.0.0.1", 0)
    for failure in list(failures):
        before = open_descriptors()
        with client_of(server) as client:
            assert await end_of(loop, client) == b""
        failures.remove(failure)
        assert open_descriptors() == before
    assert [report["message"] for report in reports] == [
        "Error on transport creation for incoming connection"
    ] * 2
    assert [str(report["exception"]) for report in reports] == [
        "[Errno 24] the factory's own",
        "no protocol",
    ]
    assert "protocol" not in reports[0]
    reports.clear()
    with client_of(server) as client:
        [protocol] = await serving.made(1)
    await protocol.lost
    server.close()


class NoProtocol:
    """Not told of connections."""


@pytest.mark.asyncio_bug(
    "it says nothing outside of debug mode, and leaves the socket to the garbage collector"
)
async def test_a_factory_may_return_what_is_no_protocol(loop: Loop, reports: Reports) -> None:
    server = await loop.create_server(NoProtocol, "127.0.0.1", 0)  # type: ignore[arg-type]
    with client_of(server) as client:
        assert await end_of(loop, client) == b""
        assert reports[0]["message"] == "Error on transport creation for incoming connection"
        assert isinstance(reports[0]["exception"], AttributeError)
        assert isinstance(reports[0]["protocol"], NoProtocol)
        reports.clear()
    server.close()


class FailsAtFirst(Recorder):
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        raise ValueError("made")


async def test_a_connection_made_that_raises_is_reported_and_reading_begins(
    loop: Loop, reports: Reports
) -> None:
    serving = Serving(FailsAtFirst)
    server = await loop.create_server(serving, "127.0.0.1", 0)
    with client_of(server) as client:
        [protocol] = await serving.made(1)
        await loop.sock_sendall(client, b"heard")
        assert await protocol.received(5) == b"heard"
    await protocol.lost
    [report] = reports
    assert str(report["exception"]) == "made"
    assert report["message"].startswith("Exception in callback FailsAtFirst.connection_made(")
    assert isinstance(report["handle"], asyncio.Handle)
    reports.clear()
    server.close()


class FailsAtLast(Recorder):
    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        raise ValueError("lost")


async def test_a_connection_lost_that_raises_is_reported_and_the_socket_closed(
    loop: Loop, reports: Reports
) -> None:
    serving = Serving(FailsAtLast)
    server = await loop.create_server(serving, "127.0.0.1", 0)
    before = open_descriptors()
    with client_of(server) as client:
        [protocol] = await serving.made(1)
        protocol.transport.close()
        assert await end_of(loop, client) == b""
    await protocol.lost
    await turns(2)
    [report] = reports
    assert str(report["exception"]) == "lost"
    assert "_call_connection_lost(" in report["message"]
    reports.clear()
    assert open_descriptors() == before
    server.close()
    await server.wait_closed()


async def test_connection_made_is_that_of_the_factorys_protocol(loop: Loop) -> None:
    heard: list[str] = []

    class First(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            heard.append("made")
            transport.set_protocol(Second())

        def data_received(self, data: bytes) -> None:
            heard.append("first")

    class Second(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            heard.append("made again")

        def data_received(self, data: bytes) -> None:
            heard.append(data.decode())

        def connection_lost(self, exc: BaseException | None) -> None:
            done.set_result(None)

    done = loop.create_future()
    server = await loop.create_server(First, "127.0.0.1", 0)
    with client_of(server) as client:
        await loop.sock_sendall(client, b"second")
    await done
    assert heard == ["made", "second"]
    server.close()


async def test_a_connection_that_ends_before_it_is_read_was_made_and_lost(loop: Loop) -> None:
    class Hasty(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.abort()
            assert "lost" not in self.events

    serving = Serving(Hasty)
    server = await loop.create_server(serving, "127.0.0.1", 0)
    with client_of(server) as client:
        await loop.sock_sendall(client, b"unheard")
        [protocol] = await serving.made(1)
        await protocol.lost
    assert protocol.events == ["made", "lost"]
    server.close()


@pytest.mark.parametrize("is_asked_before", [False, True], ids=["late", "early"])
async def test_what_is_known_of_a_connection_stays_known(loop: Loop, is_asked_before: bool) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    address = ("127.0.0.1", port_of(server))
    with client_of(server) as client:
        own = client.getsockname()
        [protocol] = await serving.made(1)
        transport = protocol.transport
        if is_asked_before:
            assert transport.get_extra_info("socket").getpeername() == own
    await protocol.lost
    await turns(2)
    assert transport.get_extra_info("peername") == own
    assert transport.get_extra_info("sockname") == address
    sock = transport.get_extra_info("socket")
    assert isinstance(sock, asyncio.trsock.TransportSocket)
    assert sock.fileno() == -1
    assert (sock.family, sock.type) == (socket.AF_INET, socket.SOCK_STREAM)
    assert transport.get_extra_info("socket") is sock
    assert transport.get_extra_info("cipher", "none") == "none"
    assert transport._extra == {"socket": sock, "sockname": address, "peername": own}
    server.close()


async def test_what_is_known_can_be_added_to(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    with client_of(server):
        [protocol] = await serving.made(1)
        transport = protocol.transport
        transport._extra["peername"] = ("192.0.2.1", 1)
        transport._extra["user"] = "somebody"
        assert transport.get_extra_info("peername") == ("192.0.2.1", 1)
        assert transport.get_extra_info("user") == "somebody"
    await protocol.lost
    server.close()


async def test_the_socket_of_a_connection_is_one_object_with_its_descriptor(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    with client_of(server) as client:
        [protocol] = await serving.made(1)
        transport = protocol.transport
        sock = transport.get_extra_info("socket")
        assert sock.fileno() == transport._sock.fileno() == transport._sock_fd
        assert transport.get_extra_info("socket") is sock
        transport.write(b"by the transport")
        assert await loop.sock_recv(client, 100) == b"by the transport"
        transport.close()
        assert await end_of(loop, client) == b""
    await protocol.lost
    await turns(2)
    assert sock.fileno() == -1
    assert transport._sock is None
    server.close()


async def test_a_server_has_no_connection_any_more_once_it_is_lost(loop: Loop) -> None:
    serving = Serving()
    server = await loop.create_server(serving, "127.0.0.1", 0)
    before = open_descriptors()
    for _ in range(3):
        with client_of(server):
            *_, protocol = await serving.made(len(serving.protocols) + 1)
        await protocol.lost
    await turns(2)
    assert open_descriptors() == before
    server.close()
    await server.wait_closed()


async def test_connections_run_in_copies_of_the_servers_context(loop: Loop) -> None:
    from contextvars import ContextVar

    variable = ContextVar("variable", default="nobody")
    seen: list[str] = []

    class Seeing(Recorder):
        def __init__(self) -> None:
            super().__init__()
            seen.append(f"factory {variable.get()}")
            variable.set("factory")

        def connection_made(self, transport: Any) -> None:
            seen.append(f"made {variable.get()}")
            super().connection_made(transport)

        def connection_lost(self, exc: BaseException | None) -> None:
            seen.append(f"lost {variable.get()}")
            super().connection_lost(exc)

    variable.set("server")
    serving = Serving(Seeing)
    server = await loop.create_server(serving, "127.0.0.1", 0)
    variable.set("later")
    for count in (1, 2):
        with client_of(server):
            protocol = (await serving.made(count))[-1]
        await protocol.lost
    assert seen == ["factory server", "made factory", "lost factory"] * 2
    assert variable.get() == "later"
    server.close()


@pytest.mark.asyncio_bug("it adds the connection to what it has closed")
async def test_a_server_may_be_closed_by_what_it_accepts(loop: Loop) -> None:
    serving = Serving()

    def factory() -> Recorder:
        server.close()
        return serving()

    server = await loop.create_server(factory, "127.0.0.1", 0)
    with client_of(server) as client:
        [protocol] = await serving.made(1)
        assert server.sockets == ()
        protocol.transport.close()
        assert await end_of(loop, client) == b""
        await protocol.lost
