"""TLS and protocols that bring their own memory: `asyncio.BufferedProtocol`."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from .support import Loop, Recorder, Reports, turns
from .tls_peer import peer_of


class Filler(asyncio.BufferedProtocol):
    """Offers memory of one size, and remembers what was put in."""

    def __init__(self, size: int) -> None:
        self.memory = bytearray(size)
        self.data = bytearray()
        self.hints: list[int] = []
        self.transport: Any = None
        self.pauses = False
        self.eof = False
        self.lost: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()
        self._grown = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        self.hints.append(sizehint)
        return memoryview(self.memory)

    def buffer_updated(self, nbytes: int) -> None:
        assert 0 < nbytes <= len(self.memory)
        self.data += self.memory[:nbytes]
        self._grown.set()
        if self.pauses:
            self.transport.pause_reading()

    def eof_received(self) -> None:
        self.eof = True

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.set_result(exc)
        self._grown.set()

    async def received(self, count: int) -> bytes:
        """Wait for `count` bytes in all."""
        while len(self.data) < count:
            self._grown.clear()
            assert not self.lost.done()
            await self._grown.wait()
        return bytes(self.data)


@pytest.mark.parametrize("size", [1, 7, 1000, 16384, 100_000])
async def test_memory_of_any_size_is_filled_without_loss(loop: Loop, size: int) -> None:
    data = random.Random(size).randbytes(min(60_000, size * 3000))
    protocol = Filler(size)
    async with peer_of(protocol) as (transport, peer):
        for start in range(0, len(data), 20_000):
            await peer.send(data[start : start + 20_000])
        assert await protocol.received(len(data)) == data
        transport.write(b"thanks")
        assert await peer.receive(6) == b"thanks"


async def test_the_rest_is_delivered_after_a_pause_between_two_buffers(loop: Loop) -> None:
    protocol = Filler(10)
    async with peer_of(protocol) as (transport, peer):
        protocol.pauses = True
        await peer.send(b"0123456789abcdefghij")
        await protocol.received(10)
        await turns(5)
        assert protocol.data == b"0123456789"
        protocol.pauses = False
        transport.resume_reading()
        assert await protocol.received(20) == b"0123456789abcdefghij"


@pytest.mark.asyncio_bug("it fills one buffer and forgets the rest")
async def test_everything_is_delivered_before_the_end(loop: Loop) -> None:
    protocol = Filler(10)
    async with peer_of(protocol) as (_transport, peer):
        await peer.send_raw(peer.encrypted(b"x" * 5005) + peer.goodbye())
        assert await protocol.lost is None
        assert len(protocol.data) == 5005
        assert protocol.eof


async def test_an_empty_buffer_ends_the_connection(loop: Loop, reports: Reports) -> None:
    protocol = Filler(10)
    async with peer_of(protocol) as (transport, peer):
        if type(transport).__module__.startswith("asyncio"):
            pytest.skip("the stdlib reads nothing, again and again")
        protocol.memory = bytearray()
        await peer.send(b"x")
        assert isinstance(await protocol.lost, RuntimeError)
        assert len(reports) == 1
        reports.clear()


async def test_a_protocol_may_be_exchanged_for_one_of_the_other_kind(loop: Loop) -> None:
    filler = Filler(100)

    class Hands(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.set_protocol(filler)

    first = Hands()
    async with peer_of(first) as (transport, peer):
        await peer.send(b"first")
        assert await first.received(5) == b"first"
        await peer.send(b"second")
        assert await filler.received(6) == b"second"
        assert transport.get_protocol() is filler
        last = Recorder()
        transport.set_protocol(last)
        await peer.send(b"third")
        assert await last.received(5) == b"third"
