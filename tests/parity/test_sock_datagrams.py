"""`sock_recvfrom`, `sock_recvfrom_into` and `sock_sendto`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from .support import Loop, nonblocking_pair, turns

Sockets = tuple[socket.socket, socket.socket]


@pytest.fixture
def udp() -> Iterator[Sockets]:
    """Two bound, non-blocking UDP sockets on loopback."""
    with socket.socket(type=socket.SOCK_DGRAM) as a, socket.socket(type=socket.SOCK_DGRAM) as b:
        for sock in (a, b):
            sock.bind(("127.0.0.1", 0))
            sock.setblocking(False)
        yield a, b


async def test_a_datagram_arrives_with_its_sender(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    assert await loop.sock_sendto(a, b"hello", b.getsockname()) == 5
    assert await loop.sock_recvfrom(b, 100) == (b"hello", a.getsockname())


async def test_recvfrom_waits(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    task = loop.create_task(loop.sock_recvfrom(b, 100))
    await turns(3)
    assert not task.done()
    a.sendto(b"late", b.getsockname())
    assert await task == (b"late", a.getsockname())


async def test_an_empty_datagram_is_a_datagram(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    assert await loop.sock_sendto(a, b"", b.getsockname()) == 0
    assert await loop.sock_recvfrom(b, 100) == (b"", a.getsockname())


async def test_a_datagram_longer_than_asked_for_is_cut(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    await loop.sock_sendto(a, b"hello", b.getsockname())
    assert await loop.sock_recvfrom(b, 2) == (b"he", a.getsockname())


async def test_recvfrom_into_fills_the_buffer(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    buffer = bytearray(10)
    await loop.sock_sendto(a, b"hello", b.getsockname())
    assert await loop.sock_recvfrom_into(b, buffer) == (5, a.getsockname())
    assert buffer == b"hello" + bytes(5)


async def test_recvfrom_into_takes_a_number_of_bytes(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    buffer = bytearray(10)
    await loop.sock_sendto(a, b"hello", b.getsockname())
    assert await loop.sock_recvfrom_into(b, buffer, 3) == (3, a.getsockname())
    assert buffer == b"hel" + bytes(7)


async def test_recvfrom_into_waits(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    buffer = bytearray(10)
    task = loop.create_task(loop.sock_recvfrom_into(b, buffer))
    await turns(3)
    assert not task.done()
    a.sendto(b"late", b.getsockname())
    assert await task == (4, a.getsockname())


async def test_recvfrom_into_more_than_the_buffer_is_a_value_error(
    loop: Loop, udp: Sockets
) -> None:
    a, b = udp
    await loop.sock_sendto(a, b"hello", b.getsockname())
    with pytest.raises(ValueError, match="nbytes is greater than the length of the buffer"):
        await loop.sock_recvfrom_into(b, bytearray(2), 5)


@pytest.mark.parametrize(
    "data",
    [b"abc", bytearray(b"abc"), memoryview(b"abc")],
    ids=["bytes", "bytearray", "memoryview"],
)
async def test_sendto_takes_any_buffer(loop: Loop, udp: Sockets, data: bytes) -> None:
    a, b = udp
    assert await loop.sock_sendto(a, data, b.getsockname()) == 3
    assert (await loop.sock_recvfrom(b, 10))[0] == b"abc"


async def test_sendto_waits_for_room(loop: Loop) -> None:
    a, b = nonblocking_pair(socket.SOCK_DGRAM)
    path = b"\0parity-%d" % id(a)
    c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    c.bind(path)
    with a, b, c, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sent = 0
        try:
            while True:
                sender.sendto(b"fill", path)
                sent += 1
        except BlockingIOError:
            pass
        task = loop.create_task(loop.sock_sendto(sender, b"last", path))
        await turns(3)
        assert not task.done()
        for _ in range(sent):
            assert c.recv(10) == b"fill"
        assert await task == 4
        assert c.recv(10) == b"last"


async def test_too_large_a_datagram_is_an_os_error(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    with pytest.raises(OSError, match="Message too long"):
        await loop.sock_sendto(a, b"x" * 70_000, b.getsockname())


async def test_an_icmp_refusal_comes_back_to_a_connected_socket(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    gone = b.getsockname()
    b.close()
    a.connect(gone)
    await loop.sock_sendall(a, b"x")
    with pytest.raises(ConnectionRefusedError):
        await loop.sock_recv(a, 10)


async def test_a_cancelled_recvfrom_loses_nothing(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    task = loop.create_task(loop.sock_recvfrom(b, 10))
    await turns(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    a.sendto(b"kept", b.getsockname())
    assert (await loop.sock_recvfrom(b, 10))[0] == b"kept"


async def test_many_datagrams_keep_their_borders(loop: Loop, udp: Sockets) -> None:
    a, b = udp
    for i in range(50):
        await loop.sock_sendto(a, b"%d" % i, b.getsockname())
        assert (await loop.sock_recvfrom(b, 100))[0] == b"%d" % i
