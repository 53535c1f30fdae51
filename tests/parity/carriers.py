"""The carriers of streams that the transport contract is tested on: sockets, pipes, TLS, and the stdio of a child.

Each makes a connected pair whose client writes and whose server reads; what else it can do, and where asyncio itself
treats it unlike the others, its attributes tell.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from .support import (
    Pair,
    Recorder,
    client_tls,
    nonblocking_pair,
    server_tls,
    tcp_sockets,
    turns,
)

# Chunks around the sizes where something changes: nothing, a TLS record, a socket's and a pipe's buffer.
SIZES = (0, 1, 2, 3, 10, 100, 1000, 16_383, 16_384, 16_385, 40_000, 65_536, 65_537, 200_000)

P = TypeVar("P", bound="Party")
Q = TypeVar("Q", bound="Party")


class Party(Recorder):
    """A protocol that also watches over the order in which it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.is_paused = False
        self._may_write = asyncio.Event()
        self._may_write.set()

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.faults.append(f"{what}, after {self.events[-5:]}")

    def connection_made(self, transport: Any) -> None:
        self._expect(not self.events, "connection_made that is not the first call")
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._expect(type(data) is bytes and len(data) > 0, f"data_received of {data[:9]!r}")
        self._expect(self.events[:1] == ["made"], "data_received before connection_made")
        self._expect(not {"eof", "lost"} & set(self.events), "data_received after the end")
        super().data_received(data)

    def eof_received(self) -> bool:
        self._expect(not {"eof", "lost"} & set(self.events), "eof_received after the end")
        return super().eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._expect(self.events[:1] == ["made"], "connection_lost before connection_made")
        self._expect("lost" not in self.events, "connection_lost a second time")
        if "lost" not in self.events:
            super().connection_lost(exc)
        self._may_write.set()

    def pause_writing(self) -> None:
        self._expect(not self.is_paused and "lost" not in self.events, "pause_writing")
        self.is_paused = True
        self._may_write.clear()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._expect(self.is_paused and "lost" not in self.events, "resume_writing")
        self.is_paused = False
        self._may_write.set()
        super().resume_writing()

    async def drained(self) -> None:
        """Wait until the transport wants more."""
        await self._may_write.wait()


class Slow(Party):
    """Reads by fits and starts: it pauses its transport at random, and lets it go on a little later."""

    def __init__(self) -> None:
        super().__init__()
        self._random = random.Random(5)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._random.random() < 0.3:
            self.transport.pause_reading()
            delay = self._random.choice([0, 0, 0.0005, 0.002])
            asyncio.get_running_loop().call_later(delay, self.transport.resume_reading)


class Link(Pair[P, Q]):
    """Both ends of one connection, and a way for the server's end to go without a word."""

    def __init__(self, client: P, server: Q, cut: Callable[[], None]) -> None:
        super().__init__(client, server, client.transport, server.transport)
        self.cut = cut


class Carrier:
    """One kind of stream transport."""

    name = ""
    # Whether the server can write and the client read.
    both_ways = True
    # Whether write_eof() leaves the other direction open.
    half_closes = True
    can_write_eof = True
    # Whether the reader's eof_received is called.
    tells_eof = True
    # Whether set_protocol() is for users.
    changes_protocol = True
    # Whether the reading end of asyncio's, too, takes a BufferedProtocol.
    takes_buffered = True
    # Whether an exception of data_received ends the connection.
    data_error_is_fatal = True
    # What is logged of writes that go nowhere.
    drop_warning = "socket.send() raised exception."
    # What goes for every test of this carrier.
    marks: tuple[pytest.MarkDecorator, ...] = ()

    @asynccontextmanager
    async def connected(
        self, client: Callable[[], P], server: Callable[[], Q]
    ) -> AsyncIterator[Link[P, Q]]:
        """Give both ends, which are gone when the block ends, and fail if they were not called as they should be."""
        link = await self._connect(client, server)
        try:
            yield link
        finally:
            await self._disconnect(link)
        assert link.client.faults == []
        assert link.server.faults == []

    async def _connect(self, client: Callable[[], P], server: Callable[[], Q]) -> Link[P, Q]:
        raise NotImplementedError

    async def _disconnect(self, link: Link[P, Q]) -> None:
        for protocol in (link.client, link.server):
            transport = protocol.transport
            if not transport.is_closing():  # asyncio's may end a second time
                # The reading end of a pipe has nothing to abort.
                getattr(transport, "abort", transport.close)()
        await link.client.lost
        await link.server.lost
        await turns(3)


def _reset(protocol: Party) -> None:
    """Let go of a socket at once, with a reset where it is TCP."""
    sock = protocol.transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    protocol.transport.abort()


class _Tcp(Carrier):
    name = "tcp"

    def _sockets(self) -> tuple[socket.socket, socket.socket]:
        return tcp_sockets()

    async def _connect(self, client: Callable[[], P], server: Callable[[], Q]) -> Link[P, Q]:
        loop = asyncio.get_running_loop()
        a, b = self._sockets()
        _, far = await loop.connect_accepted_socket(server, b)
        _, near = await loop.create_connection(client, sock=a)
        return Link(near, far, lambda: _reset(far))


class _Unix(_Tcp):
    name = "unix"

    def _sockets(self) -> tuple[socket.socket, socket.socket]:
        return nonblocking_pair()


class _Tls(Carrier):
    name = "tls"
    half_closes = False
    can_write_eof = False
    drop_warning = "SSL connection is closed"

    async def _connect(self, client: Callable[[], P], server: Callable[[], Q]) -> Link[P, Q]:
        near, far = await _over_tls(client, server)
        return Link(near[1], far[1], lambda: _reset(far[1]))


async def _over_tls(
    client: Callable[[], Any], server: Callable[[], Any]
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    loop = asyncio.get_running_loop()
    a, b = tcp_sockets()
    near, far = await asyncio.gather(
        loop.create_connection(client, sock=a, ssl=client_tls(), server_hostname="localhost"),
        loop.connect_accepted_socket(server, b, ssl=server_tls()),
    )
    return near, far


class _TlsInTls(_Tls):
    name = "tls in tls"
    marks = (
        pytest.mark.asyncio_bug("TLS over TLS is a TypeError to abort", on=[(3, 11), (3, 12)]),
    )

    async def _connect(self, client: Callable[[], P], server: Callable[[], Q]) -> Link[P, Q]:
        loop = asyncio.get_running_loop()
        (near_below, _), (far_below, _) = await _over_tls(asyncio.Protocol, asyncio.Protocol)
        near, far = client(), server()
        upgraded = await asyncio.gather(
            loop.start_tls(near_below, near, client_tls(), server_hostname="localhost"),
            loop.start_tls(far_below, far, server_tls(), server_side=True),
        )
        # start_tls tells its protocol nothing, so that one that had a plain connection goes on; these had none.
        far.connection_made(upgraded[1])
        near.connection_made(upgraded[0])
        return Link(near, far, lambda: _reset(far))


class _Pipe(Carrier):
    name = "pipe"
    both_ways = False
    half_closes = False
    takes_buffered = False
    data_error_is_fatal = False
    drop_warning = "pipe closed by peer or os.write(pipe, data) raised exception."

    async def _connect(self, client: Callable[[], P], server: Callable[[], Q]) -> Link[P, Q]:
        loop = asyncio.get_running_loop()
        read_fd, write_fd = os.pipe()
        _, far = await loop.connect_read_pipe(server, os.fdopen(read_fd, "rb", 0))
        _, near = await loop.connect_write_pipe(client, os.fdopen(write_fd, "wb", 0))
        return Link(near, far, far.transport.close)


class _Child(asyncio.SubprocessProtocol):
    """Passes on what happens to a child's stdin and stdout, to a protocol each."""

    def __init__(self, stdin: Party, stdout: Party) -> None:
        self.ends = {0: stdin, 1: stdout}
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        for fd in (1, 0):
            self.ends[fd].connection_made(transport.get_pipe_transport(fd))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.ends[fd].data_received(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.ends[fd].connection_lost(exc)

    def pause_writing(self) -> None:
        self.ends[0].pause_writing()

    def resume_writing(self) -> None:
        self.ends[0].resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.over.set_result(None)


class _Stdio(_Pipe):
    name = "stdio"
    tells_eof = False
    changes_protocol = False

    async def _connect(self, client: Callable[[], P], server: Callable[[], Q]) -> Link[P, Q]:
        near, far = client(), server()
        transport, child = await asyncio.get_running_loop().subprocess_exec(
            lambda: _Child(near, far), "cat", stderr=None
        )
        link = Link(near, far, transport.kill)
        link.child = child  # type: ignore[attr-defined]
        return link

    async def _disconnect(self, link: Link[P, Q]) -> None:
        child: _Child = link.child  # type: ignore[attr-defined]
        child.transport.close()
        await child.over


CARRIERS = (_Tcp(), _Unix(), _Pipe(), _Tls(), _TlsInTls(), _Stdio())


def carriers(
    *needs: str,
    asyncio_bug: dict[str, str] | None = None,
    on: list[tuple[int, int]] | None = None,
) -> pytest.MarkDecorator:
    """Run a test with every carrier, as `carrier`.

    Args:
        needs: attributes that the carrier must have.
        asyncio_bug: by the names of carriers, in what the stdlib is wrong there, so that its half is left out.
        on: the Pythons where it is, as (major, minor); None for all.

    """
    known = asyncio_bug or {}
    on = [sys.version_info[:2]] if on is None else on
    return pytest.mark.parametrize(
        "carrier",
        [
            pytest.param(
                carrier,
                id=carrier.name.replace(" ", "-"),
                marks=list(carrier.marks)
                + [
                    pytest.mark.asyncio_bug(reason, on=on)
                    for name, reason in known.items()
                    if name == carrier.name
                ],
            )
            for carrier in CARRIERS
            if all(getattr(carrier, need) for need in needs)
        ],
    )


def random_pieces(seed: int, size: int) -> list[bytes]:
    """Random bytes in pieces of random lengths, some of them empty: `size` bytes in all."""
    chance = random.Random(seed)
    pieces: list[bytes] = []
    left = size
    while left > 0:
        pieces.append(chance.randbytes(min(left, chance.choice(SIZES))))
        left -= len(pieces[-1])
    return pieces


async def write_at_random(seed: int, party: Party, pieces: list[bytes]) -> None:
    """Write the pieces in every way there is, heedless of pauses some of the time."""
    chance = random.Random(seed)
    transport = party.transport
    todo = list(pieces)
    while todo:
        match chance.randrange(5):
            case 0:
                count = chance.randint(1, 5)
                transport.writelines(todo[:count])
                del todo[:count]
            case 1:
                transport.write(bytearray(todo.pop(0)))
            case 2:
                transport.write(memoryview(b"##" + todo.pop(0))[2:])
            case _:
                transport.write(todo.pop(0))
        if chance.random() < 0.2:
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            await party.drained()
