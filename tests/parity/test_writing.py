"""`write` and `writelines`: what they take, what they keep, and what happens after the end."""

from __future__ import annotations

import array
import asyncio
from typing import Any

import pytest

from .support import Loop, Recorder, connected, turns

SINCE_3_12 = [(3, minor) for minor in range(12, 16)]


@pytest.mark.parametrize(
    "data",
    [b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(bytearray(b"abc"))],
    ids=["bytes", "bytearray", "memoryview", "writable memoryview"],
)
async def test_write_takes_bytes_bytearray_and_memoryview(loop: Loop, data: Any) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.write(data)
        assert await pair.server.received(3) == b"abc"


@pytest.mark.parametrize(
    "data",
    ["text", 5, None, [b"x"], array.array("b", b"abc"), object()],
    ids=lambda d: type(d).__name__,
)
async def test_write_of_something_else_is_a_type_error(loop: Loop, data: Any) -> None:
    async with connected(Recorder, Recorder) as pair:
        # 3.14 says it in more words.
        wanted = "(bytes-like|bytes, bytearray, or memoryview)"
        text = f"^data argument must be a {wanted} object, not '{type(data).__name__}'$"
        with pytest.raises(TypeError, match=text):
            pair.client_transport.write(data)


async def test_an_empty_write_is_nothing(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.write(b"")
        pair.client_transport.write(bytearray())
        pair.client_transport.write(memoryview(b""))
        pair.client_transport.write(b"x")
        assert await pair.server.received(1) == b"x"


@pytest.mark.asyncio_bug("it keeps a view of the caller's buffer", on=SINCE_3_12)
@pytest.mark.parametrize("filler", [0, 20_000_000])
async def test_a_bytearray_may_be_changed_after_the_write(loop: Loop, filler: int) -> None:
    async with connected(Recorder, Recorder) as pair:
        if filler:
            pair.client_transport.write(b"f" * filler)
        data = bytearray(b"original")
        pair.client_transport.write(data)
        data[:] = b"changed!"
        data.extend(b"and grown")
        got = await pair.server.received(filler + 8)
        assert got[-8:] == b"original"


@pytest.mark.asyncio_bug("it keeps a view of the caller's buffer", on=SINCE_3_12)
async def test_a_memoryview_may_be_changed_after_the_write(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.write(b"f" * 20_000_000)
        data = bytearray(b"original")
        view = memoryview(data)
        pair.client_transport.write(view)
        data[:] = b"changed!"
        view.release()
        got = await pair.server.received(20_000_008)
        assert got[-8:] == b"original"


async def test_a_memoryview_of_wider_items_is_written_by_its_bytes(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        items = array.array("I", range(1000))
        pair.client_transport.write(memoryview(items).cast("B"))
        assert await pair.server.received(4000) == items.tobytes()


async def test_writelines_writes_all_chunks_in_order(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.writelines([b"one ", bytearray(b"two "), memoryview(b"three")])
        assert await pair.server.received(13) == b"one two three"


async def test_writelines_takes_any_iterable(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.writelines(b"%d," % i for i in range(5))
        pair.client_transport.writelines((b"tuple",))
        assert await pair.server.received(15) == b"0,1,2,3,4,tuple"


async def test_writelines_takes_empty_chunks(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.writelines([b"", b"a", b"", b"", b"b", b""])
        pair.client_transport.writelines([b"c"])
        assert await pair.server.received(3) == b"abc"


@pytest.mark.parametrize("chunks", [[], [b""], [b"", bytearray()]], ids=repr)
async def test_writelines_of_nothing_does_not_block_what_comes_after(
    loop: Loop, chunks: list[bytes]
) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.writelines(chunks)
        pair.client_transport.write(b"after")
        assert await pair.server.received(5) == b"after"


async def test_writelines_of_more_chunks_than_the_kernel_takes_at_once(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        chunks = [b"%05d" % i for i in range(5000)]
        pair.client_transport.writelines(chunks)
        assert await pair.server.received(25_000) == b"".join(chunks)


async def test_writelines_of_much_data_keeps_the_order_with_writes(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.write(b"a" * 3_000_000)
        pair.client_transport.writelines([b"b" * 1_000_000, b"c" * 1_000_000])
        pair.client_transport.write(b"d")
        got = await pair.server.received(5_000_001)
        assert got == b"a" * 3_000_000 + b"b" * 1_000_000 + b"c" * 1_000_000 + b"d"


async def test_writelines_of_something_else_is_a_type_error(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        with pytest.raises(TypeError):
            pair.client_transport.writelines(5)
        with pytest.raises(TypeError):
            pair.client_transport.writelines(["text"])


async def test_writing_after_close_is_dropped(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.write(b"before")
        pair.client_transport.close()
        pair.client_transport.write(b"after")
        await pair.server.lost
        # The stdlib sends it if the socket still takes it; what was written before must be there.
        assert pair.server.data[:6] == b"before"


async def test_writing_after_connection_lost_is_dropped_and_in_the_end_warned_of(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(Recorder, Recorder) as pair:
        pair.client_transport.abort()
        await pair.client.lost
        for _ in range(4):
            pair.client_transport.write(b"x")
        assert caplog.records == []
        for _ in range(3):
            pair.client_transport.write(b"x")
        assert {record.getMessage() for record in caplog.records} == {
            "socket.send() raised exception."
        }
        assert all(record.levelname == "WARNING" for record in caplog.records)


async def test_the_size_of_the_write_buffer_is_known(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        assert pair.client_transport.get_write_buffer_size() == 0
        pair.server_transport.pause_reading()
        pair.client_transport.write(b"x" * 20_000_000)
        await turns(3)
        left = pair.client_transport.get_write_buffer_size()
        assert 0 < left <= 20_000_000
        pair.client_transport.write(b"y" * 1000)
        assert pair.client_transport.get_write_buffer_size() == left + 1000
        pair.server_transport.resume_reading()
        await pair.server.received(20_001_000)
        await turns(2)
        assert pair.client_transport.get_write_buffer_size() == 0


async def test_a_write_from_connection_lost_does_no_harm(loop: Loop) -> None:
    class Last(Recorder):
        def connection_lost(self, exc: BaseException | None) -> None:
            self.transport.write(b"last words")
            super().connection_lost(exc)

    async with connected(Last, Recorder) as pair:
        pair.client_transport.close()
        await pair.client.lost


async def test_writes_in_data_received_answer_at_once(loop: Loop) -> None:
    class Echo(Recorder):
        def data_received(self, data: bytes) -> None:
            self.transport.write(data)

    async with connected(Recorder, Echo) as pair:
        for i in range(100):
            pair.client_transport.write(b"%03d" % i)
            assert (await pair.client.received(3 * (i + 1)))[-3:] == b"%03d" % i


async def test_small_writes_of_one_turn_all_arrive(loop: Loop) -> None:
    async with connected(Recorder, Recorder) as pair:
        for i in range(3000):
            pair.client_transport.write(b"%04d" % i)
        got = await pair.server.received(12_000)
        assert got == b"".join(b"%04d" % i for i in range(3000))


def test_a_write_before_the_end_of_the_run_reaches_the_peer(loop: Loop) -> None:
    from .support import tcp_sockets

    a, b = tcp_sockets()

    async def main() -> asyncio.Transport:
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=a)
        transport.write(b"last turn")
        return transport

    transport = loop.run_until_complete(main())
    b.setblocking(True)
    b.settimeout(10)
    assert b.recv(100) == b"last turn"
    transport.close()
    loop.run_until_complete(turns(2))
    b.close()
