"""Random programs: whatever is scheduled and cancelled, the order is the one that the rules of asyncio give."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from .support import Loop, connected, nonblocking_pair


class Program:
    """A random tree of callbacks that schedule and cancel others; the same seed makes the same tree."""

    def __init__(self, loop: Loop, seed: int) -> None:
        self.order: list[int] = []
        self._loop = loop
        self._random = random.Random(seed)
        self._handles: list[asyncio.Handle] = []
        self._count = 0
        self._now = loop.time()

    def spawn(self) -> None:
        """Schedule one more callback in a random way."""
        if self._count >= 600:
            return
        name = self._count
        self._count += 1
        loop, way = self._loop, self._random.randrange(4)
        if way == 0:
            handle: asyncio.Handle = loop.call_soon(self._run, name)
        elif way == 1:
            handle = loop.call_soon_threadsafe(self._run, name)
        else:
            # Overdue, at a moment of its own: the order among timers of one turn is that of their deadlines.
            when = self._now * self._random.random()
            handle = loop.call_at(when, self._run, name)
        self._handles.append(handle)

    def _run(self, name: int) -> None:
        self.order.append(name)
        for _ in range(self._random.randrange(4)):
            self.spawn()
        if self._random.random() < 0.4:
            self._random.choice(self._handles).cancel()


def _order(loop: Loop, seed: int) -> list[int]:
    program = Program(loop, seed)
    for _ in range(20):
        program.spawn()

    def stop_when_quiet(known: int, quiet: int) -> None:
        quiet = quiet + 1 if len(program.order) == known else 0
        if quiet == 3:
            loop.stop()
        else:
            loop.call_soon(stop_when_quiet, len(program.order), quiet)

    loop.call_soon(stop_when_quiet, 0, 0)
    loop.run_forever()
    return program.order


@pytest.mark.parametrize("seed", range(40))
def test_a_random_program_runs_in_the_same_order_as_on_the_stdlib(loop: Loop, seed: int) -> None:
    reference = asyncio.SelectorEventLoop()
    try:
        expected = _order(reference, seed)
    finally:
        reference.close()
    assert len(expected) >= 10
    assert _order(loop, seed) == expected


class Echo(asyncio.Protocol):
    """Sends back what it gets, in pieces of random sizes and by random methods."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        while data:
            size = self._random.randrange(1, 70_000)
            piece, data = data[:size], data[size:]
            match self._random.randrange(4):
                case 0:
                    self.transport.write(piece)
                case 1:
                    self.transport.write(bytearray(piece))
                case 2:
                    self.transport.write(memoryview(piece))
                case _:
                    self.transport.writelines([piece[:10], b"", piece[10:]])


class Collector(asyncio.Protocol):
    """Collects, and pauses at random."""

    def __init__(self, seed: int, expected: int) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._random = random.Random(seed)
        self._expected = expected
        self.data = bytearray()
        self.transport: Any = None
        self.complete: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        if len(self.data) >= self._expected and not self.complete.done():
            self.complete.set_result(None)
        elif self._random.random() < 0.3:
            self.transport.pause_reading()
            self._loop.call_later(self._random.random() * 0.001, self.transport.resume_reading)


@pytest.mark.parametrize("seed", range(12))
async def test_random_traffic_comes_back_whole_and_in_order(loop: Loop, seed: int) -> None:
    rng = random.Random(seed)
    data = rng.randbytes(rng.choice([100, 10_000, 1_000_000, 3_000_000]))
    async with connected(
        lambda: Collector(seed, len(data)), lambda: Echo(seed + 1), unix=bool(seed % 2)
    ) as pair:
        position = 0
        while position < len(data):
            size = rng.choice([1, 7, 1000, 65536, 300_000])
            pair.client_transport.write(data[position : position + size])
            position += size
            if rng.random() < 0.5:
                await asyncio.sleep(0)
        await pair.client.complete
        assert pair.client.data == data


@pytest.mark.parametrize("seed", range(8))
async def test_random_reads_and_cancellations_of_a_socket_lose_nothing(
    loop: Loop, seed: int
) -> None:
    rng = random.Random(seed)
    data = rng.randbytes(50_000)
    a, b = nonblocking_pair()

    async def feed() -> None:
        position = 0
        while position < len(data):
            size = rng.randrange(1, 900)
            await loop.sock_sendall(b, data[position : position + size])
            position += size
            if rng.random() < 0.3:
                await asyncio.sleep(0)

    feeding = loop.create_task(feed())
    got = bytearray()
    while len(got) < len(data):
        reading = loop.create_task(loop.sock_recv(a, rng.randrange(1, 2000)))
        await asyncio.sleep(0)
        if not reading.done() and rng.random() < 0.3:
            # Nothing was there at its first step, so nothing can be lost by the cancellation.
            reading.cancel()
        try:
            got += await reading
        except asyncio.CancelledError:
            continue
    await feeding
    assert got == data
    a.close()
    b.close()
