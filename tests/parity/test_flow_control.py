"""Flow control of stream transports: pausing reading, high and low water of writing."""

from __future__ import annotations

import asyncio

import pytest

from .support import Loop, Recorder, Reports, connected, turns


async def test_a_paused_transport_receives_nothing_until_resumed(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.pause_reading()
        pair.server_transport.write(b"held back")
        await turns(10)
        assert pair.client.data == b""
        pair.client_transport.resume_reading()
        assert await pair.client.received(9) == b"held back"


async def test_a_paused_transport_does_not_see_the_end_until_resumed(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.pause_reading()
        pair.server_transport.write(b"x")
        pair.server_transport.close()
        await pair.server.lost
        await turns(5)
        assert pair.client.events == ["made"]
        pair.client_transport.resume_reading()
        await pair.client.lost
        assert pair.client.events == ["made", "data", "eof", "lost"]


async def test_pausing_and_resuming_twice_is_fine(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.pause_reading()
        pair.client_transport.pause_reading()
        pair.client_transport.resume_reading()
        pair.client_transport.resume_reading()
        pair.server_transport.write(b"x")
        assert await pair.client.received(1) == b"x"


async def test_pausing_from_data_received_holds_the_rest_back(loop: Loop) -> None:
    class Once(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()

    async with connected(Once, Recorder) as pair:
        pair.server_transport.write(b"x")
        await pair.client.received(1)
        pair.server_transport.write(b"y" * 1_000_000)
        await turns(10)
        assert pair.client.data == b"x"
        while len(pair.client.data) < 1_000_001:
            before = len(pair.client.data)
            pair.client_transport.resume_reading()
            await pair.client.received(before + 1)


async def test_pausing_in_connection_made_holds_from_the_start(loop: Loop) -> None:
    class Paused(Recorder):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    async with connected(Paused, Recorder) as pair:
        pair.server_transport.write(b"x")
        await turns(10)
        assert pair.client.data == b""
        assert pair.client_transport.is_reading() is False
        pair.client_transport.resume_reading()
        assert await pair.client.received(1) == b"x"


async def test_pausing_a_closing_transport_is_nothing(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.close()
        pair.client_transport.pause_reading()
        pair.client_transport.resume_reading()
        await pair.client.lost


async def test_a_paused_transport_can_be_closed(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.pause_reading()
        pair.client_transport.close()
        assert await pair.client.lost is None


async def test_the_default_limits_are_64_and_16_kib(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        assert pair.client_transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"high": 1000}, (250, 1000)),
        ({"low": 1000}, (1000, 4000)),
        ({"high": 1000, "low": 10}, (10, 1000)),
        ({"high": 0}, (0, 0)),
        ({"high": 3, "low": 3}, (3, 3)),
        ({}, (16384, 65536)),
    ],
)
async def test_limits_can_be_set(
    loop: Loop, arguments: dict[str, int], expected: tuple[int, int]
) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.set_write_buffer_limits(high=1, low=1)
        pair.client_transport.set_write_buffer_limits(**arguments)
        assert pair.client_transport.get_write_buffer_limits() == expected


@pytest.mark.parametrize(("high", "low"), [(10, 20), (10, -1), (-1, None)])
async def test_limits_that_make_no_sense_are_a_value_error(
    loop: Loop, high: int, low: int | None
) -> None:
    async with connected(Recorder, Recorder) as pair:
        with pytest.raises(ValueError, match=r"^high \(.+\) must be >= low \(.+\) must be >= 0$"):
            pair.client_transport.set_write_buffer_limits(high=high, low=low)
        assert pair.client_transport.get_write_buffer_limits() == (16384, 65536)


async def test_above_high_water_the_protocol_is_paused_and_below_low_water_resumed(
    loop: Loop,
) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.pause_reading()
        pair.client_transport.write(b"x" * 20_000_000)
        await turns(3)
        assert pair.client.events == ["made", "pause"]
        pair.server_transport.resume_reading()
        await pair.server.received(20_000_000)
        await turns(3)
        assert pair.client.events == ["made", "pause", "resume"]


async def test_pausing_happens_once_however_much_is_written(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.pause_reading()
        for _ in range(20):
            pair.client_transport.write(b"x" * 1_000_000)
        await turns(3)
        assert pair.client.events.count("pause") == 1
        pair.server_transport.resume_reading()
        await pair.server.received(20_000_000)
        await turns(3)
        assert pair.client.events.count("resume") == 1


@pytest.mark.asyncio_bug("writelines() does not pause the protocol", on=[(3, 12), (3, 13)])
async def test_writelines_pauses_as_write_does(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.pause_reading()
        pair.client_transport.writelines([b"x" * 1_000_000] * 20)
        await turns(3)
        assert pair.client.events == ["made", "pause"]


async def test_a_high_water_of_zero_pauses_for_any_byte_that_waits(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.set_write_buffer_limits(high=0)
        pair.server_transport.pause_reading()
        pair.client_transport.write(b"x" * 20_000_000)
        await turns(3)
        assert "pause" in pair.client.events
        pair.server_transport.resume_reading()
        await pair.server.received(20_000_000)
        await turns(3)
        assert pair.client.events[-1] == "resume"
        assert pair.client_transport.get_write_buffer_size() == 0


async def test_resume_writing_may_write_again(loop: Loop) -> None:
    class Pump(Recorder):
        left = 20

        def pump(self) -> None:
            paused = self.events.count("pause")
            while self.left and self.events.count("pause") == paused:
                self.left -= 1
                self.transport.write(b"x" * 1_000_000)

        def resume_writing(self) -> None:
            super().resume_writing()
            self.pump()

    async with connected(Pump, Recorder) as pair:
        pair.client.pump()
        await pair.server.received(20_000_000)
        await turns(3)
        assert pair.client.events.count("pause") == pair.client.events.count("resume")


async def test_resume_writing_may_write_to_another_transport(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as other:

        class Tells(Recorder):
            def resume_writing(self) -> None:
                super().resume_writing()
                other.client_transport.write(b"resumed")

        async with connected(Tells, Recorder) as pair:
            pair.client_transport.write(b"x" * 20_000_000)
            await pair.server.received(20_000_000)
            assert await other.server.received(7) == b"resumed"


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
async def test_an_exception_of_the_protocol_is_reported_and_the_transport_goes_on(
    loop: Loop, reports: Reports, method: str
) -> None:
    class Raises(Recorder):
        """Raises in one of the two."""

    def raises(self: Recorder) -> None:
        raise LookupError(method)

    setattr(Raises, method, raises)
    async with connected(Raises, Recorder) as pair:
        pair.client_transport.write(b"x" * 20_000_000)
        await pair.server.received(20_000_000)
        await turns(3)
        [report] = reports
        assert report["message"] == f"protocol.{method}() failed"
        assert isinstance(report["exception"], LookupError)
        assert report["transport"] is pair.client_transport
        assert report["protocol"] is pair.client
        reports.clear()


async def test_a_slow_reader_bounds_what_the_writer_buffers(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.pause_reading()
        written = 0
        while "pause" not in pair.client.events:
            pair.client_transport.write(b"x" * 10_000)
            written += 10_000
            await asyncio.sleep(0)
        assert pair.client_transport.get_write_buffer_size() > 65536
        assert pair.client_transport.get_write_buffer_size() <= 65536 + 10_000
        pair.server_transport.resume_reading()
        await pair.server.received(written)


async def test_many_small_writes_behind_a_full_socket_arrive_whole_and_in_order(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.pause_reading()
        expected = b"x" * 8_000_000
        pair.server_transport.write(expected)
        await turns(5)
        # The socket is full: these wait, and go out by and by, some of them in part.
        for number in range(5_000):
            chunk = b"%d," % number
            pair.server_transport.write(chunk)
            expected += chunk
            if number % 100 == 0:
                await turns(1)
        pair.client_transport.resume_reading()
        assert await pair.client.received(len(expected)) == expected
        pair.server_transport.write(b"a")
        pair.server_transport.writelines([b"", b"b", b"c"])
        pair.server_transport.write(b"d")
        assert await pair.client.received(len(expected) + 4) == expected + b"abcd"
