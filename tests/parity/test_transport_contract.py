"""The transport contract, first part: all bytes arrive, in order, once, as they were when they were written."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .carriers import Carrier, Party, Slow, carriers, random_pieces, write_at_random
from .support import Loop, turns

SINCE_3_12 = [(3, minor) for minor in range(12, 16)]
KEEPS_A_VIEW = dict.fromkeys(["tcp", "unix"], "it keeps a view of the caller's buffer")

SIZE = 2_000_000


@carriers()
@pytest.mark.parametrize("reader", [Party, Slow])
async def test_random_writes_arrive_in_order_none_lost_none_doubled(
    loop: Loop, carrier: Carrier, reader: type[Party]
) -> None:
    pieces = random_pieces(1, SIZE)
    async with carrier.connected(Party, reader) as link:
        await write_at_random(2, link.client, pieces)
        assert await link.server.received(SIZE) == b"".join(pieces)
        link.client_transport.close()
        await link.client.lost
        await link.server.lost
        assert len(link.server.data) == SIZE


@carriers("both_ways")
async def test_random_writes_go_both_ways_at_once(loop: Loop, carrier: Carrier) -> None:
    there, back = random_pieces(3, SIZE), random_pieces(4, SIZE)
    async with carrier.connected(Slow, Slow) as link:
        await asyncio.gather(
            write_at_random(5, link.client, there), write_at_random(6, link.server, back)
        )
        assert await link.server.received(SIZE) == b"".join(there)
        assert await link.client.received(SIZE) == b"".join(back)


@carriers()
async def test_one_write_of_much_arrives_whole(loop: Loop, carrier: Carrier) -> None:
    data = b"".join(random_pieces(7, 5_000_000))
    async with carrier.connected(Party, Party) as link:
        link.client_transport.write(data)
        assert await link.server.received(len(data)) == data


@carriers()
async def test_many_small_writes_of_one_turn_arrive_in_order(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        for i in range(3000):
            link.client_transport.write(b"%d," % i)
        wanted = b"".join(b"%d," % i for i in range(3000))
        assert await link.server.received(len(wanted)) == wanted


@carriers(asyncio_bug=KEEPS_A_VIEW, on=SINCE_3_12)
@pytest.mark.parametrize("filler", [0, 3_000_000], ids=["idle", "busy"])
@pytest.mark.parametrize("method", ["write", "writelines"])
async def test_a_buffer_that_changes_after_the_write_goes_out_as_it_was(
    loop: Loop, carrier: Carrier, filler: int, method: str
) -> None:
    async with carrier.connected(Party, Party) as link:
        link.client_transport.write(b"f" * filler)
        first, second = bytearray(b"the first"), bytearray(b"another")
        view = memoryview(second)[1:]
        for data in (first, view):
            getattr(link.client_transport, method)([data] if method == "writelines" else data)
        first[:] = b"something much longer"
        second[:] = b"changed"
        view.release()
        second.clear()
        got = await link.server.received(filler + 15)
        assert got[filler:] == b"the firstnother"


@carriers()
async def test_empty_writes_are_nothing(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        transport = link.client_transport
        for nothing in (b"", bytearray(), memoryview(b"")):
            transport.write(nothing)
            transport.writelines([nothing, nothing])
        transport.writelines([])
        assert transport.get_write_buffer_size() == 0
        await turns(3)
        assert link.server.events == ["made"]
        transport.writelines([b"", b"after", b""])
        assert await link.server.received(5) == b"after"


@carriers()
async def test_writelines_takes_any_iterable_of_any_bytes(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        link.client_transport.writelines((b"tuple ",))
        link.client_transport.writelines(b"%d " % i for i in range(3))
        link.client_transport.writelines([bytearray(b"array "), memoryview(b"a view")[2:]])
        assert await link.server.received(22) == b"tuple 0 1 2 array view"


@carriers()
@pytest.mark.parametrize("wrong", ["text", 5, None], ids=repr)
async def test_what_is_not_bytes_is_refused_and_the_stream_goes_on(
    loop: Loop, carrier: Carrier, wrong: Any
) -> None:
    async with carrier.connected(Party, Party) as link:
        with pytest.raises((TypeError, AssertionError)):
            link.client_transport.write(wrong)
        link.client_transport.write(b"right")
        assert await link.server.received(5) == b"right"


@carriers()
async def test_a_write_in_connection_made_is_the_first_to_arrive(
    loop: Loop, carrier: Carrier
) -> None:
    class Eager(Party):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.write(b"e" * 300_000)

    async with carrier.connected(Eager, Party) as link:
        link.client_transport.write(b"x")
        assert await link.server.received(300_001) == b"e" * 300_000 + b"x"


@carriers("both_ways")
async def test_a_write_in_data_received_reenters_safely(loop: Loop, carrier: Carrier) -> None:
    class Echo(Party):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            for start in range(0, len(data), 5000):
                self.transport.write(data[start : start + 5000])

    pieces = random_pieces(8, SIZE)
    async with carrier.connected(Slow, Echo) as link:
        await write_at_random(9, link.client, pieces)
        assert await link.client.received(SIZE) == b"".join(pieces)


@carriers()
async def test_a_write_in_resume_writing_reenters_safely(loop: Loop, carrier: Carrier) -> None:
    class Producer(Party):
        left = 40

        def produce(self) -> None:
            while self.left and not self.is_paused:
                self.left -= 1
                self.transport.write(bytes([self.left]) * 100_000)

        def resume_writing(self) -> None:
            super().resume_writing()
            self.produce()

    async with carrier.connected(Producer, Slow) as link:
        link.client.produce()
        got = await link.server.received(4_000_000)
        assert got == b"".join(bytes([i]) * 100_000 for i in reversed(range(40)))
