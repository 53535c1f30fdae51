"""The transport contract, third part: flow control, towards the protocol that writes and towards the peer."""

from __future__ import annotations

import asyncio

import pytest

from .carriers import Carrier, Party, Slow, carriers, random_pieces, write_at_random
from .support import Loop, turns

SIZE = 2_000_000
# More than the kernel takes of a stream that nobody reads.
TOO_MUCH = 20_000_000


@carriers()
async def test_a_paused_reader_hears_nothing_and_loses_nothing(
    loop: Loop, carrier: Carrier
) -> None:
    pieces = random_pieces(1, SIZE)
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        assert link.server_transport.is_reading() is False
        for piece in pieces:
            link.client_transport.write(piece)
        await turns(30)
        assert link.server.events == ["made"]
        link.server_transport.resume_reading()
        assert link.server_transport.is_reading() is True
        assert await link.server.received(SIZE) == b"".join(pieces)


@carriers()
async def test_pausing_in_data_received_holds_the_rest_back(loop: Loop, carrier: Carrier) -> None:
    class OneAtATime(Party):
        def data_received(self, data: bytes) -> None:
            self._expect(self.transport.is_reading(), "data_received while paused")
            super().data_received(data)
            self.transport.pause_reading()
            loop.call_soon(self.transport.resume_reading)

    pieces = random_pieces(2, SIZE)
    async with carrier.connected(Party, OneAtATime) as link:
        await write_at_random(3, link.client, pieces)
        assert await link.server.received(SIZE) == b"".join(pieces)


@carriers()
async def test_pausing_and_resuming_count_once(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        far = link.server_transport
        far.pause_reading()
        far.pause_reading()
        far.resume_reading()
        assert far.is_reading() is True
        far.resume_reading()
        link.client_transport.write(b"x")
        assert await link.server.received(1) == b"x"


@carriers("tells_eof")
async def test_a_paused_reader_hears_of_the_end_only_when_it_goes_on(
    loop: Loop, carrier: Carrier
) -> None:
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        link.client_transport.write(b"last")
        link.client_transport.close()
        await turns(30)
        assert link.server.events == ["made"]
        link.server_transport.resume_reading()
        await link.server.lost
        assert link.server.data == b"last"


@carriers()
async def test_a_writer_is_paused_and_resumed_in_turns_until_the_buffer_is_empty(
    loop: Loop, carrier: Carrier
) -> None:
    async with carrier.connected(Party, Slow) as link:
        written = 0
        for _ in range(5):
            while not link.client.is_paused:
                link.client_transport.write(b"x" * 100_000)
                written += 100_000
            assert link.client_transport.get_write_buffer_size() > 0
            await link.client.drained()
        await link.server.received(written)
        assert link.client_transport.get_write_buffer_size() == 0
        assert link.client.events == ["made"] + ["pause", "resume"] * 5


@carriers()
async def test_a_slow_reader_bounds_what_an_obedient_writer_piles_up(
    loop: Loop, carrier: Carrier
) -> None:
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        piled = 0
        for _ in range(2000):
            if link.client.is_paused:
                break
            link.client_transport.write(b"x" * 10_000)
            piled = max(piled, link.client_transport.get_write_buffer_size())
            await asyncio.sleep(0)
        assert link.client.is_paused
        high = link.client_transport.get_write_buffer_limits()[1]
        assert piled <= high + 20_000


@carriers()
async def test_the_limits_can_be_set_and_are_kept(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        transport = link.client_transport
        for kwargs, limits in (
            ({"high": 1000, "low": 100}, (100, 1000)),
            ({"high": 1000}, (250, 1000)),
            ({"low": 1000}, (1000, 4000)),
            ({"high": 0}, (0, 0)),
        ):
            transport.set_write_buffer_limits(**kwargs)
            assert transport.get_write_buffer_limits() == limits
        for wrong in ({"high": 1, "low": 2}, {"high": -1}, {"low": -1, "high": 10}):
            with pytest.raises(ValueError, match=r"high \(.*\) must be >= low \(.*\) must be >= 0"):
                transport.set_write_buffer_limits(**wrong)
        assert transport.get_write_buffer_limits() == (0, 0)


@carriers(asyncio_bug=dict.fromkeys(["tls", "tls in tls"], "it never resumes from zero"))
async def test_a_limit_of_zero_pauses_for_any_byte_that_waits(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        link.client_transport.set_write_buffer_limits(high=0)
        written = 0
        while not link.client.is_paused:
            link.client_transport.write(b"x" * 100_000)
            written += 100_000
            assert written <= TOO_MUCH
        link.server_transport.resume_reading()
        await link.client.drained()
        assert link.client_transport.get_write_buffer_size() == 0
        assert len(await link.server.received(written)) == written


@carriers(
    asyncio_bug=dict.fromkeys(["tcp", "unix"], "its writelines() forgets to pause"),
    on=[(3, minor) for minor in range(12, 16)],
)
async def test_writelines_pauses_as_write_does(loop: Loop, carrier: Carrier) -> None:
    async with carrier.connected(Party, Party) as link:
        link.server_transport.pause_reading()
        written = 0
        while not link.client.is_paused:
            link.client_transport.writelines([b"x" * 100_000] * 3)
            written += 300_000
            assert written <= TOO_MUCH
        link.server_transport.resume_reading()
        assert len(await link.server.received(written)) == written
        await link.client.drained()
