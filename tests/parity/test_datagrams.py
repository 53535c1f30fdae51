"""Datagram endpoints: sending, receiving, errors, options and closing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from .support import Loop, Reports, nonblocking_pair, refused_port, turns


class Datagrams(asyncio.DatagramProtocol):
    """Remembers what it gets, and lets a test wait for it."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport: Any = None
        self.queue: asyncio.Queue[tuple[bytes, Any]] = asyncio.Queue()
        self.errors: asyncio.Queue[Exception] = asyncio.Queue()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()
        self.events: list[str] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.events.append("made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.queue.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")
        self.lost.set_result(exc)

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


async def _endpoint(loop: Loop, **kwargs: Any) -> Datagrams:
    if not kwargs:
        kwargs = {"local_addr": ("127.0.0.1", 0)}
    _, protocol = await loop.create_datagram_endpoint(Datagrams, **kwargs)
    return protocol


async def _close(*protocols: Datagrams) -> None:
    for protocol in protocols:
        protocol.transport.close()
        assert await protocol.lost is None


def _name(protocol: Datagrams) -> Any:
    return protocol.transport.get_extra_info("sockname")


async def test_a_datagram_arrives_with_its_sender(loop: Loop) -> None:
    a, b = await _endpoint(loop), await _endpoint(loop)
    a.transport.sendto(b"hello", _name(b))
    assert await b.queue.get() == (b"hello", _name(a))
    b.transport.sendto(b"answer", _name(a))
    assert await a.queue.get() == (b"answer", _name(b))
    await _close(a, b)


async def test_datagrams_keep_their_borders_and_their_order(loop: Loop) -> None:
    a, b = await _endpoint(loop), await _endpoint(loop)
    for i in range(100):
        a.transport.sendto(b"%d" % i * (i % 5 + 1), _name(b))
    for i in range(100):
        assert (await b.queue.get())[0] == b"%d" % i * (i % 5 + 1)
    await _close(a, b)


@pytest.mark.parametrize("size", [1, 1472, 9000, 65507])
async def test_datagrams_of_every_size_arrive(loop: Loop, size: int) -> None:
    a, b = await _endpoint(loop), await _endpoint(loop)
    a.transport.sendto(b"x" * size, _name(b))
    assert (await b.queue.get())[0] == b"x" * size
    await _close(a, b)


@pytest.mark.asyncio_since(3, 13, "earlier ones drop empty datagrams")
async def test_an_empty_datagram_is_a_datagram(loop: Loop) -> None:
    a, b = await _endpoint(loop), await _endpoint(loop)
    a.transport.sendto(b"", _name(b))
    assert await b.queue.get() == (b"", _name(a))
    await _close(a, b)


@pytest.mark.parametrize(
    "data", [b"abc", bytearray(b"abc"), memoryview(b"abc")], ids=lambda d: type(d).__name__
)
async def test_sendto_takes_bytes_bytearray_and_memoryview(loop: Loop, data: Any) -> None:
    a, b = await _endpoint(loop), await _endpoint(loop)
    a.transport.sendto(data, _name(b))
    assert (await b.queue.get())[0] == b"abc"
    await _close(a, b)


async def test_sendto_of_something_else_is_a_type_error(loop: Loop) -> None:
    a = await _endpoint(loop)
    with pytest.raises(TypeError, match="^data argument must be a bytes-like object, not 'str'$"):
        a.transport.sendto("text", _name(a))
    await _close(a)


async def test_a_connected_endpoint_needs_no_address(loop: Loop) -> None:
    b = await _endpoint(loop)
    a = await _endpoint(loop, remote_addr=_name(b))
    assert a.transport.get_extra_info("peername") == _name(b)
    a.transport.sendto(b"one")
    a.transport.sendto(b"two", _name(b))
    a.transport.sendto(b"three", None)
    assert [(await b.queue.get())[0] for _ in range(3)] == [b"one", b"two", b"three"]
    await _close(a, b)


async def test_a_connected_endpoint_refuses_other_addresses(loop: Loop) -> None:
    b = await _endpoint(loop)
    a = await _endpoint(loop, remote_addr=_name(b))
    with pytest.raises(ValueError, match="^Invalid address: must be None or "):
        a.transport.sendto(b"x", ("127.0.0.1", 1))
    await _close(a, b)


async def test_local_and_remote_address_go_together(loop: Loop) -> None:
    b = await _endpoint(loop)
    a = await _endpoint(loop, local_addr=("127.0.0.1", 0), remote_addr=_name(b))
    a.transport.sendto(b"x")
    assert await b.queue.get() == (b"x", _name(a))
    await _close(a, b)


async def test_a_refusal_comes_as_error_received_and_the_endpoint_lives_on(loop: Loop) -> None:
    a = await _endpoint(loop, remote_addr=("127.0.0.1", refused_port()))
    a.transport.sendto(b"x")
    assert isinstance(await a.errors.get(), ConnectionRefusedError)
    assert not a.transport.is_closing()
    await _close(a)


async def test_too_large_a_datagram_is_an_error_received(loop: Loop) -> None:
    a = await _endpoint(loop)
    a.transport.sendto(b"x" * 70_000, _name(a))
    error = await a.errors.get()
    assert isinstance(error, OSError)
    assert error.errno == 90
    assert not a.transport.is_closing()
    await _close(a)


async def test_close_is_not_synchronous_and_calls_connection_lost_once(loop: Loop) -> None:
    a = await _endpoint(loop)
    a.transport.close()
    a.transport.close()
    assert a.transport.is_closing()
    assert not a.lost.done()
    assert await a.lost is None
    await turns(2)
    assert a.events == ["made", "lost"]


async def test_abort_ends_at_once(loop: Loop) -> None:
    a = await _endpoint(loop)
    a.transport.abort()
    assert await a.lost is None


@pytest.mark.asyncio_since(3, 12, "before, it only looks like one")
async def test_a_transport_is_a_real_datagram_transport(loop: Loop) -> None:
    a = await _endpoint(loop)
    assert isinstance(a.transport, asyncio.DatagramTransport)
    assert a.transport.get_extra_info("socket").type == socket.SOCK_DGRAM
    assert a.transport.get_write_buffer_size() == 0
    await _close(a)


async def test_an_exception_in_datagram_received_is_reported_and_the_endpoint_lives_on(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Datagrams):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            if data == b"bad":
                raise LookupError("datagram")

    _, a = await loop.create_datagram_endpoint(Raises, local_addr=("127.0.0.1", 0))
    for data in (b"bad", b"good"):
        a.transport.sendto(data, _name(a))
        assert (await a.queue.get())[0] == data
    assert [type(report["exception"]) for report in reports] == [LookupError]
    reports.clear()
    await _close(a)


async def test_reuse_port_lets_two_endpoints_share_a_port(loop: Loop) -> None:
    a = await _endpoint(loop, local_addr=("127.0.0.1", 0), reuse_port=True)
    b = await _endpoint(loop, local_addr=_name(a), reuse_port=True)
    assert _name(a) == _name(b)
    await _close(a, b)


async def test_allow_broadcast_sets_the_option(loop: Loop) -> None:
    a = await _endpoint(loop, local_addr=("127.0.0.1", 0), allow_broadcast=True)
    assert (
        a.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST) == 1
    )
    await _close(a)


async def test_a_family_alone_is_enough(loop: Loop) -> None:
    a, b = await _endpoint(loop, family=socket.AF_INET), await _endpoint(loop)
    a.transport.sendto(b"x", _name(b))
    assert (await b.queue.get())[0] == b"x"
    await _close(a, b)


async def test_a_socket_can_be_given(loop: Loop) -> None:
    sock = socket.socket(type=socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    a, b = await _endpoint(loop, sock=sock), await _endpoint(loop)
    b.transport.sendto(b"x", sock.getsockname())
    assert (await a.queue.get())[0] == b"x"
    await _close(a, b)
    assert sock.fileno() == -1


@pytest.mark.asyncio_bug("a peer without a name counts as no peer")
async def test_a_pair_of_unix_datagram_sockets_works(loop: Loop) -> None:
    near, far = nonblocking_pair(socket.SOCK_DGRAM)
    a, b = await _endpoint(loop, sock=near), await _endpoint(loop, sock=far)
    a.transport.sendto(b"unix")
    assert (await b.queue.get())[0] == b"unix"
    await _close(a, b)


async def test_unix_paths_work_as_addresses(loop: Loop, tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = str(tmp_path / "socket")
    b = await _endpoint(loop, local_addr=path, family=socket.AF_UNIX)
    a = await _endpoint(loop, remote_addr=path, family=socket.AF_UNIX)
    a.transport.sendto(b"x")
    assert (await b.queue.get())[0] == b"x"
    await _close(a, b)


@pytest.mark.parametrize(
    ("kwargs", "error", "text"),
    [
        ({"family": 0}, ValueError, "unexpected address family"),
        ({"local_addr": "127.0.0.1"}, TypeError, "2-tuple is expected"),
        ({"local_addr": ("127.0.0.1",)}, TypeError, "2-tuple is expected"),
        ({"sock": "stream"}, ValueError, "A (datagram|UDP) [sS]ocket was expected, got "),
        (
            {"sock": "datagram", "local_addr": ("127.0.0.1", 0)},
            ValueError,
            "socket modifier keyword arguments can not be used",
        ),
    ],
    ids=["nothing", "no tuple", "short tuple", "stream", "both"],
)
async def test_arguments_that_make_no_sense_are_refused(  # type: ignore[no-untyped-def]
    loop: Loop, kwargs: dict[str, Any], error, text: str
) -> None:
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        if "sock" in kwargs:
            kwargs = {**kwargs, "sock": {"stream": stream, "datagram": datagram}[kwargs["sock"]]}
        with pytest.raises(error, match=text):
            await loop.create_datagram_endpoint(Datagrams, **kwargs)


async def test_an_address_that_is_taken_is_an_os_error(loop: Loop) -> None:
    a = await _endpoint(loop)
    with pytest.raises(OSError, match="Address already in use"):
        await _endpoint(loop, local_addr=_name(a))
    await _close(a)


async def test_sending_after_close_does_no_harm(loop: Loop) -> None:
    a = await _endpoint(loop)
    a.transport.abort()
    await a.lost
    with contextlib.suppress(AttributeError, OSError):  # the stdlib's socket is gone by then
        a.transport.sendto(b"x", ("127.0.0.1", 1))


async def test_multicast_options_can_be_set_through_the_socket(loop: Loop) -> None:
    a = await _endpoint(loop)
    sock = a.transport.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 3)
    assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 3
    await _close(a)
