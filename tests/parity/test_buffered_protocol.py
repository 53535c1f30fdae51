"""`BufferedProtocol`: the protocol brings the buffer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .support import Loop, Recorder, Reports, connected


class Buffered(asyncio.BufferedProtocol):
    """Receives into a buffer of a fixed size."""

    size = 100

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.transport: Any = None
        self.data = bytearray()
        self.hints: list[int] = []
        self.updates: list[int] = []
        self.eof = False
        self.lost: asyncio.Future[BaseException | None] = loop.create_future()
        self.buffer = bytearray(self.size)
        self._grown = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> Any:
        self.hints.append(sizehint)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.updates.append(nbytes)
        self.data += self.buffer[:nbytes]
        self._grown.set()

    def eof_received(self) -> bool:
        self.eof = True
        return False

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


async def test_data_comes_through_the_protocols_own_buffer(loop: Loop) -> None:
    async with connected(Buffered, Recorder) as pair:
        pair.server_transport.write(b"hello")
        assert await pair.client.received(5) == b"hello"
        assert sum(pair.client.updates) == 5
        assert all(isinstance(hint, int) for hint in pair.client.hints)


async def test_more_data_than_the_buffer_comes_in_pieces(loop: Loop) -> None:
    async with connected(Buffered, Recorder) as pair:
        data = bytes(range(250)) * 40
        pair.server_transport.write(data)
        assert await pair.client.received(len(data)) == data
        assert max(pair.client.updates) <= 100


async def test_a_view_of_a_part_of_a_buffer_is_filled_and_nothing_else(loop: Loop) -> None:
    class Part(Buffered):
        def get_buffer(self, sizehint: int) -> memoryview:
            return memoryview(self.buffer)[10:15]

        def buffer_updated(self, nbytes: int) -> None:
            self.data += self.buffer[10 : 10 + nbytes]
            self._grown.set()

    async with connected(Part, Recorder) as pair:
        pair.server_transport.write(b"0123456789")
        assert await pair.client.received(10) == b"0123456789"
        assert pair.client.buffer[:10] == bytes(10)
        assert pair.client.buffer[15:] == bytes(85)


async def test_the_buffer_is_let_go_between_reads(loop: Loop) -> None:
    async with connected(Buffered, Recorder) as pair:
        pair.server_transport.write(b"x")
        await pair.client.received(1)
        pair.client.buffer.extend(b"grown while nobody reads")
        pair.server_transport.write(b"y")
        assert await pair.client.received(2) == b"xy"


async def test_the_buffer_may_be_resized_in_buffer_updated(loop: Loop) -> None:
    class Growing(Buffered):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            self.buffer.extend(bytes(10))

    async with connected(Growing, Recorder) as pair:
        pair.server_transport.write(b"x" * 1000)
        assert await pair.client.received(1000) == b"x" * 1000


async def test_the_end_of_the_stream_is_told(loop: Loop) -> None:
    async with connected(Buffered, Recorder) as pair:
        pair.server_transport.write(b"x")
        pair.server_transport.close()
        assert await pair.client.lost is None
        assert pair.client.eof
        assert pair.client.data == b"x"


async def test_an_empty_buffer_is_a_fatal_error(loop: Loop, reports: Reports) -> None:
    class Empty(Buffered):
        def get_buffer(self, sizehint: int) -> bytearray:
            return bytearray()

    async with connected(Empty, Recorder) as pair:
        pair.server_transport.write(b"x")
        exc = await pair.client.lost
        assert isinstance(exc, RuntimeError)
        assert str(exc) == "get_buffer() returned an empty buffer"
        [report] = reports
        assert report["message"] == "Fatal error: protocol.get_buffer() call failed."
        assert report["exception"] is exc
        reports.clear()


@pytest.mark.parametrize("wrong", [None, 5, "text", b"readonly"], ids=repr)
async def test_something_that_is_no_writable_buffer_is_a_fatal_error(
    loop: Loop, reports: Reports, wrong: object
) -> None:
    class Wrong(Buffered):
        def get_buffer(self, sizehint: int) -> Any:
            return wrong

    async with connected(Wrong, Recorder) as pair:
        pair.server_transport.write(b"x")
        assert isinstance(await pair.client.lost, (TypeError, BufferError))
        assert len(reports) == 1
        reports.clear()


async def test_an_exception_in_get_buffer_is_a_fatal_error(loop: Loop, reports: Reports) -> None:
    class Raises(Buffered):
        def get_buffer(self, sizehint: int) -> Any:
            raise LookupError("get")

    async with connected(Raises, Recorder) as pair:
        pair.server_transport.write(b"x")
        assert isinstance(await pair.client.lost, LookupError)
        assert [r["message"] for r in reports] == [
            "Fatal error: protocol.get_buffer() call failed."
        ]
        reports.clear()


async def test_an_exception_in_buffer_updated_is_a_fatal_error(
    loop: Loop, reports: Reports
) -> None:
    class Raises(Buffered):
        def buffer_updated(self, nbytes: int) -> None:
            raise LookupError("updated")

    async with connected(Raises, Recorder) as pair:
        pair.server_transport.write(b"x")
        assert isinstance(await pair.client.lost, LookupError)
        assert [r["message"] for r in reports] == [
            "Fatal error: protocol.buffer_updated() call failed."
        ]
        reports.clear()


async def test_the_kind_of_protocol_may_change_midstream(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.server_transport.write(b"plain")
        await pair.client.received(5)
        buffered = Buffered()
        pair.client_transport.set_protocol(buffered)
        pair.server_transport.write(b"buffered")
        assert await buffered.received(8) == b"buffered"
        last = Recorder()
        pair.client_transport.set_protocol(last)
        pair.server_transport.write(b"plain again")
        assert await last.received(11) == b"plain again"
        assert pair.client.data == b"plain"
        assert buffered.data == b"buffered"


async def test_pausing_holds_back_a_buffered_protocol_too(loop: Loop) -> None:
    async with connected(Buffered, Recorder) as pair:
        pair.client_transport.pause_reading()
        pair.server_transport.write(b"held")
        for _ in range(5):
            await asyncio.sleep(0)
        assert pair.client.data == b""
        pair.client_transport.resume_reading()
        assert await pair.client.received(4) == b"held"


async def test_closing_in_buffer_updated_works(loop: Loop) -> None:
    class Closing(Buffered):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            self.transport.close()

    async with connected(Closing, Recorder) as pair:
        pair.server_transport.write(b"x")
        assert await pair.client.lost is None


async def test_a_large_buffer_takes_much_at_once(loop: Loop) -> None:
    class Large(Buffered):
        size = 1 << 20

    async with connected(Large, Recorder) as pair:
        pair.server_transport.write(b"x" * 5_000_000)
        assert await pair.client.received(5_000_000) == b"x" * 5_000_000
